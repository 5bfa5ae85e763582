package edit

import (
	"context"
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/unit"
)

// TextOptions say which pairs texts stand for.
type TextOptions struct {
	Texts     []string // each removes the K pairs whose component is closest
	K         int
	PCsPath   string // components of pairs, .npy [H,C,O], or of neurons, [C,O]; without it, v/|v| takes the place of pairs'
	Vocab     string
	Templates []textlist.Template // none: the texts as they are
}

// Text is a text and the pairs that were removed for it, closest first, or the neurons, where
// their components were given.
type Text struct {
	Text    string            `json:"text"`
	Pairs   []artefact.Pair   `json:"pairs"`
	Neurons []artefact.Neuron `json:"neurons,omitempty"`
}

// applyTexts removes the pairs that are closest to texts.
func (e *editor) applyTexts(ctx context.Context, c *choice) error {
	e.result.Texts = []Text{}
	if len(e.Texts) == 0 {
		return nil
	}
	pcs, err := e.components()
	if err != nil {
		return err
	}
	defer pcs.Close()
	encoder, err := model.NewEncoder(e.model.Checkpoint, e.Vocab, e.Threads, e.say)
	if err != nil {
		return err
	}
	rows, err := encoder.Embed(ctx, e.Texts, e.Templates, func(int) {})
	if err != nil {
		return err
	}
	if e.from.Prompts, err = model.PromptsOf(e.from, e.Vocab, e.Templates, e.Images.Details); err != nil {
		return err
	}
	e.from.Texts, e.from.TextList = cache.ListHash(e.Texts), e.Texts
	if n := pcs.Units.Count(); e.K > n {
		e.say.Note("{k} %d: the model has %s, so each text takes all of them", e.K, quantity.Of(n, pcs.Units.Kind()))
	}
	nearest, err := pcs.Nearest(ctx, rows, e.K, e.team)
	if err != nil {
		return err
	}
	for i, text := range e.Texts {
		found, named := Text{Text: text, Pairs: []artefact.Pair{}}, unit.Layered{Shape: pcs.Units.Shape, Layers: e.units.Layers}
		var pairs []int
		for _, near := range artefact.PairsWithin(nearest[i], named.Shape, e.ov.Heads) {
			pairs = append(pairs, near.Unit)
		}
		if found.Neurons = artefact.NeuronsOf(nearest[i], named); found.Neurons == nil {
			found.Pairs = artefact.PairsOf(nearest[i], named)
		}
		if err := c.set(pairs, 0, fmt.Sprintf("{remove-text} %q", text)); err != nil {
			return err
		}
		e.result.Texts = append(e.result.Texts, found)
	}
	return nil
}

// components are those of svd, or what the weights say of them.
func (e *editor) components() (*artefact.Components, error) {
	if e.PCsPath == "" {
		return artefact.DirectionsOf(e.ov, e.team), nil
	}
	pcs, err := e.Artefacts.ComponentsOfUnits(e.PCsPath, e.facts(), e.units.Shape, e.ov.OutDim)
	if err != nil {
		return nil, err
	}
	if err := e.read("components", e.PCsPath, pcs.Artefact); err != nil {
		pcs.Close()
		return nil, err
	}
	return pcs, nil
}
