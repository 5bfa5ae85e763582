package retrieve

import (
	"context"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/describe"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/unit"
)

// WordsOptions says which words to put beside units: the largest of their codes, which
// are read, or computed as describe.Best says.
type WordsOptions struct {
	DecompositionPaths []string // .npz, of pairs, of neurons, or both
	Words              []string
	WordsPath          string // where Words are from
	Components         int    // words of a unit

	// EmbeddingsPath, unless empty, is of the words, for the codes of those kinds of
	// units whose components are given: of pairs by Options.PCsPath, of neurons here.
	EmbeddingsPath string
	NeuronPCsPath  string // .npy [C,O]; may be empty
}

// unitWords are the codes of units, by kind.
type unitWords struct {
	WordsOptions
	pairs, neurons *artefact.Codes // nil: no words
	count          int             // C
}

// openWords reads codes and computes those of the units that are asked for. They must be
// of the source's model and units.
func (o Options) openWords(ctx context.Context, src *source.Source, asked []askedNeuron) (*unitWords, error) {
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
			shape = d.Units()
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
	if o.EmbeddingsPath == "" {
		return w, nil
	}
	var pairs, neurons []int
	for _, a := range asked {
		neurons = append(neurons, a.index)
		for _, h := range a.heads {
			pairs = append(pairs, h*src.Neurons+a.index)
		}
	}
	for _, kind := range []struct {
		pcs   string
		shape unit.Shape
		units []int
		into  **artefact.Codes
	}{
		{o.PCsPath, unit.Shape{src.Heads, src.Neurons}, pairs, &w.pairs},
		{o.NeuronPCsPath, unit.Shape{src.Neurons}, neurons, &w.neurons},
	} {
		if kind.pcs == "" || len(kind.units) == 0 {
			continue
		}
		if *kind.into != nil {
			return nil, fmt.Errorf("%s: codes of %ss are read already, want either these or components (%s)", (*kind.into).Path, kind.shape.Kind(), kind.pcs)
		}
		slices.Sort(kind.units)
		var err error
		if *kind.into, err = o.code(ctx, src, kind.pcs, kind.shape, kind.units); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// code computes the codes of some units, ascending.
func (o Options) code(ctx context.Context, src *source.Source, pcsPath string, shape unit.Shape, units []int) (*artefact.Codes, error) {
	c, err := coding.Open(coding.Options{
		Artefacts: o.Artefacts, PCsPath: pcsPath, EmbeddingsPath: o.EmbeddingsPath, Words: o.Words, WordsPath: o.WordsPath,
		Method: describe.Best, Normalize: describe.BestNormalization, Components: o.Components, Threads: o.Threads,
	})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if !slices.Equal(c.PCs.Units, shape) {
		return nil, fmt.Errorf("%s: components of units %s, want %s", pcsPath, npy.ShapeString(c.PCs.Units), npy.ShapeString(shape))
	}
	if c.PCs.Artefact != nil {
		if err := o.Artefacts.Check(c.PCs.Artefact, artefact.Of(src.Origin)); err != nil {
			return nil, err
		}
	}
	if err := c.Prepare(ctx, len(units)); err != nil {
		return nil, err
	}
	codes, err := c.Code(ctx, units, nil)
	if err != nil {
		return nil, err
	}
	return artefact.NewCodes(codes, units, shape.Count()), nil
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
