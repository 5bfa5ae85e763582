package cache

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
)

var update = flag.Bool("update", false, "rewrite testdata")

// makeFixture writes an artefact of each form, and one that was interrupted,
// into dir.
func makeFixture(t *testing.T, dir string) {
	t.Helper()
	j := fixtureJob(dir)
	if err := j.run(osDisk{}); err != nil {
		t.Fatal(err)
	}
	m := Manifest{Kind: "means", Tool: "test", Axes: []string{"C"}, Shape: []int{2}, DType: "float64", Origin: Origin{
		Model: "RN50", Weights: ListHash(nil), Dataset: "images", Images: ListHash([]string{"a.png"}), Stride: 2,
		Preprocessing: "1", Mode: "nh", Parameters: map[string]any{"top": 50}, Parents: map[string]string{"scores": ListHash(nil)},
	}}
	_, err := Save(filepath.Join(dir, "means.npy"), m, text("\x00\x01\x02"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := OpenChunks(filepath.Join(dir, "interrupted"), j.plan, false)
	if err != nil {
		t.Fatal(err)
	}
	appendSome(t, w, j, 2)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func fixtureJob(dir string) job {
	j := jobs[0]
	j.path = filepath.Join(dir, "scores")
	j.plan.DType = npy.Float16
	return j
}

// TestFixture reads what the first writer of each version left, goes on with what
// it had begun, and writes the same bytes as it did. A new version keeps the old
// folders for reading, and gets another.
func TestFixture(t *testing.T) {
	newest := fmt.Sprint("testdata/v", Version)
	if *update {
		if err := os.RemoveAll(newest); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(newest, 0o777); err != nil {
			t.Fatal(err)
		}
		makeFixture(t, newest)
	}
	for version := minVersion; version <= Version; version++ {
		fixture := fmt.Sprint("testdata/v", version)
		for _, name := range []string{"scores", "means.npy"} {
			a, err := Open(filepath.Join(fixture, name))
			if err != nil {
				t.Fatal(err)
			}
			if damage, err := a.Verify(context.Background(), nil); err != nil || damage != nil {
				t.Errorf("%s: %v %v", name, damage, err)
			}
		}
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(fixture)); err != nil {
			t.Fatal(err)
		}
		whole, interrupted := fixtureJob(dir), fixtureJob(dir)
		if err := whole.run(osDisk{}); err != nil {
			t.Errorf("version %d: a finished collection is not complete: %v", version, err)
		}
		interrupted.path = filepath.Join(dir, "interrupted")
		if _, err := Open(interrupted.path); !errors.Is(err, ErrMissing) {
			t.Errorf("open the interrupted artefact: %v", err)
		}
		if err := interrupted.run(osDisk{}); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, files(t, interrupted.path), files(t, filepath.Join(fixture, "scores")))
		sameFiles(t, files(t, whole.path), files(t, filepath.Join(fixture, "scores")))
	}
	fresh := t.TempDir()
	makeFixture(t, fresh)
	sameFiles(t, files(t, fresh), files(t, newest))
}
