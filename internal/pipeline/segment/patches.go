package segment

import (
	"slices"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/usage"
)

// patchTower is a vision transformer, whose windows have its own size. What heads read of
// tokens is compared with texts.
type patchTower struct {
	checkpoint *clip.Checkpoint
	pairs      clip.Pairs // where a method takes some
	needs      clip.ImageOptions
	tokens     *decomp.Tokens
	one        *sizedTower
}

func newPatchTower(m *model.Model, o *Options) (*patchTower, error) {
	c := m.Config
	if crop := o.Setup.SlideCrop; crop != 0 && crop != c.ImageSize {
		return nil, usage.Errorf("{slide-crop} %d: windows of a vision transformer have its own size, want %d or 0", crop, c.ImageSize)
	}
	t := &patchTower{checkpoint: m.Checkpoint, needs: clip.ImageOptions{Batch: 1, Threads: o.Threads, Precision: o.Precision, Reads: true}}
	T, W := c.Tokens(), c.ViT.Width
	out := clip.Output{Features: make([]float32, c.OutDim), Reads: make([]float32, c.ViT.Layers*T*W), Statistics: make([]float32, 2)}
	var err error
	if slices.ContainsFunc(o.Methods, heat.Method.UsesPairs) {
		if t.pairs, err = m.Pairs(o.NeuronLayer); err != nil {
			return nil, err
		}
		t.pairs.Want(&t.needs)
		t.needs.PairTokens = true
		out.Neurons = make([]float32, T*t.pairs.Neurons)
	}
	if t.tokens, err = m.Checkpoint.Tokens(); err != nil {
		return nil, err
	}
	tower, err := clip.NewViTTower(m.Checkpoint, t.needs)
	if err != nil {
		return nil, err
	}
	side := c.ImageSize
	t.one = &sizedTower{tower: tower, width: side, height: side, image: make([]float32, tower.ImageLen()), out: out}
	t.one.window = heat.Window{
		Rows: c.Grid(), Cols: c.Grid(), Reads: out.Reads, Statistics: out.Statistics, Neurons: out.Neurons, Feature: out.Features,
	}
	return t, nil
}

func (t *patchTower) of(int, int) (*sizedTower, error) {
	clear(t.one.image)
	return t.one, nil
}

func (t *patchTower) axis(length, crop, stride int) heat.Axis {
	return heat.NewPatchAxis(length, crop, stride, t.checkpoint.Config.ViT.Patch)
}

func (t *patchTower) locator(text []float32, pairs *heat.Pairs, o heat.Options, team par.Team) locator {
	of := heat.PairHeads{First: t.pairs.FirstLayer, Heads: t.pairs.LayerHeads, Neurons: t.pairs.Neurons}
	return heat.NewTokenMapper(t.tokens, text, pairs, of, o, team)
}

func (t *patchTower) rounding(of *sizedTower) (*source.Rounding, error) {
	exact := t.needs
	exact.Precision = kernel.Float32
	reference, err := clip.NewViTTower(t.checkpoint, exact)
	if err != nil {
		return nil, err
	}
	r, err := source.CompareTowers(of.tower, reference, of.image)
	if err == nil {
		r.Precision = source.PrecisionOf(t.needs.Precision)
	}
	return r, err
}
