package segment

import (
	"slices"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/usage"
)

// windows are towers that look at windows of images. There is one for each kind of tower.
type windows interface {
	// of returns the tower for windows of h x w pixels, whose image is zero where the last
	// user left it so.
	of(h, w int) (*sizedTower, error)
	// axis lays windows over a side of an image; see heat.NewAxis.
	axis(length, crop, stride int) heat.Axis
	// locator prepares what computes patch logits for texts.
	locator(text []float32, pairs *heat.Pairs, o heat.Options, team par.Team) locator
	// rounding is how far reduced precision moves what a tower says of its image.
	rounding(*sizedTower) (*source.Rounding, error)
}

// A locator computes patch logits, as heat.Mapper does.
type locator interface {
	Logits(dst [][]float32, w *heat.Window, team par.Team)
}

// newWindows packs the tower for what the methods need of it.
func newWindows(m *model.Model, o *Options) (windows, error) {
	of, only := "a CLIP-ResNet", []heat.Method{heat.ByValues, heat.BySelfSelf}
	transformer := m.RequireViT() == nil
	if !transformer {
		of, only = "a vision transformer", []heat.Method{heat.ByTokens}
	}
	for _, method := range o.Methods {
		if slices.Contains(only, method) {
			return nil, usage.Errorf("%s: {method} %s is for %s", m.Path(), method, of)
		}
	}
	if transformer {
		return newPatchTower(m, o)
	}
	return newTowers(m, o)
}

// towers are image towers for windows of several sizes that share their weights.
type towers struct {
	checkpoint *clip.Checkpoint
	packed     *clip.ResNetTower
	sized      []*sizedTower // the one used last comes first
	conv       int           // block of the last stage whose map counts
	lens       bool          // whether the attention pool is run on another block's map
	needs      clip.ImageOptions
	blocks     bool
}

// maxSizes is how many sizes of windows are prepared at a time. The maps of one
// take 130 MB of RN50x16; images of a data set have few sizes, if any but one.
const maxSizes = 4

// newTowers packs the image tower for what the methods need of it.
func newTowers(m *model.Model, o *Options) (*towers, error) {
	last := len(m.Config.Layers) - 1
	blocks := m.Config.Layers[last]
	conv, err := blockIndex("{conv-map-idx}", o.Setup.Block, blocks)
	if err != nil {
		return nil, err
	}
	sim, err := blockIndex("{sim-map-idx}", o.SimBlock, blocks)
	if err != nil {
		return nil, err
	}
	t := &towers{checkpoint: m.Checkpoint, conv: conv}
	// One window at a time, so that all threads share it however few there are.
	t.needs = clip.ImageOptions{Batch: 1, Threads: o.Threads, Precision: o.Precision}
	for _, method := range o.Methods {
		switch method {
		case heat.ByPairs:
			t.blocks, t.needs.TokenValues = true, true
		case heat.ByNeurons:
			t.blocks = true
		case heat.BySelfSelf:
			t.needs.SelfSelf = true
		default:
			t.needs.TokenValues = true
		}
	}
	t.needs.KeepBlocks = t.blocks
	if sim != blocks-1 {
		t.lens, t.needs.Lenses = true, []int{sim}
	}
	t.packed, err = clip.NewResNetTower(m.Checkpoint, t.needs)
	return t, err
}

// blockIndex resolves the index of a block, which counts from the last one if it
// is below zero.
func blockIndex(flag string, index, blocks int) (int, error) {
	if index < -blocks || index >= blocks {
		return 0, usage.Errorf("%s %d: the last stage has %d blocks, want %d to %d", flag, index, blocks, -blocks, blocks-1)
	}
	if index < 0 {
		index += blocks
	}
	return index, nil
}

// sizedTower is a tower for windows of one size, and what it says of a window.
type sizedTower struct {
	tower         clip.ImageTower
	width, height int       // of windows, in pixels
	image         []float32 // [3,h,w], normalised
	out           clip.Output
	window        heat.Window // on the memory of out
}

func (t *towers) axis(length, crop, stride int) heat.Axis { return heat.NewAxis(length, crop, stride) }

func (t *towers) locator(text []float32, pairs *heat.Pairs, o heat.Options, team par.Team) locator {
	return heat.NewMapper(t.packed.OV(), text, pairs, o, team)
}

func (t *towers) of(h, w int) (*sizedTower, error) {
	for i, s := range t.sized {
		if s.height == h && s.width == w {
			t.sized = slices.Insert(slices.Delete(t.sized, i, i+1), 0, s)
			clear(s.image)
			return s, nil
		}
	}
	tower, err := t.packed.ForSize(h, w)
	if err != nil {
		return nil, err
	}
	s := &sizedTower{tower: tower, width: w, height: h, image: make([]float32, 3*h*w)}
	c := tower.Config()
	T, C := tower.Tokens(), c.Neurons()
	s.window.Rows, s.window.Cols = tower.Grid()
	pool := clip.Output{Attention: make([]float32, c.Heads()*T)}
	if t.needs.TokenValues {
		pool.TokenValues = make([]float32, T*C)
	}
	if t.needs.SelfSelf {
		pool.SelfSelf = make([]float32, T*C)
	}
	s.window.Attention, s.window.Values, s.window.SelfSelf = pool.Attention, pool.TokenValues, pool.SelfSelf
	if s.out = pool; t.lens {
		s.out = clip.Output{Lenses: []clip.Output{pool}}
	}
	if t.blocks {
		s.window.Map = make([]float32, (T-1)*C)
		s.out.Blocks = make([][]float32, c.Layers[len(c.Layers)-1])
		s.out.Blocks[t.conv] = s.window.Map
	}
	t.sized = append([]*sizedTower{s}, t.sized...)
	t.sized = t.sized[:min(len(t.sized), maxSizes)]
	return s, nil
}

// run sends the image through the tower and fills window.
func (s *sizedTower) run() error { return s.tower.Run(s.image, s.out) }

func (t *towers) rounding(of *sizedTower) (*source.Rounding, error) {
	exact := clip.ImageOptions{Batch: t.needs.Batch, Threads: t.needs.Threads}
	packed, err := clip.NewResNetTower(t.checkpoint, exact)
	if err != nil {
		return nil, err
	}
	reference, err := packed.ForSize(of.height, of.width)
	if err != nil {
		return nil, err
	}
	r, err := source.CompareTowers(of.tower, reference, of.image)
	if err == nil {
		r.Precision = source.PrecisionOf(t.needs.Precision)
	}
	return r, err
}
