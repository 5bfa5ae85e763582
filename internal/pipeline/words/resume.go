package words

import (
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/pipeline/source"
)

// sayResumed says what is there of an earlier run: how many units are done, and how
// many batches are made again.
func (s *sparse) sayResumed(w *cache.ChunkWriter, done int) {
	source.WarnDamaged(s.workPath(), w, s.say)
	if done > 0 {
		s.say.Note("%s: resuming after %d of %d %ss", s.workPath(), done, len(s.coding.units), s.coding.pcs.Units.Kind())
	}
}
