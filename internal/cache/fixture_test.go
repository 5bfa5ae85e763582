package cache

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
)

var update = flag.Bool("update", false, "rewrite testdata")

// makeFixture writes an artefact of each form, and an unfinished one, into dir.
func makeFixture(t *testing.T, dir string) {
	t.Helper()
	defer cpu.Force(cpu.Generic)() // whose name is in it
	j := fixtureJob(dir)
	if err := j.run(osDisk{}); err != nil {
		t.Fatal(err)
	}
	m := Manifest{Kind: "means", Tool: "test", Axes: []string{"C"}, Shape: []int{2}, DType: "float64", Origin: fixtureOrigin()}
	_, err := new(Store).Save(filepath.Join(dir, "means.npy"), m, text("\x00\x01\x02"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := new(Store).OpenChunks(filepath.Join(dir, "interrupted"), j.plan, false)
	if err != nil {
		t.Fatal(err)
	}
	appendSome(t, w, j, 2)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// fixtureOrigin is the origin of the means in every version.
func fixtureOrigin() origin.Origin {
	return origin.Origin{
		Model: "RN50", Weights: ListHash(nil), Block: origin.LastBlock, Precision: origin.Float32, Mode: "nh",
		Images:  &origin.Images{Dataset: "images", SHA256: ListHash([]string{"a.png"}), Stride: 2, Preprocessing: "1", Preprocess: origin.ConvertFirst},
		Parents: map[string]string{"scores": ListHash(nil)},
	}
}

func fixtureJob(dir string) job {
	j := jobs[0]
	j.path = filepath.Join(dir, "scores")
	j.plan.DType = npy.Float16
	return j
}

// TestFixture reads the artefacts that the first program of each version wrote, resumes
// the unfinished ones, and writes the same bytes except for the manifest. A new version
// gets a new folder; those of older versions stay.
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
			if a.Manifest.Version != version {
				t.Errorf("%s: version %d", name, a.Manifest.Version)
			}
			if name == "means.npy" {
				if err := a.IsOf("means", fixtureOrigin()); err != nil {
					t.Errorf("version %d: %v", version, err)
				}
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
		first, resumed := files(t, filepath.Join(fixture, "scores")), files(t, interrupted.path)
		sameFiles(t, files(t, whole.path), first)
		delete(first, "manifest.json")
		delete(resumed, "manifest.json")
		sameFiles(t, resumed, first)
		if a, err := Open(interrupted.path); err != nil || a.Manifest.Version != Version {
			t.Errorf("what was resumed is not of the newest version: %v", err)
		}
	}
	fresh := t.TempDir()
	makeFixture(t, fresh)
	sameFiles(t, files(t, fresh), files(t, newest))
}
