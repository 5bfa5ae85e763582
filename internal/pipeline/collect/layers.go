package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// This file collects the pairs of several layers of neurons in one pass through the tower.
//
// Each layer is a collection of its own, in a folder named after it within the path: with the
// bytes, and the manifest, that a run of this layer alone has there. So everything that reads
// scores reads them, a pair such as l11h3n624, which several layers of neurons have, is that of
// the collection it is asked of, and to resume, shard, merge, verify and repair is what it is
// for any collection. Nothing ties the folders but their place: each says itself what it was
// made from.

// Layers is what RunLayers wrote, layer by layer.
type Layers struct {
	Layers []*Result `json:"layers"`
}

// checkLayers returns an error unless o can be collected of several layers of neurons.
func (o Options) checkLayers(layers []int) error {
	var names []string
	for _, layer := range layers {
		names = append(names, fmt.Sprint(layer))
	}
	of := fmt.Sprintf("{neuron-layer} %s: several layers", strings.Join(names, ","))
	switch {
	case !slices.IsSorted(layers) || len(slices.Compact(slices.Clone(layers))) < len(layers):
		return usage.Errorf("%s, want them ascending, and each once", of)
	case o.Mode != ModePairs && o.Mode != ModeNeurons:
		return usage.Errorf("%s are for scores, {mode} %s, not for %s: collect one at a time", of, ModePairs, o.Mode)
	case o.Mean:
		return usage.Errorf("%s, and {mean}: collect one at a time", of)
	case o.NoFeatures:
		return usage.Errorf("%s, and {no-features}: collect one at a time", of)
	case artefact.IsDense(o.SavePath):
		return usage.Errorf("%s go to folders within {save-path}: want a path without .dat or .npy, not %s", of, o.SavePath)
	case o.Device != "":
		return usage.Errorf("%s, and {device} %s, which scores one: collect one at a time", of, o.Device)
	}
	return nil
}

// RunLayers is Run for the pairs of several layers of neurons of a vision transformer, two or
// more, ascending. Each layer's collection is at its artefact.LayerPath and is that of Run, with chunks
// as small as those of the layer that has most pairs; those that are complete are left as they
// are.
func RunLayers(ctx context.Context, o Options, layers []int, say ui.Reporter) (*Layers, error) {
	if err := o.checkLayers(layers); err != nil {
		return nil, err
	}
	if err := errors.Join(o.CheckStats(), wantLayersFolder(o.SavePath)); err != nil {
		return nil, err
	}
	o.NeuronLayer = &layers[0]
	first, err := openCollector(ctx, o, say)
	if err != nil {
		return nil, err
	}
	defer first.close()
	result := &Layers{}
	var open []*rows  // of layers that are not complete
	var pending int64 // bytes that those before still need
	for i := range layers {
		c, err := first.ofLayer(&layers[i])
		if err != nil {
			return nil, err
		}
		c.pending = pending
		r, complete, err := c.open(ctx)
		if err != nil {
			return nil, err
		}
		pending = c.pending
		if r != nil {
			defer r.close()
			open, complete = append(open, r), r.result
		}
		result.Layers = append(result.Layers, complete)
	}
	// One that an older build began may be cut otherwise, and is resumed by itself.
	for len(open) > 0 {
		same, others := inStep(open)
		if err := first.together(ctx, same); err != nil {
			return nil, err
		}
		open = others
	}
	first.warnOfZeros()
	for _, r := range result.Layers {
		first.describe(r)
	}
	return result, nil
}

// wantLayersFolder returns an error where a collection is at a path whose folders are to be
// collections.
func wantLayersFolder(path string) error {
	_, missing := cache.Open(path)
	_, none := cache.InspectUnfinished(path)
	if missing != nil && none != nil {
		return nil
	}
	return hint.With(fmt.Errorf("%s: it is a collection itself, want a folder for one of each layer of neurons", path), "give another {save-path}")
}

// ofLayer is the collector of another layer of neurons than the first, by the same model.
func (c *collector) ofLayer(layer *int) (*collector, error) {
	of := *c
	of.chunkAtMost = c.chunkInputs() // the first layer has most pairs
	of.options.NeuronLayer = layer
	of.options.SavePath = c.options.Shard.Path(artefact.LayerPath(c.options.SavePath, *layer))
	mode, err := newMode(of.options.mode(), c.model)
	if err != nil {
		return nil, err
	}
	of.mode = mode
	return &of, artefact.MakeFolders(of.options.SavePath)
}

// inStep are those of collections that have the chunks of the first of them, and the others.
func inStep(open []*rows) (same, others []*rows) {
	for _, r := range open {
		if slices.Equal(r.plan.Cuts, open[0].plan.Cuts) {
			same = append(same, r)
		} else {
			others = append(others, r)
		}
	}
	return same, others
}

// together sends the images through the tower that some collection still lacks, and finishes
// all of them.
func (c *collector) together(ctx context.Context, open []*rows) error {
	c.items, c.sizes = open[0].c.items, open[0].c.sizes // of the shard
	var of layersMode
	next, cut := open[0].next(), open[0].cut
	for _, r := range open {
		of.modes = append(of.modes, r.c.mode.(scoring).scored())
		next = min(next, r.next())
	}
	for _, r := range open {
		r.startAt(next)
	}
	c.mode, c.disk = of, open[len(open)-1].c.disk
	err := c.run(ctx, c.from(cut.First(next)), cut, func(chunk collected) error {
		for i, r := range open {
			if err := r.take(of.part(chunk, i)); err != nil {
				return err
			}
		}
		return nil
	})
	var ended []error
	for _, r := range open {
		ended = append(ended, r.end(err))
	}
	if err != nil {
		return ended[0]
	}
	for i, r := range open {
		if _, err := r.finish(ended[i]); err != nil {
			return err
		}
	}
	return nil
}

// layersMode keeps the scores of several layers, one after the other.
type layersMode struct{ modes []scoredMode }

func (l layersMode) values() int {
	n := 0
	for _, m := range l.modes {
		n += m.values()
	}
	return n
}

func (l layersMode) label(i int) string {
	for _, m := range l.modes {
		if i < m.values() {
			return fmt.Sprintf("%s of layer %d's neurons", m.label(i), m.layer())
		}
		i -= m.values()
	}
	panic("collect: no such value")
}

func (l layersMode) start(from towers, o clip.ImageOptions) (*started, error) {
	for _, m := range l.modes[1:] {
		o.MoreLayers = append(o.MoreLayers, m.layer())
	}
	return l.modes[0].startAll(from, o)
}

// row is not asked for: rows are those of the layers.
func (l layersMode) row() row                                         { return row{} }
func (l layersMode) rowBuilder() (func(row, values []float32), error) { return nil, nil }

// part is what a chunk gave for layer i of them.
func (l layersMode) part(of collected, i int) collected {
	before := layersMode{l.modes[:i]}.values()
	each, all := l.modes[i].values(), l.values()
	part := of
	part.values = make([]float32, of.images*each)
	for b := range of.images {
		copy(part.values[b*each:(b+1)*each], of.values[b*all+before:])
	}
	return part
}
