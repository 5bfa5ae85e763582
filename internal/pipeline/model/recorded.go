package model

import (
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/origin"
)

// withRecorded is d with what the manifest beside a checkpoint that edit wrote says of the
// activation and the heads of its model, unless they were guessed then, and the hash of the
// weights that it is of. Of other checkpoints the hash is empty.
func withRecorded(path string, d Details) (Details, string) {
	a, err := artefact.EditedCheckpoint(path)
	if err != nil || a == nil { // editsOf says what is wrong
		return d, ""
	}
	o := a.Manifest.Origin
	r := &Recorded{From: filepath.Base(path) + ".json", Activation: o.Edit.Activation}
	if t := o.Transformer; t != nil {
		r.Activation, r.Heads = t.Activation, t.Heads
	}
	if slices.Contains(o.Edit.Guessed, origin.GuessedActivation) {
		r.Activation = ""
	}
	if slices.Contains(o.Edit.Guessed, origin.GuessedHeads) {
		r.Heads = 0
	}
	if o.Edit.Images != nil {
		form, err := FormOf(*o.Edit.Images)
		r.Form, r.FormError = &form, err
	}
	d.Recorded = r
	return d, a.Manifest.Payloads[0].SHA256
}

// FormToKeep is what a manifest says of how images are prepared, of a checkpoint made of the
// model; nil if they are as CLIP's and nothing says otherwise.
func (m *Model) FormToKeep() *origin.Form {
	form := m.Checkpoint.FormToKeep()
	if form == nil {
		return nil
	}
	o := FormOrigin(*form)
	return &o
}

// Unsaid is what the manifest of a checkpoint made of the model has to say beside its origin:
// the activation of a ResNet's text tower, if it is not quick_gelu, and what was guessed.
func (m *Model) Unsaid() (activation string, guessed []string) {
	if name := clip.ActivationName(m.Config.Activation); m.Transformer(-1) == nil && name != clip.QuickGELU {
		activation = name
	}
	if m.ActivationGuessed() {
		guessed = append(guessed, origin.GuessedActivation)
	}
	if m.HeadsGuessed() {
		guessed = append(guessed, origin.GuessedHeads)
	}
	return activation, guessed
}
