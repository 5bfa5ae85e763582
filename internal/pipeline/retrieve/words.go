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

// WordsOptions says which words to put beside units: those of codes that are read, or
// computed as describe.Best says.
type WordsOptions struct {
	artefact.WordsOptions
	WordsPath string // where Words are from

	// EmbeddingsPath, unless empty, is of the words, for the codes of those kinds of
	// units whose components are given: of pairs by Options.PCsPath, of neurons here.
	EmbeddingsPath string
	NeuronPCsPath  string // .npy [C,O]; may be empty
}

// openWords reads codes and computes those of the units that are asked for. They must be
// of the source's model and units.
func (o Options) openWords(ctx context.Context, src *source.Source, asked []askedNeuron) (*artefact.UnitWords, error) {
	shape := unit.Shape{src.Heads, src.Neurons}
	w, err := o.Artefacts.UnitWords(o.WordsOptions.WordsOptions, shape, src.Origin, o.PCsPath)
	if err != nil || o.EmbeddingsPath == "" {
		return w, err
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
	}{
		{o.PCsPath, shape, pairs},
		{o.NeuronPCsPath, shape[1:], neurons},
	} {
		if kind.pcs == "" || len(kind.units) == 0 {
			continue
		}
		if read := w.Codes(kind.shape.IsPairs()); read != nil {
			return nil, fmt.Errorf("%s: codes of %ss are read already, want either these or components (%s)", read.Path, kind.shape.Kind(), kind.pcs)
		}
		slices.Sort(kind.units)
		codes, err := o.code(ctx, src, kind.pcs, kind.shape, kind.units)
		if err != nil {
			return nil, err
		}
		w.SetCodes(kind.shape.IsPairs(), codes)
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
	if !slices.Equal(c.PCs.Units.Shape, shape) {
		return nil, fmt.Errorf("%s: components of units %s, want %s", pcsPath, npy.ShapeString(c.PCs.Units.Shape), npy.ShapeString(shape))
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
