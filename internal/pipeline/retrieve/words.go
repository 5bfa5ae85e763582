package retrieve

import (
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/unit"
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
	pairs, neurons *artefact.Codes // nil: no words
	count          int             // C
}

// openWords reads the codes, which must be of the source's model and units.
func (o Options) openWords(src *source.Source) (*unitWords, error) {
	pcs := ""
	if o.PCsPath != "" {
		a, err := o.Artefacts.Open(o.PCsPath, nil, artefact.KindComponents)
		if err != nil {
			return nil, err
		}
		if a != nil {
			pcs = a.Hash()
		}
	}
	w := &unitWords{WordsOptions: o.WordsOptions, count: src.Neurons}
	for _, path := range o.DecompositionPaths {
		d, err := o.Artefacts.Codes(path, nil)
		if err != nil {
			return nil, err
		}
		shape := unit.Shape{src.Neurons}
		if d.Artefact != nil {
			if err := o.Artefacts.Check(d.Artefact, artefact.Of(src.Origin).Texts(o.Words)); err != nil {
				return nil, err
			}
			shape = d.Units().Shape
		} else if d.Rows.Rows != src.Neurons {
			shape = unit.Shape{src.Heads, src.Neurons}
		}
		if !slices.Equal(shape, unit.Shape{src.Heads, src.Neurons}) && !slices.Equal(shape, unit.Shape{src.Neurons}) {
			return nil, fmt.Errorf("%s: codes of units %s, want [%d,%d] or [%d]", path, npy.ShapeString(shape), src.Heads, src.Neurons, src.Neurons)
		}
		if err := d.Want(artefact.Product(shape), len(o.Words)); err != nil {
			return nil, err
		}
		into := &w.neurons
		if shape.IsPairs() {
			into = &w.pairs
			if d.Artefact != nil { // what texts are compared with
				if err := o.Artefacts.Check(d.Artefact, artefact.Facts{}.Parent("components", pcs)); err != nil {
					return nil, fmt.Errorf("%w, %s", err, o.PCsPath)
				}
			}
		}
		if *into != nil {
			return nil, fmt.Errorf("%s and %s: both are codes of %ss, want one of pairs and one of neurons", (*into).Path, path, shape.Kind())
		}
		*into = d
	}
	return w, nil
}

// of returns the words of a unit; none where its code is not known.
func (w *unitWords) of(head, neuron int) []artefact.Term {
	d, u := w.pairs, head*w.count+neuron
	if head == wholeNeuron {
		d, u = w.neurons, neuron
	}
	if d == nil || !d.IsCoded(u) {
		return nil
	}
	terms := d.Terms(u, w.Words)
	return terms[:min(len(terms), w.Components)]
}
