package words

import (
	"errors"
	"os"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/origin"
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
// many batches are made again.
func (s *sparse) sayResumed(w *cache.ChunkWriter, done int) {
	source.SayOpened(s.workPath(), w, s.say)
	if done > 0 {
		s.say.Note("%s: resuming after %d of %d %ss", s.workPath(), done, len(s.coding.Indices), s.coding.PCs.Units.Kind())
	}
}

// withoutContributions is an origin without what the components were computed from,
// which the components' own hash stands for.
func withoutContributions(o origin.Origin) origin.Origin {
	o = o.Own()
	delete(o.Parents, "contributions")
	return o
}

// asWritten is an origin without contributions where an artefact's has none, as older
// builds wrote it.
func asWritten(o, made origin.Origin) origin.Origin {
	if made.Parents["contributions"] == "" {
		return withoutContributions(o)
	}
	return o
}
