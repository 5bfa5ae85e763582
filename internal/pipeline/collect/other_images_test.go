package collect

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestOtherImages interrupts a collection and goes on with it after an image of another size
// has taken the place of one, one has gone, or one has come: each is named, nothing is lost,
// and the collection goes on when the images are as they were.
func TestOtherImages(t *testing.T) {
	folder := pipelinetest.Spoiled(t)
	o := goldenImages(t, "scores")
	o.Data.Path = folder
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Run(ctx, o, &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 20, Cancel: cancel})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.png"))
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	third := files[2]
	was, err := os.ReadFile(third)
	if err != nil {
		t.Fatal(err)
	}
	// Images beyond those that were collected.
	last := files[len(files)-1]
	wasLast, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	added := filepath.Join(folder, filepath.Base(third)[:3]+"0.png") // before it
	behind := filepath.Join(folder, "zzz.png")
	restore := func() {
		os.Remove(added)
		os.Remove(behind)
		if err := errors.Join(os.WriteFile(third, was, 0o666), os.WriteFile(last, wasLast, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name   string
		change func() error
		want   string
	}{
		{"another size", func() error { return os.WriteFile(third, append(was, 0), 0o666) }, third + " is not the file that it was"},
		{"gone", func() error { return os.Remove(third) }, "an image that came before " + files[3] + " is missing"},
		{"the last is gone", func() error { return os.Remove(last) }, "an image that followed " + files[len(files)-2] + " is missing"},
		{"the last has another size", func() error { return os.WriteFile(last, append(wasLast, 0), 0o666) }, last + " is not the file that it was"},
		{"one comes behind the last", func() error { return os.WriteFile(behind, was, 0o666) }, behind + " was not among its images"},
		{"come", func() error { return os.WriteFile(added, was, 0o666) }, added + " was not among its images"},
	} {
		t.Run(test.name, func(t *testing.T) {
			defer restore()
			if err := test.change(); err != nil {
				t.Fatal(err)
			}
			_, err := Run(t.Context(), o, pipelinetest.Silent())
			if bad := testutil.Line(err, o.SavePath, "made with other images: "+test.want); bad != nil {
				t.Error(bad)
			}
			if !errors.As(err, new(*cache.MismatchError)) {
				t.Errorf("error %v is no mismatch", err)
			}
		})
	}
	if result := run(t, o); len(result.Skipped) != 2 {
		t.Errorf("skipped %v", result.Skipped)
	}
}
