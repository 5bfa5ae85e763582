package words

import (
	"errors"
	"os"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/pipeline/source"
)

// alreadyComplete reports whether an output exists and need not be made again. One
// that was made from something else is ErrStale, unless the run that is resumed
// has already discarded it.
func (s *sparse) alreadyComplete(path, kind string) (bool, error) {
	if path == "" {
		return false, nil
	}
	if err := cache.CanSave(path, kind); err != nil {
		return false, err
	}
	if s.options.Restart {
		return false, nil
	}
	a, err := cache.Open(path)
	if errors.Is(err, cache.ErrMissing) || errors.Is(err, cache.ErrNoManifest) {
		return false, nil
	}
	if errors.Is(err, cache.ErrRemoved) {
		s.say.Note(artefact.RemovedNote, path)
		return false, nil
	}
	if err == nil {
		err = a.IsOf(kind, asWritten(s.origin, a.Manifest.Origin))
	}
	if err == nil {
		return true, nil
	}
	if _, e := os.Stat(s.workPath()); e == nil {
		return false, nil
	}
	return false, hint.With(err, "give another path, or discard what is there with {restart}")
}

// sayResumed says what is there of an earlier run: how many units are done, and how
// many batches are made again. If strict, it is an error (cache.ErrStale) that other
// kernels began it.
func (s *sparse) sayResumed(w *cache.ChunkWriter, done int) error {
	source.SayOpened(s.workPath(), w, s.say)
	if done == 0 {
		return nil
	}
	s.say.Note("%s: resuming after %d of %d %ss", s.workPath(), done, len(s.coding.units), s.coding.pcs.Units.Kind())
	return artefact.CheckFamilies(s.workPath(), w.Families(), cache.Family(), s.options.Strict, s.say.Warn)
}
