package cache

import (
	"context"
	"errors"
	"flag"
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

// TestFixture reads what the first writer of version 1 left, goes on with what
// it had begun, and writes the same bytes as it did. For a new version it
// keeps the old folder for reading, and gets a second one.
func TestFixture(t *testing.T) {
	const fixture = "testdata/v1"
	if *update {
		if err := os.RemoveAll(fixture); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(fixture, 0o777); err != nil {
			t.Fatal(err)
		}
		makeFixture(t, fixture)
	}
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
	interrupted := fixtureJob(dir)
	interrupted.path = filepath.Join(dir, "interrupted")
	if _, err := Open(interrupted.path); !errors.Is(err, ErrMissing) {
		t.Errorf("open the interrupted artefact: %v", err)
	}
	if err := interrupted.run(osDisk{}); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, files(t, interrupted.path), files(t, filepath.Join(fixture, "scores")))

	fresh := t.TempDir()
	makeFixture(t, fresh)
	sameFiles(t, files(t, fresh), files(t, fixture))
}
