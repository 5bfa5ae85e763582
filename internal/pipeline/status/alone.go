package status

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
)

// alone looks at a run without shards, or at one shard by its own path. missing is the error of
// nothing that is there.
func (o Options) alone(r *Result, missing error) error {
	s := Shard{Number: 1, Path: o.Path, State: Missing}
	o.look(&s)
	if s.State == Begun && s.Images == nil {
		o.sums(&s, nil) // of a result that keeps a state
	}
	switch {
	case s.State == Missing, s.State == Begun && s.Images == nil: // such as a folder of photos
		return o.nothing(s, missing)
	case s.State == Damaged:
		return s.err
	case s.State == Done:
		r.Next = "nothing is left to do of this shard: give the path without its number for all"
		r.Whole = true
	case s.State != Running:
		r.Next = "run the command that makes it again: it resumes from there"
	}
	r.Kind = s.kind
	if r.State = s.State; s.State == Done {
		r.State = ""
	}
	r.Images, r.Finished, r.Skipped = s.Images, s.Finished, s.Skipped
	r.add(s)
	return nil
}

// nothing is the error of a path where no run has written anything, nor beside it. missing is that of
// shards alone.
func (o Options) nothing(s Shard, missing error) error {
	if !errors.Is(missing, cache.ErrMissing) {
		return missing
	}
	where := "there"
	if s.State == Begun {
		where = "in it"
	}
	err := fmt.Errorf("%s: %w: no run has written anything %s, nor shards beside it, such as %s", o.Path, cache.ErrMissing, where, shard.Shard{Number: 1, Of: 16}.Path(o.Path))
	if within := collections(o.Path); within != nil {
		return hint.With(err, "give a collection in it: "+strings.Join(within, ", "))
	}
	return hint.With(err, "give the path that the run writes to; if it was killed before it wrote anything, run the same command again")
}

// collections are those in a folder, the first few of them.
func collections(dir string) (paths []string) {
	const most = 5
	entries, _ := os.ReadDir(dir) // what cannot be read has none
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !e.IsDir() {
			continue
		}
		if a, err := cache.Open(path); err != nil || !artefact.IsCollection(a.Manifest) {
			continue
		}
		if len(paths) == most {
			return append(paths, "...")
		}
		paths = append(paths, path)
	}
	return paths
}
