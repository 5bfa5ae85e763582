package live

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/unit"
)

// EditCommand is what the edit command is to be told so that it makes a model without some
// pairs.
type EditCommand struct {
	Model  string // empty if there is none
	Scores string // of the means; empty by zero, and of neurons
	Units  []string
	By     string // ByMean or ByZero

	// Neurons of a vision transformer are removed with all their pairs; by mean, by those of
	// their activations over the images.
	Neurons bool

	// Heads are instead of units, those of each layer, the last layer first, which are taken out one
	// layer at a time: Layered says that they are of layers, and not of an attention pool.
	Heads   [][]string
	Layered bool

	Of   origin.Origin // of the scores
	Data dataset.Options
}

// editLine is the command line that makes the model without the pairs. It is empty where none
// are taken out, where weights do not hold them apart, or nobody spells it. note says why of
// the second, and what else the command changes.
func (l *Live) editLine(shape unit.Layered, off []int, zero bool) (line, note string) {
	if len(off) == 0 || l.o.Edit == nil {
		return "", ""
	}
	e := EditCommand{Model: l.o.ModelPath, Scores: l.o.ScoresPath, By: ByMean}
	if zero {
		e.Scores, e.By = "", ByZero
	}
	if shape.Layers.Separable() {
		for _, u := range off {
			e.Units = append(e.Units, shape.Name(u))
		}
		return l.o.Edit(e), ""
	}
	of := make([]int, shape.Neurons()) // pairs that are off, of each neuron
	for _, u := range off {
		of[u%len(of)]++
	}
	for _, u := range off {
		if n := u % len(of); of[n] < shape.Shape[0] {
			return "", fmt.Sprintf("pair %s has no weights of its own: all pairs of %s share them", shape.Name(u), shape.Layers.Neuron(n))
		}
	}
	for n, pairs := range of {
		if pairs > 0 {
			e.Units = append(e.Units, shape.Layers.Neuron(n))
		}
	}
	e.Scores, e.Neurons, e.Of, e.Data = "", true, l.from, l.o.Data
	return l.o.Edit(e), "this takes the neurons out of the weights: also what they add to the class token itself, and all later layers see it, so that features differ from those with only the pairs off"
}
