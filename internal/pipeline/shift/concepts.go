package shift

import (
	"context"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// ConceptOptions say which concepts to look for, and what tells their pairs.
type ConceptOptions struct {
	Artefacts artefact.Reader

	Concepts []string // texts, without repetition
	K        int      // pairs, or neurons, that stand for each
	PCsPath  string   // principal directions of pairs, [H,C,O], or of neurons, [C,O]

	// Texts are embedded by a model, not centred,
	Model, Vocab string
	Details      model.Details
	Templates    []textlist.Template // none: the texts as they are
	// or their embeddings are rows of a file: those of Texts, or where there are
	// none, of the concepts in their order.
	EmbeddingsPath string
	Texts          []string
	TextsPath      string // where Texts are from
}

// concept is a text and the pairs that stand for it, closest first; all pairs of neurons, where
// these stand for it.
type concept struct {
	text    string
	pairs   []artefact.Pair
	neurons []artefact.Neuron
}

// units is how many units stand for a concept.
func (c concept) units() int {
	if c.neurons != nil {
		return len(c.neurons)
	}
	return len(c.pairs)
}

// unitsOf is how many units stand for each of the concepts; 0 of none.
func unitsOf(concepts []concept) int {
	if len(concepts) == 0 {
		return 0
	}
	return concepts[0].units()
}

// openConcepts finds the pairs of every concept: the K whose direction has the
// largest product with the text's embedding, both unit vectors. What has a
// manifest must be of the model with these weights, if they are known.
func openConcepts(ctx context.Context, o ConceptOptions, src *source.Source, threads int, say ui.Reporter) ([]concept, error) {
	pcs, err := o.Artefacts.ComponentsOfUnits(o.PCsPath, artefact.Of(src.Origin), unit.Shape{src.Heads, src.Neurons}, src.OutDim)
	if err != nil {
		return nil, err
	}
	defer pcs.Close()
	if units := pcs.Units.Count(); o.K > units {
		say.Note("{k} %d: the model has %s, so each concept takes all of them", o.K, quantity.Of(units, pcs.Units.Kind()))
	}
	weights, of := src.Origin, o.PCsPath
	switch {
	case weights.Weights == "":
		weights = artefact.OriginOf(pcs.Artefact)
	case src.Artefact != nil:
		of = src.Artefact.Path()
	}
	var texts []float32
	if o.EmbeddingsPath != "" {
		texts, err = conceptRows(o, weights, src.OutDim)
	} else {
		texts, err = embedConcepts(ctx, o, of, weights, src.OutDim, src.Tower != nil, threads, say)
	}
	if err != nil {
		return nil, err
	}
	nearest, err := pcs.Nearest(ctx, texts, o.K, par.NewTeam(threads))
	if err != nil {
		return nil, err
	}
	concepts := make([]concept, len(o.Concepts))
	for i, text := range o.Concepts {
		concepts[i] = concept{
			text: text, pairs: artefact.PairsOf(artefact.PairsWithin(nearest[i], pcs.Units.Shape, src.Heads), src.Units()),
			neurons: artefact.NeuronsOf(nearest[i], unit.Layered{Shape: pcs.Units.Shape, Layers: src.Units().Layers}),
		}
	}
	return concepts, nil
}

// conceptRows reads the concepts' embeddings, [concepts,O].
func conceptRows(o ConceptOptions, weights origin.Origin, outDim int) ([]float32, error) {
	listed, from := o.Texts, o.TextsPath
	if listed == nil {
		listed, from = o.Concepts, "the concepts"
	}
	e, err := o.Artefacts.UnitEmbeddings(o.EmbeddingsPath, artefact.OfModel(weights).Texts(listed), outDim)
	if err != nil {
		return nil, fmt.Errorf("%w (texts of %s)", err, from)
	}
	all := e.Rows
	if e.Texts != len(listed) {
		return nil, fmt.Errorf("%s: embeddings of %s, want %d, those of %s", o.EmbeddingsPath, quantity.Of(e.Texts, "text"), len(listed), from)
	}
	if o.Texts == nil {
		return all, nil
	}
	at := make(map[string]int, len(listed))
	for i, text := range slices.Backward(listed) {
		at[text] = i // the first of equal ones
	}
	rows := make([]float32, 0, len(o.Concepts)*outDim)
	for _, text := range o.Concepts {
		i, ok := at[text]
		if !ok {
			return nil, hint.With(usage.Errorf("%s: no line %q", from, text), "give {model} and {vocab} instead of {text-embeddings-path} to embed any text")
		}
		rows = append(rows, all[i*outDim:(i+1)*outDim]...)
	}
	return rows, nil
}

// embedConcepts embeds the concepts with the model of what is at a path, whose weights are known, if
// they are. told is whether the user has been told of the model.
func embedConcepts(ctx context.Context, o ConceptOptions, of string, weights origin.Origin, outDim int, told bool, threads int, say ui.Reporter) ([]float32, error) {
	m, err := model.OpenFor(ctx, o.Model, o.Details, weights)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if !told {
		m.Tell(say)
	}
	if err := m.WantFor(o.Artefacts, of, weights, outDim); err != nil {
		return nil, err
	}
	e, err := model.NewEncoder(m.Checkpoint, o.Vocab, threads, say)
	if err != nil {
		return nil, err
	}
	const many = 1000 // fewer are embedded at once
	add := func(int) {}
	if len(o.Concepts) >= many {
		progress := say.Progress()
		progress.Start(int64(len(o.Concepts)), ui.Texts, "embed")
		defer progress.Done()
		add = func(n int) { progress.Add(int64(n)) }
	}
	return e.Embed(ctx, o.Concepts, o.Templates, add)
}
