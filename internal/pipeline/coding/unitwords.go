package coding

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/describe"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// WordsOptions says which words to put beside units: those of codes that are read, or
// computed as describe.Best says.
type WordsOptions struct {
	artefact.WordsOptions
	WordsPath string // where Words are from

	// EmbeddingsPath, unless empty, is of the words, for the codes of those kinds of
	// units whose components are given: of pairs, .npy [H,C,O], where words are opened;
	// of neurons here.
	EmbeddingsPath string
	NeuronPCsPath  string // .npy [C,O]; may be empty

	Named int // of a unit's words, the first, that pages name; 0: all
}

// Words are words of units: of the codes that were read, and of those that Code computes.
type Words struct {
	*artefact.UnitWords
	pairs, neurons *Coding // nil: not computed
	prepared       map[*Coding]bool
}

// OpenWords reads codes, and opens what others are computed from. All must be of the
// units, [H,C], and of the model of what has origin from.
func OpenWords(r artefact.Reader, o WordsOptions, units unit.Shape, from origin.Origin, pairPCsPath string, threads int) (*Words, error) {
	read, err := r.UnitWords(o.WordsOptions, units, from, pairPCsPath)
	if err != nil {
		return nil, err
	}
	w := &Words{UnitWords: read, prepared: map[*Coding]bool{}}
	if o.EmbeddingsPath == "" {
		return w, nil
	}
	for _, kind := range []struct {
		pcs   string
		shape unit.Shape
		into  **Coding
	}{
		{pairPCsPath, units, &w.pairs},
		{o.NeuronPCsPath, units[1:], &w.neurons},
	} {
		if kind.pcs == "" || kind.shape.Count() == 0 {
			continue
		}
		if read := w.Codes(kind.shape.IsPairs()); read != nil {
			err := usage.Errorf("%s: codes of %ss are read already, want either these or components (%s)", read.Path, kind.shape.Kind(), kind.pcs)
			return nil, errors.Join(err, w.Close())
		}
		if *kind.into, err = openWordsCoding(r, o, kind.pcs, kind.shape, from, threads); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	return w, nil
}

// openWordsCoding opens the components of all units of a shape.
func openWordsCoding(r artefact.Reader, o WordsOptions, pcsPath string, shape unit.Shape, from origin.Origin, threads int) (*Coding, error) {
	c, err := Open(Options{
		Artefacts: r, Of: artefact.Of(from), PCsPath: pcsPath, EmbeddingsPath: o.EmbeddingsPath, Words: o.Words, WordsPath: o.WordsPath,
		Method: describe.Best, Normalize: describe.BestNormalization, Components: o.Components, Threads: threads,
	})
	if err != nil {
		return nil, err
	}
	if err := c.PCs.Want(shape, c.PCs.OutDim); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// From says where the words of pairs, or of neurons, are from: coefficients of one source and
// of another are not on one scale. It is empty where there are none.
func (w *Words) From(pairs bool) string {
	computed := w.neurons
	if pairs {
		computed = w.pairs
	}
	switch {
	case computed != nil:
		return fmt.Sprintf("computed as by describe, %s, normalize %s, at most %s", describe.Best, describe.BestNormalization, quantity.Of(computed.Components, "word"))
	case w.Codes(pairs) == nil:
		return ""
	}
	read := w.Codes(pairs)
	made := artefact.OriginOf(read.Artefact).Code
	if made == nil {
		return "codes of " + read.Path
	}
	return fmt.Sprintf("codes of %s, %s, normalize %s", read.Path, cmp.Or(made.Method, describe.OMP.String()), made.Normalize)
}

// Measured adds to facts those by which measures of the words of pairs, of score, are of
// these words: that they measure the codes which were read, or words that are computed in
// the same way of the same components and embeddings; and that they measure all units.
func (w *Words) Measured(facts artefact.Facts) artefact.Facts {
	facts = append(slices.Clone(facts), cache.Fact{Field: "origin.code.units", Want: "all", OrUnknown: true})
	if read := w.Codes(true); read != nil && read.Artefact != nil {
		facts = facts.Parent("codes", read.Artefact.Hash())
	}
	if c := w.pairs; c != nil {
		facts = append(facts.Normalize(c.Normalize.String()),
			cache.Fact{Field: "origin.code.method", Want: c.Method.String()},
			cache.Fact{Field: "origin.code.num_components", Want: c.Components})
		if c.PCs.Artefact != nil {
			facts = facts.Parent("components", c.PCs.Artefact.Hash())
		}
		if c.Embeddings.Artefact != nil {
			facts = facts.Parent("embeddings", c.Embeddings.Artefact.Hash())
		}
	}
	return facts
}

// Close closes the components.
func (w *Words) Close() error {
	var failed error
	for _, c := range []*Coding{w.pairs, w.neurons} {
		if c != nil {
			failed = errors.Join(failed, c.Close())
		}
	}
	return failed
}

// Code computes the codes of some units, of those kinds whose components were opened, in
// place of those of an earlier call. The memory it takes depends on units, not on calls.
func (w *Words) Code(ctx context.Context, pairs, neurons []int) error {
	for _, kind := range []struct {
		coding *Coding
		units  []int
	}{{w.pairs, pairs}, {w.neurons, neurons}} {
		if kind.coding == nil || len(kind.units) == 0 {
			continue
		}
		units := slices.Compact(slices.Sorted(slices.Values(kind.units)))
		if !w.prepared[kind.coding] {
			if err := kind.coding.Prepare(ctx, len(units)); err != nil {
				return err
			}
			w.prepared[kind.coding] = true
		}
		codes, err := kind.coding.Code(ctx, units, nil)
		if err != nil {
			return err
		}
		shape := kind.coding.PCs.Units
		w.SetCodes(shape.IsPairs(), artefact.NewCodes(codes, units, shape.Count()))
	}
	return nil
}
