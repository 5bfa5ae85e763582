package source

import (
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/ui"
)

// TellBlock names the block that scores were collected with where it is not the last one: what
// the attention pool makes of an earlier block's map is not the feature that the model gives.
// With texts, which were trained beside that feature, it is a warning.
func (s *Source) TellBlock(texts bool, say ui.Reporter) {
	block := s.Origin.Block
	if s.Artefact == nil || block == "" || block == origin.LastBlock {
		return
	}
	const made = "%s: made with block %s, not with the last one: features are what the attention pool makes of that block's map"
	if texts {
		say.Warn(made+", and texts were trained with those of the last block", s.Artefact.Path(), block)
		return
	}
	say.Note(made, s.Artefact.Path(), block)
}
