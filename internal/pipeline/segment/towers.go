package segment

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// looksAt are what methods look at of windows, and what the image tower must have for it.
var looksAt = map[heat.Method]struct {
	want  func(*clip.WindowOptions)
	needs []clip.Structure
	of    string // the models that have it
}{
	heat.ByPairs:    {want: func(o *clip.WindowOptions) { o.Neurons, o.Heads = true, true }},
	heat.ByHeads:    {want: func(o *clip.WindowOptions) { o.Heads = true }},
	heat.ByNeurons:  {want: func(o *clip.WindowOptions) { o.Neurons = true }},
	heat.ByValues:   {func(o *clip.WindowOptions) { o.Values = true }, []clip.Structure{clip.AttentionPool}, "a CLIP-ResNet"},
	heat.BySelfSelf: {func(o *clip.WindowOptions) { o.SelfSelf = true }, []clip.Structure{clip.AttentionPool}, "a CLIP-ResNet"},
	heat.ByTokens:   {func(*clip.WindowOptions) {}, []clip.Structure{clip.Residual}, "a vision transformer"},
}

// fitWindows has windows of a data set's settings give way to those of a tower that has them
// of one side only, in pixels; 0: of any.
func (o *Options) fitWindows(side int, say ui.Reporter) {
	if side == 0 || o.Asked.SlideCrop || o.Setup.SlideCrop == 0 || o.Setup.SlideCrop == side {
		return
	}
	setup := *o.Setup
	setup.SlideCrop = 0
	text := fmt.Sprintf("%s has windows of %d pixels: used the model's, of %d", setup.Name, o.Setup.SlideCrop, side)
	if !o.Asked.SlideStride && setup.SlideStride != 0 {
		setup.SlideStride = 0
		text += fmt.Sprintf(", and moved them by half of that, not by %d", o.Setup.SlideStride)
	}
	o.Setup = &setup
	say.Note("%s", text)
}

// newWindows packs the tower for what the methods need of it.
func newWindows(m *model.Model, o *Options) (clip.Windows, error) {
	w := clip.WindowOptions{Threads: o.Threads, Precision: o.Precision, Size: o.Setup.SlideCrop, NeuronLayer: o.NeuronLayer, MapBlock: o.Setup.Block, PoolBlock: o.SimBlock}
	for _, method := range o.Methods {
		look := looksAt[method]
		for _, s := range look.needs {
			if !m.Config.Has(s) {
				return nil, usage.Errorf("%s: {method} %s is for %s", m.Path(), method, look.of)
			}
		}
		look.want(&w)
	}
	return m.Windows(w)
}

// axis lays the windows over a side of an image.
func (s *segmenter) axis(length int) heat.Axis {
	cell, fixed := s.towers.Cell()
	return heat.NewAxis(length, s.crop, s.stride, cell, fixed)
}

// setHeat prepares the maps of texts and of the pairs that they take.
func (s *segmenter) setHeat(text []float32, pairs *heat.Pairs) {
	w := s.towers
	p := w.Pairs()
	by := heat.Weights{OV: w.OV(), Tokens: w.Tokens(), Heads: heat.PairHeads{First: p.FirstLayer, Heads: p.LayerHeads, Neurons: p.Neurons}}
	s.heat = heat.NewLocator(by, text, pairs, heat.Options{Methods: s.o.Methods, Sink: s.o.Setup.Sink}, s.team)
}

// window is what a tower says of its window, on the tower's memory.
func window(w *clip.Window) *heat.Window {
	of := w.Seen
	return &heat.Window{
		Rows: w.Rows, Cols: w.Cols, Map: w.Map, Attention: of.Attention, Values: of.TokenValues, SelfSelf: of.SelfSelf,
		Reads: of.Reads, Statistics: of.Statistics, Neurons: of.Neurons, Feature: of.Features,
	}
}

// rounding is how far reduced precision moves what a tower says of its image.
func (s *segmenter) rounding(of *clip.Window) (*source.Rounding, error) {
	exact, err := s.towers.Exact(of)
	if err != nil {
		return nil, err
	}
	r, err := source.CompareTowers(of.Tower, exact, of.Image)
	if err == nil {
		r.Precision = source.PrecisionOf(s.o.Precision)
	}
	return r, err
}

// noteSize says once of each size of windows that it is not the model's.
func (s *segmenter) noteSize(t *clip.Window) {
	size := WindowSize{Width: t.Width, Height: t.Height}
	side := t.Tower.Config().ImageSize
	size.Interpolated = size.Width != side || size.Height != side
	for _, known := range s.result.Sizes {
		if known == size {
			return
		}
	}
	s.result.Sizes = append(s.result.Sizes, size)
	if size.Interpolated {
		s.say.Note("windows of %dx%d pixels: the model's are %dx%d, so the position embedding is interpolated", size.Width, size.Height, side, side)
	}
}
