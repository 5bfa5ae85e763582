// Package model opens checkpoints for the stages: weights with the hash that names
// them in manifests, texts as vectors, and what a checkpoint and its tower look
// like.
package model

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/digest"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ui"
)

// Summary is what a checkpoint holds.
type Summary struct {
	Architecture string   `json:"architecture"` // a published name, or "custom"
	Format       string   `json:"format"`
	DTypes       []string `json:"dtypes"`
	SHA256       string   `json:"sha256"`         // of the file
	Tensors      string   `json:"tensors_sha256"` // of the tensors, whatever the format
	Parameters   int64    `json:"parameters"`

	Family         string `json:"family"`                    // CLIP-ResNet or CLIP-ViT
	Activation     string `json:"activation"`                // in the blocks of transformers
	ActivationFrom string `json:"activation_from,omitempty"` // a flag, the name of a file beside it or of a published model, "TorchScript archive" or "guess"
	HeadsFrom      string `json:"heads_from,omitempty"`      // the same of the heads of a vision transformer

	ImageSize  int            `json:"image_size"`
	PatchSize  int            `json:"patch_size,omitempty"` // of a vision transformer
	Layers     []int          `json:"layers"`               // of each stage
	Width      int            `json:"width"`
	Heads      int            `json:"heads"`   // H
	Neurons    int            `json:"neurons"` // C
	Tokens     int            `json:"tokens"`  // T
	OutDim     int            `json:"out_dim"` // O
	ImageTower []clip.SizeRow `json:"-"`       // the sizes in words

	ContextLength int `json:"context_length"`
	VocabSize     int `json:"vocab_size"`
	TextWidth     int `json:"text_width"`
	TextHeads     int `json:"text_heads"`
	TextLayers    int `json:"text_layers"`

	Images ImagesSummary `json:"images"`

	TextUnusable string `json:"text_unusable,omitempty"` // why texts cannot be embedded, although there is a text tower

	Edited *Edited `json:"edited,omitempty"` // of a checkpoint that edit wrote

	Notes []string `json:"notes,omitempty"` // how the file was read where that is not plain
}

// ImagesSummary is how images are prepared for a model.
type ImagesSummary struct {
	Mean         [3]float32 `json:"mean"` // of channels from 0 to 1
	Std          [3]float32 `json:"std"`
	ChannelsFrom string     `json:"channels_from,omitempty"` // a flag or the name of a file; empty of CLIP's if nothing says so
	Resize       string     `json:"resize"`                  // how they become squares
	ResizeFrom   string     `json:"resize_from,omitempty"`   // as ChannelsFrom
	Unusable     string     `json:"unusable,omitempty"`      // why they cannot be prepared
}

func imagesSummary(ck *clip.Checkpoint) ImagesSummary {
	mean, std := ck.Config.Form.Numbers()
	s := ImagesSummary{Mean: mean, Std: std, ChannelsFrom: ck.ChannelsFrom(), Resize: ck.Config.Form.Fit.String(), ResizeFrom: ck.FitFrom()}
	if err := ck.RequireImages(); err != nil {
		s.Unusable = err.Error()
	}
	return s
}

// Edited says what edit made a checkpoint from.
type Edited struct {
	From    string   `json:"from_sha256"`       // the weights before
	By      string   `json:"by"`                // what took the place of what pairs lost: mean or zero
	Pairs   int      `json:"pairs"`             // that were changed
	Heads   int      `json:"heads,omitempty"`   // that were changed, in place of pairs
	Neurons int      `json:"neurons,omitempty"` // of the last layer of a vision transformer, which are in no pair, that were changed
	Units   string   `json:"units"`             // with their factors; empty if there are many
	Texts   []string `json:"texts"`             // whose pairs were removed

	Earlier []Edited `json:"earlier,omitempty"` // the edits of the weights before, the first one first
}

// Info reads a checkpoint to its last byte, so that a model it describes is one
// that the other stages can run.
func Info(ctx context.Context, model string, d Details) (*Summary, error) {
	d, recorded := withRecorded(model, d)
	ck, err := clip.OpenWith(model, d)
	if err != nil {
		return nil, err
	}
	defer func() { ck.Close() }()
	if err := ck.Verify(ctx); err != nil {
		return nil, err
	}
	sum, tensors, err := hashes(ctx, ck)
	if err != nil {
		return nil, err
	}
	if recorded != "" && recorded != sum {
		d.Recorded = nil
		again, err := clip.OpenWith(model, d)
		if err != nil {
			return nil, err
		}
		ck.Close()
		ck = again
	}
	knowPublished(ctx, ck, sum)
	edited, notes := editsOf(model, sum)
	notes = append(ck.Notes(), notes...)
	c, unusable := ck.Config, ""
	if err := ck.RequireText(); err != nil && c.HasText() {
		unusable = err.Error()
	}
	return &Summary{
		Architecture: c.Name(), Format: ck.Format(), DTypes: ck.DTypes(), SHA256: sum, Tensors: tensors, Parameters: ck.Parameters(),
		Family: c.Family(), Activation: clip.ActivationName(c.Activation), ImageTower: c.Describe(),
		ActivationFrom: ck.ActivationFrom(), HeadsFrom: ck.HeadsFrom(),
		ImageSize: c.ImageSize, PatchSize: c.PatchSize(), Layers: c.Depths(), Width: c.TokenWidth(),
		Heads: c.Heads(), Neurons: c.Neurons(), Tokens: c.Tokens(), OutDim: c.OutDim,
		ContextLength: c.ContextLength, VocabSize: c.VocabSize,
		TextWidth: c.TextWidth, TextHeads: c.TextHeads(), TextLayers: c.TextLayers, TextUnusable: unusable, Images: imagesSummary(ck),
		Edited: edited, Notes: notes,
	}, nil
}

// editsOf reads what the manifest beside a checkpoint of that hash says of it; nil where
// there is none. One that does not describe these bytes is no more than a note.
func editsOf(path, hash string) (*Edited, []string) {
	a, err := artefact.EditedCheckpoint(path)
	if err == nil && a != nil && a.Manifest.Payloads[0].SHA256 != hash {
		err = fmt.Errorf("%w: the weights are not those that were written", cache.ErrDamaged)
	}
	if err != nil {
		return nil, []string{fmt.Sprintf("the manifest beside it does not say what was edited: %v", err)}
	}
	if a == nil {
		return nil, nil
	}
	steps := a.Manifest.Origin.EditSteps()
	edits := make([]Edited, len(steps))
	for i, s := range steps {
		edits[i] = Edited{From: s.Weights, By: s.By, Pairs: s.Pairs, Heads: s.Heads, Neurons: s.Neurons, Units: s.Units, Texts: s.Texts}
	}
	last := edits[len(edits)-1]
	last.Earlier = edits[:len(edits)-1]
	return &last, nil
}

// Model is an open checkpoint and its names in manifests.
type Model struct {
	*clip.Checkpoint
	Hash    string // of the file
	Tensors string // of the tensors, the same in every format
}

// Origin has the model's names as artefacts have them, and what it is run as.
func (m *Model) Origin() origin.Origin {
	return origin.Origin{Weights: m.Hash, Tensors: m.Tensors, Transformer: m.Transformer(-1)}
}

// TextFacts are the facts by which embeddings of texts are the model's.
func (m *Model) TextFacts() artefact.Facts {
	facts := artefact.OfModel(m.Origin())
	if m.Transformer(-1) != nil {
		return facts
	}
	activation := clip.ActivationName(m.Config.Activation)
	if activation == clip.QuickGELU {
		activation = ""
	}
	return append(facts, cache.Fact{Field: "origin.prompts.activation", Want: activation})
}

// PairsOrigin says which model and which of its pairs what is made with them in a precision
// is of: those of the attention pool on the last map, or those of the neurons of a layer;
// nil of none.
func (m *Model) PairsOrigin(neuronLayer *int, precision string) origin.Origin {
	o := origin.Origin{Model: m.Config.Name(), Weights: m.Hash, Tensors: m.Tensors, Block: origin.LastBlock, Precision: precision}
	layer := -1
	if neuronLayer != nil {
		layer = *neuronLayer
	}
	if o.Transformer = m.Transformer(layer); o.Transformer != nil {
		o.Block = ""
	}
	return o
}

// LayerOf is the layer whose neurons are looked at: given, or else what the first of the
// artefacts at paths that knows one was made with. Empty paths, and those without a manifest,
// say nothing; neither does any artefact of a model without layers. That all artefacts are of
// one layer, their readers see.
func (m *Model) LayerOf(given *int, paths ...string) *int {
	if given != nil || m.Require(clip.Residual) != nil {
		return given
	}
	for _, path := range paths {
		if path == "" {
			continue
		}
		if a, err := cache.Open(path); err == nil {
			if layer := a.Manifest.Origin.PairsLayer(); layer != nil {
				return layer
			}
		}
	}
	return nil
}

// PairsOf are the pairs of what has origin o, which the model made.
func (m *Model) PairsOf(o origin.Origin) (clip.Pairs, error) { return m.Pairs(o.PairsLayer()) }

// OVOf reads the weights that turn the scores of these pairs into contributions.
func (m *Model) OVOf(o origin.Origin) (*decomp.OV, error) {
	pairs, err := m.PairsOf(o)
	if err != nil {
		return nil, err
	}
	return pairs.OV()
}

// WantOf fails with cache.ErrStale where the model is not the one that scores are of, or is
// read with other details. Scores of another program do not say.
func (m *Model) WantOf(scoresPath string, of origin.Origin) error {
	if err := cache.OtherWeights(scoresPath, of, m.Origin(), false); err != nil {
		return hint.With(err, "maps are of the model that scores were made with, and {force} takes no other: give that one, or leave out {model}")
	}
	return m.WantDetailsOf(scoresPath, of)
}

// WantDetailsOf fails with cache.ErrStale where the heads or the activation are not those
// that scores of a vision transformer were made with, or images are prepared in another way.
func (m *Model) WantDetailsOf(scoresPath string, of origin.Origin) error {
	if err := m.PreparesAs(scoresPath, of); err != nil {
		return err
	}
	made := of.Transformer
	if made == nil {
		return nil
	}
	this := m.Transformer(made.NeuronLayer)
	switch {
	case this == nil:
		return fmt.Errorf("%s: %w: made with a vision transformer, which %s is not", scoresPath, cache.ErrStale, m.Path())
	case this.Heads != made.Heads:
		err := fmt.Errorf("%s: %w: made with heads %d; this run uses %d", scoresPath, cache.ErrStale, made.Heads, this.Heads)
		return hint.With(err, "leave out {vit-heads}: the heads are then those of the scores")
	case this.Activation != made.Activation:
		err := fmt.Errorf("%s: %w: made with activation %s; this run uses %s", scoresPath, cache.ErrStale, made.Activation, this.Activation)
		return hint.With(err, "leave out {activation}: it is then that of the scores")
	}
	return nil
}

// Details are what a checkpoint does not say; see clip.Details.
type Details = clip.Details

// Recorded are those of them that a manifest says; see clip.Recorded.
type Recorded = clip.Recorded

// Activations lists the activations that Details may name.
func Activations() []string { return clip.Activations() }

// OpenWith opens a checkpoint, of which more may be known than its tensors say, and hashes
// it.
func OpenWith(ctx context.Context, path string, d Details) (*Model, error) {
	defer opening(ctx, path)()
	d, recorded := withRecorded(path, d)
	ck, err := clip.OpenWith(path, d)
	if err != nil {
		return nil, err
	}
	m, err := hashed(ctx, ck)
	if err != nil || recorded == "" || recorded == m.Hash {
		return m, err
	}
	m.Close()
	d.Recorded = nil
	if ck, err = clip.OpenWith(path, d); err != nil {
		return nil, err
	}
	return hashed(ctx, ck)
}

// OpenPairsOf is OpenFor for a model whose pairs are those of scores with origin o. One of another
// family, which has no such pairs, is refused: with cache.ErrStale where the scores say which
// model they are of.
func OpenPairsOf(ctx context.Context, path string, d Details, scoresPath string, o origin.Origin) (*Model, error) {
	needs, lacks := clip.AttentionPool, clip.ErrNoPool
	if o.Transformer != nil {
		needs, lacks = clip.Residual, clip.ErrNoResidual
	}
	d.Needs = append(d.Needs, needs)
	m, err := OpenFor(ctx, path, d, o)
	if o.Weights != "" && errors.Is(err, lacks) {
		err := fmt.Errorf("%s: %w: made with other weights than those of %s, which has no such pairs", scoresPath, cache.ErrStale, path)
		return nil, hint.With(err, "give the {model} that it was made with")
	}
	return m, err
}

// OpenFor is OpenWith for a model that goes with what has origin o: what d leaves open is
// as there.
func OpenFor(ctx context.Context, path string, d Details, o origin.Origin) (*Model, error) {
	return OpenWith(ctx, path, DetailsFor(d, o))
}

// DetailsFor is d, with what it leaves open as in what has origin o.
func DetailsFor(d Details, o origin.Origin) Details {
	if t := o.Transformer; t != nil {
		d.Assumed = d.Heads == 0
		d.Heads, d.Activation = cmp.Or(d.Heads, t.Heads), cmp.Or(d.Activation, t.Activation)
	}
	return preparedAs(d, o)
}

// hashed is an open checkpoint with its hash.
func hashed(ctx context.Context, ck *clip.Checkpoint) (*Model, error) {
	c := cachesOf(ctx)
	sums, err := c.Sums.Sums(ck.Paths(), func() (s digest.Sums, err error) {
		s.File, s.Tensors, err = hashes(ctx, ck)
		return s, err
	})
	if err == nil {
		err = ck.Unchanged() // sums are of what the paths name
	}
	if err != nil {
		ck.Close()
		return nil, err
	}
	knowPublished(ctx, ck, sums.File)
	ck.KeepPacked(c.Packs, sums.Tensors)
	return &Model{ck, sums.File, sums.Tensors}, nil
}

// hashes returns the hash of the file and that of its tensors, which are computed at the
// same time so that the disk is read once.
func hashes(ctx context.Context, ck *clip.Checkpoint) (file, tensors string, err error) {
	var wg par.Group
	var failed error
	wg.Go(func() { file, failed = ck.SHA256(ctx) })
	tensors, err = ck.TensorsSHA256(ctx)
	wg.Wait()
	return file, tensors, errors.Join(failed, err)
}

// Tell says what a user should know of how the file was read. Stages that open a
// model several times call it once.
func (m *Model) Tell(say ui.Reporter) {
	for _, note := range m.Notes() {
		say.Note("%s: %s", m.Path(), note)
	}
}

// Plan packs a checkpoint's image tower for batches of the given size and says
// how each layer is computed on this machine.
func Plan(model string, d Details, batch, threads int) ([]clip.PlannedLayer, error) {
	d, _ = withRecorded(model, d)
	ck, err := clip.OpenWith(model, d)
	if err != nil {
		return nil, err
	}
	defer ck.Close()
	tower, err := clip.NewImageTower(ck, clip.ImageOptions{Batch: batch, Threads: threads, Unfed: true})
	if err != nil {
		return nil, err
	}
	return tower.Plan(), nil
}

// Transformer is what artefacts say of a vision transformer, whose pairs are those of the
// neurons of a layer; -1 of none. It is nil of a ResNet.
func (m *Model) Transformer(neuronLayer int) *origin.Transformer {
	layers, heads := m.Config.Layered()
	if layers == 0 {
		return nil
	}
	return &origin.Transformer{
		Activation: clip.ActivationName(m.Config.Activation), Heads: heads, Layers: layers, NeuronLayer: neuronLayer,
	}
}
