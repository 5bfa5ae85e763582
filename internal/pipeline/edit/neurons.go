package edit

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// layerOfNeurons is the layer of a vision transformer whose neurons are edited: given, or that
// of the neurons that are named, or of the artefacts; nil where nothing says it. It sets last
// where neurons of the last layer are named, which are in no pair.
func (e *editor) layerOfNeurons() (*int, error) {
	layers, _ := e.model.Config.Layered()
	layer, given := e.Images.NeuronLayer, e.Images.NeuronLayer != nil
	named, other := false, ""
	for _, name := range e.names() {
		of, ok := unit.NeuronLayer(name)
		switch {
		case !ok:
			other = name
			continue
		case given:
		case of >= layers:
			return nil, e.unknown(name)
		case layer != nil && of != *layer:
			return nil, hint.With(usage.Errorf("neurons of layers %d and %d: their weights are edited one layer at a time", *layer, of), anotherLayer)
		default:
			layer = &of
		}
		named = true
	}
	if layer == nil {
		layer = e.model.LayerOf(nil, e.MeansPath, e.ScoresPath, e.PCsPath, e.MaskPath)
	}
	switch {
	case layer == nil && other != "":
		if m := pairName.FindStringSubmatch(strings.ToLower(other)); m != nil {
			if of, err := strconv.Atoi(m[1]); err == nil && 0 < of && of < layers {
				return nil, inseparable(e.Model, other, "its neuron", fmt.Sprintf("such as l%dn%s", of-1, m[2]))
			}
		}
		return nil, e.unknown(other)
	}
	e.last = named && *layer == layers-1
	return layer, nil
}

// anotherLayer is a hint where units are of several layers.
const anotherLayer = "edit what was written again, for the other layer"

var pairName = regexp.MustCompile(`^l(\d+)h\d+n(\d+)$`)

// names are the units that are named.
func (o *Options) names() []string {
	names := append([]string{}, o.Remove...)
	for _, s := range o.Scale {
		names = append(names, s.Unit)
	}
	return names
}

// unknown is the error of a name that no unit has which can be edited in a vision transformer,
// with the option that it was given to.
func (e *editor) unknown(name string) error {
	option := "{scale}"
	if slices.Contains(e.Remove, name) {
		option = "{remove}"
	}
	layers, heads := e.model.Config.Layered()
	err := unit.Layers{Heads: heads}.Unknown(name, fmt.Sprintf("a neuron, l0n0 to l%dn%d, or a head, l0h0 to l%dh%d", layers-1, e.model.Config.Neurons()-1, layers-1, heads-1))
	return fmt.Errorf("%s: %w", option, err)
}

// inseparable is the error of a pair whose weights are those of all pairs of its neuron.
func inseparable(model, pair, neuron, example string) error {
	return hint.With(
		usage.Errorf("%s: pair %s has no weights of its own: all pairs of %s share them", model, pair, neuron),
		fmt.Sprintf("name the neuron, %s, for all its pairs; where texts choose, give components of neurons; ablate takes a single pair out of features", example))
}

// runLast edits neurons of the last layer, whose activations no artefact has the means of.
func (e *editor) runLast(ctx context.Context) (*Result, error) {
	last := *e.Images.NeuronLayer
	switch {
	case e.MaskPath != "" || len(e.Texts) > 0:
		return nil, usage.Errorf("neurons of layer %d, the last, and units that {remove-mask} or {remove-text} chooses: edit them one after the other", last)
	case e.By != ByZero:
		return nil, hint.With(usage.Errorf("neurons of layer %d, the last, by mean: it sees the class token alone, so that no means over tokens can be had", last),
			"{by} zero needs no means")
	}
	var err error
	if e.weights, err = e.model.LastNeurons(); err != nil {
		return nil, err
	}
	_, heads := e.model.Config.Layered()
	e.units = unit.Layered{Shape: unit.Shape{e.model.Config.Neurons()}, Layers: unit.Layers{First: last + 1, Heads: heads}}
	e.Images.NeuronLayer = nil // of pairs, which these neurons are not in
	return e.run(ctx)
}
