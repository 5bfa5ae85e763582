package pipeline

import (
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
)

// WordsOptions says which words to put beside units: the largest of their codes.
type WordsOptions struct {
	DecompositionPaths []string // .npz, of pairs, of neurons, or both
	Words              []string
	Components         int // words of a unit
}

// unitWords are the codes of units, by kind.
type unitWords struct {
	WordsOptions
	pairs, neurons *decomposition // nil: no words
	count          int            // C
}

// openWords reads the codes, which must be of the source's model and units.
func (o RetrieveOptions) openWords(src *source) (*unitWords, error) {
	w := &unitWords{WordsOptions: o.WordsOptions, count: src.neurons}
	for _, path := range o.DecompositionPaths {
		d, err := readDecomposition(path)
		if err != nil {
			return nil, err
		}
		shape := unitShape{src.neurons}
		if d.artefact != nil {
			if err := madeFromWords(d.artefact, o.Words); err != nil {
				return nil, err
			}
			if err := requireOf(d.artefact, cache.Manifest{Origin: cache.Origin{Weights: src.origin.Weights}}); err != nil {
				return nil, err
			}
			shape = shapeOf(d.artefact.Manifest)
		} else if d.rows.Rows != src.neurons {
			shape = unitShape{src.heads, src.neurons}
		}
		if !slices.Equal(shape, unitShape{src.heads, src.neurons}) && !slices.Equal(shape, unitShape{src.neurons}) {
			return nil, fmt.Errorf("%s: codes of units %s, want [%d,%d] or [%d]", path, npy.ShapeString(shape), src.heads, src.neurons, src.neurons)
		}
		if err := d.fits(path, product(shape), len(o.Words)); err != nil {
			return nil, err
		}
		if shape.pairs() {
			w.pairs = d
		} else {
			w.neurons = d
		}
	}
	return w, nil
}

// of returns the words of a unit; none where its code is not known.
func (w *unitWords) of(head, neuron int) []Term {
	d, unit := w.pairs, head*w.count+neuron
	if head == wholeNeuron {
		d, unit = w.neurons, neuron
	}
	if d == nil || d.stops != nil && d.stops[unit] == uncoded {
		return nil
	}
	terms := d.terms(unit, w.Words)
	return terms[:min(len(terms), w.Components)]
}
