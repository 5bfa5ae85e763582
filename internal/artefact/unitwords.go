package artefact

import (
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// WordsOptions says which words to put beside units: the largest of their codes.
type WordsOptions struct {
	DecompositionPaths []string // .npz, of pairs, of neurons, or both
	Words              []string
	Components         int // words of a unit
}

// UnitWords are the codes of units, by kind.
type UnitWords struct {
	WordsOptions
	pairs, neurons *Codes // nil: no words
}

// UnitWords reads codes, which must be of the units and the model of what has origin
// from. A pcsPath names components that those of pairs must have been made from.
func (r Reader) UnitWords(o WordsOptions, units unit.Shape, from origin.Origin, pcsPath string) (*UnitWords, error) {
	pcs := ""
	if pcsPath != "" && len(o.DecompositionPaths) > 0 {
		a, err := r.Open(pcsPath, nil, KindComponents)
		if err != nil {
			return nil, err
		}
		if a != nil {
			pcs = a.Hash()
		}
	}
	w := &UnitWords{WordsOptions: o}
	heads, neurons := units[0], units.Neurons()
	for _, path := range o.DecompositionPaths {
		d, err := r.Codes(path, nil)
		if err != nil {
			return nil, err
		}
		shape := unit.Shape{neurons}
		if d.Artefact != nil {
			if err := r.Check(d.Artefact, Of(from).Texts(o.Words)); err != nil {
				return nil, err
			}
			shape = d.Units().Shape
		} else if d.Rows.Rows != neurons {
			shape = unit.Shape{heads, neurons}
		}
		if !slices.Equal(shape, unit.Shape{heads, neurons}) && !slices.Equal(shape, unit.Shape{neurons}) {
			return nil, fmt.Errorf("%s: codes of units %s, want [%d,%d] or [%d]", path, npy.ShapeString(shape), heads, neurons, neurons)
		}
		if err := d.Want(Product(shape), len(o.Words)); err != nil {
			return nil, err
		}
		into := &w.neurons
		if shape.IsPairs() {
			into = &w.pairs
			if d.Artefact != nil { // what texts are compared with
				if err := r.Check(d.Artefact, Facts{}.Parent("components", pcs)); err != nil {
					return nil, fmt.Errorf("%w, %s", err, pcsPath)
				}
			}
		}
		if *into != nil {
			return nil, usage.Errorf("%s and %s: both are codes of %ss, want one of pairs and one of neurons", (*into).Path, path, shape.Kind())
		}
		*into = d
	}
	return w, nil
}

// Codes returns the codes of pairs, or of neurons; nil if there are none.
func (w *UnitWords) Codes(pairs bool) *Codes {
	if pairs {
		return w.pairs
	}
	return w.neurons
}

// SetCodes takes the codes of pairs, or of neurons.
func (w *UnitWords) SetCodes(pairs bool, d *Codes) {
	if pairs {
		w.pairs = d
	} else {
		w.neurons = d
	}
}

// Pair returns the words of pair h*C+n, and Neuron those of a neuron; none where the
// code is not known.
func (w *UnitWords) Pair(pair int) []Term { return w.of(w.pairs, pair) }

// Neuron returns the words of a neuron; see Pair.
func (w *UnitWords) Neuron(neuron int) []Term { return w.of(w.neurons, neuron) }

func (w *UnitWords) of(d *Codes, u int) []Term {
	if d == nil || !d.IsCoded(u) {
		return nil
	}
	terms := d.Terms(u, w.Words)
	return terms[:min(len(terms), w.Components)]
}
