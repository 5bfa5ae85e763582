package collect

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/ui"
)

// startsTold tells which tasks were begun.
type startsTold struct {
	*pipelinetest.Interrupting
	tasks []string
}

func (s *startsTold) Progress() ui.Progress { return s }
func (s *startsTold) Start(_ int64, _ ui.Unit, task string) {
	s.tasks = append(s.tasks, task)
}

// TestHeldImagesAreNotRead: a run that resumes does not read the images of an archive which was
// left alone, and compares those of one that was written to, even if it has its old time.
func TestHeldImagesAreNotRead(t *testing.T) {
	if testing.Short() {
		t.Skip("waits until a file counts as left alone")
	}
	folder, packed := pipelinetest.Spoiled(t), filepath.Join(t.TempDir(), "photos.tar")
	testutil.Pack(t, folder, packed, "")
	before, err := os.Stat(packed)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2100 * time.Millisecond)
	for _, path := range []string{folder, packed, "touched"} {
		for _, mode := range []string{"scores", "mean", "statistics"} {
			o := goldenImages(t, "scores")
			if mode == "statistics" {
				o = goldenStatistics(t)
			}
			o.Mean = mode == "mean"
			o.Data.Path, o.SavePath = path, filepath.Join(t.TempDir(), "out")
			touched := path == "touched"
			if touched {
				o.Data.Path = packed
			}
			ctx, cancel := context.WithCancel(t.Context())
			say := &startsTold{Interrupting: &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 5, Cancel: cancel}}
			if _, err := Run(ctx, o, say); !errors.Is(err, context.Canceled) {
				t.Fatalf("error %v", err)
			}
			if touched {
				if err := os.Chtimes(packed, before.ModTime(), before.ModTime()); err != nil {
					t.Fatal(err)
				}
			}
			say = &startsTold{Interrupting: &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 1 << 30}}
			if _, err := Run(t.Context(), o, say); err != nil {
				t.Fatal(err)
			}
			if got, want := slices.Contains(say.tasks, "compare images"), path != packed; got != want {
				t.Errorf("%s of %s: tasks %q, compared %v, want %v", mode, path, say.tasks, got, want)
			}
			if touched {
				time.Sleep(2100 * time.Millisecond)
			}
		}
	}
}
