package audit

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
)

// TestTwoAuditsInOneFolder: while one audit writes its files, another does not put its own among them.
func TestTwoAuditsInOneFolder(t *testing.T) {
	c := plant(t, small)
	o := c.options(t)
	if err := os.MkdirAll(o.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	release, err := new(cache.Store).LockArtefact(o.path(pageFile) + running)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := Run(context.Background(), o, silent()); !errors.Is(err, cache.ErrLocked) || r == nil || r.Pairs == nil {
		t.Errorf("beside another audit: result %v, error %v, want what was measured and %v", r, err, cache.ErrLocked)
	}
	if entries, err := os.ReadDir(o.Dir); err != nil || len(entries) != 1 {
		t.Errorf("files %v, error %v, want the lock alone", entries, err)
	}
	release()
	run(t, o)
}
