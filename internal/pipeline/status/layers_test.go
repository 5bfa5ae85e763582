package status

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
)

// TestSeveralLayers: of several layers, a shard is as far as that of the layer which is least far,
// and a layer that is merged, missing or damaged is told.
func TestSeveralLayers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scores")
	layer := func(n int) string { return artefact.LayerPath(path, n) }
	run := func() *Result {
		t.Helper()
		r, err := Run(t.Context(), Options{Path: path, Late: time.Minute, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	fourth := shard.Shard{Number: 4, Of: 4}
	if err := fourth.KeepCommand(&cache.Store{}, path, shard.Command{Words: []string{"collect"}}); err != nil {
		t.Fatal(err)
	}
	write(t, shard.Shard{Number: 1, Of: 4}.Path(layer(3)), 1, 10, true)
	write(t, shard.Shard{Number: 1, Of: 4}.Path(layer(8)), 1, 10, true)
	write(t, shard.Shard{Number: 2, Of: 4}.Path(layer(3)), 2, 10, true)
	write(t, shard.Shard{Number: 2, Of: 4}.Path(layer(8)), 2, 4, false)()
	write(t, shard.Shard{Number: 3, Of: 4}.Path(layer(3)), 3, 2, false)()
	write(t, shard.Shard{Number: 3, Of: 4}.Path(layer(8)), 3, 2, false)()
	write(t, fourth.Path(layer(3)), 4, 10, true)
	r := run()
	for i, want := range []string{Done, Stopped, Stopped, Missing} {
		if got := r.Shards[i]; got.Number != i+1 || got.State != want {
			t.Errorf("shard %d: %+v, want it %s", i+1, got, want)
		}
	}
	if len(r.Layers) != 2 || r.Layers[0].Done != 3 || r.Layers[1].Done != 1 || r.Layers[1].Shards != 4 || r.Finished != 40+16+8 || *r.Images != 160 ||
		len(r.Again) != 3 || len(r.Command) != 1 || r.Whole {
		t.Errorf("%+v", r)
	}
	for n := 2; n <= 4; n++ {
		for _, of := range []int{3, 8} {
			at := shard.Shard{Number: n, Of: 4}.Path(layer(of))
			if err := os.RemoveAll(at); err != nil {
				t.Fatal(err)
			}
			write(t, at, n, 10, true)
		}
	}
	if r := run(); len(r.Again) > 0 || r.Counts[Done] != 4 || !strings.Contains(r.Next, "merge {save-path} "+path) || strings.Contains(r.Next, "layer") {
		t.Errorf("all shards: %+v", r)
	}
	whole := func(path string) {
		w, err := (&cache.Store{}).OpenChunks(path, cache.Plan{
			Kind: artefact.KindScores, Axes: []string{"B", "H"}, Row: []int{3}, DType: npy.Float32, Payload: "scores.npy", Inputs: 4, ChunkInputs: 4,
		}, false)
		if err == nil {
			err = w.Append(make([]float32, 4*3), nil)
		}
		if err == nil {
			_, err = w.Finish()
		}
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
	}
	whole(layer(3))
	if r := run(); r.Whole || !r.Layers[0].Whole || r.Layers[1].Whole || !strings.Contains(r.Next, "merge {save-path} "+path) {
		t.Errorf("one merged: %+v", r)
	}
	whole(layer(8))
	if r := run(); !r.Whole || r.Counts[Done] != 4 || !strings.Contains(r.Next, "nothing is left") {
		t.Errorf("merged: %+v", r)
	}
	if err := os.Truncate(filepath.Join(layer(8), "scores.npy"), 90); err != nil {
		t.Fatal(err)
	}
	if r := run(); r.Whole || r.Layers[1].Whole || r.Layers[1].Done != 4 || !strings.Contains(r.Next, "merge {save-path} "+path) {
		t.Errorf("one damaged, which has shards: %+v", r)
	}
	shards, err := filepath.Glob(filepath.Join(path, "*-of-*"))
	if err != nil || len(shards) != 8 {
		t.Fatal(shards, err)
	}
	for _, at := range shards {
		if err := os.RemoveAll(at); err != nil {
			t.Fatal(err)
		}
	}
	if r := run(); r.Whole || r.Layers[1].State != Damaged || !strings.Contains(r.Layers[1].Error, "damaged") || r.Next == "" || len(r.Shards) > 0 {
		t.Errorf("one damaged: %+v", r)
	}
	if err := os.RemoveAll(layer(8)); err != nil {
		t.Fatal(err)
	}
	if r := run(); !r.Whole || len(r.Layers) != 1 || r.Next != "nothing is left to do" {
		t.Errorf("without shards: %+v", r)
	}
	write(t, shard.Shard{Number: 1, Of: 4}.Path(layer(8)), 1, 10, true)
	w, err := (&cache.Store{Now: time.Now}).OpenChunks(layer(9), cache.Plan{
		Kind: artefact.KindScores, Axes: []string{"B", "H"}, Row: []int{3}, DType: npy.Float32, Payload: "scores.npy", Inputs: 40, ChunkInputs: 4,
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(make([]float32, 4*3), nil); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if _, err := Run(t.Context(), Options{Path: path, Late: time.Minute, Now: time.Now}); err == nil || !strings.Contains(err.Error(), "its layers are of several runs") {
		t.Errorf("shards of one layer, and a run of another without: %v", err)
	}
	if err := os.RemoveAll(shard.Shard{Number: 1, Of: 4}.Path(layer(8))); err != nil {
		t.Fatal(err)
	}
	if r := run(); r.Whole || r.State != Stopped || r.Finished != 4 || *r.Images != 40 || r.Layers[1].State != Stopped || !strings.Contains(r.Next, "again") {
		t.Errorf("a run without shards: %+v", r)
	}
}
