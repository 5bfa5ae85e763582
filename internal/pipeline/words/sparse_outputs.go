package words

import (
	"errors"
	"os"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
)

// alreadyComplete reports whether an output exists and need not be made again. One
// that was made from something else is ErrStale, unless the run that is resumed
// has already discarded it.
func (s *sparse) alreadyComplete(path, kind string) (bool, error) {
	if path == "" {
		return false, nil
	}
	w := artefact.Writer{Store: s.options.Store, Restart: s.options.Restart, Note: s.say.Note}
	a, err := w.Complete(path, kind, func(has origin.Origin) origin.Origin { return asWritten(s.origin, has) })
	if err != nil && !errors.Is(err, cache.ErrExists) {
		if _, e := os.Stat(s.workPath()); e == nil {
			return false, nil
		}
	}
	return a != nil, err
}

// sayResumed says what is there of an earlier run: how many units are done, and how
// many batches are made again. If strict, it is an error (cache.ErrStale) that other
// kernels began it.
func (s *sparse) sayResumed(w *cache.ChunkWriter, done int) error {
	source.SayOpened(s.workPath(), w, s.say)
	if done == 0 {
		return nil
	}
	s.say.Note("%s: resuming after %d of %s", s.workPath(), done, quantity.Of(len(s.coding.Indices), s.coding.PCs.Units.Kind()))
	return artefact.CheckFamilies(s.workPath(), w.Families(), cache.Family(), s.options.Strict, s.say.Warn)
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
