package merge

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/shift"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestShiftOfArchives: shards of shift are of whole archives too, and are merged to the bytes of
// one run.
func TestShiftOfArchives(t *testing.T) {
	o := fewCars(t)
	images, err := filepath.Glob(filepath.Join(o.Data.Path, "*.png"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ends := []int{11, 14, len(images)}
	for i, end := range ends {
		folder := t.TempDir()
		for _, image := range images[append([]int{0}, ends...)[i]:end] {
			if err := os.Link(image, filepath.Join(folder, filepath.Base(image))); err != nil {
				t.Fatal(err)
			}
		}
		testutil.Pack(t, folder, filepath.Join(dir, fmt.Sprintf("%d.tar", i)), "")
	}
	o.Data.Path = filepath.Join(dir, "{0..2}.tar")
	run := func(o shift.Options) {
		t.Helper()
		if _, err := shift.Run(t.Context(), o, pipelinetest.Silent()); err != nil {
			t.Fatal(err)
		}
	}
	run(o)
	want := resultFiles(t, o.SavePath)
	for _, of := range []int{2, 3, 4} {
		o.SavePath = filepath.Join(t.TempDir(), "merged.json")
		for i := range of {
			o.Shard = shard.Shard{Number: i + 1, Of: of}
			run(o)
			run(o) // complete
			a, err := cache.Open(o.Shard.Path(o.SavePath))
			if err != nil {
				t.Fatal(err)
			}
			if _, hi, err := shard.RangeOf(a.Manifest); err != nil || of == 3 && hi != ends[i] {
				t.Errorf("shard %d of 3 ends at %d, want %d: %v", i+1, hi, ends[i], err)
			}
		}
		if _, err := Run(t.Context(), Options{SavePath: o.SavePath, Threads: 1}, pipelinetest.Silent()); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, resultFiles(t, o.SavePath), want)
	}
}
