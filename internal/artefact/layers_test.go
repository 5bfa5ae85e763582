package artefact

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
)

// TestLayers: of the collections of single layers, those that are merged, not merged, not finished
// and damaged are told apart. Folders with other names are no layers.
func TestLayers(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"layer2", "layer10", "layer3.1-of-2", "layer3.2-of-2", "layer4.1-2-of-4", "layer5", "layer6.bak", "layer", "layers7"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"layer2", "layer10"} {
		w, err := (&cache.Store{}).OpenChunks(filepath.Join(dir, name), cache.Plan{
			Kind: KindScores, Axes: []string{"B", "H"}, Row: []int{3}, DType: npy.Float32, Payload: ScoresFile, Inputs: 2, ChunkInputs: 2,
		}, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(make([]float32, 2*3), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Finish(); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(filepath.Join(dir, "layer10", ScoresFile), 100); err != nil {
		t.Fatal(err)
	}
	layers := LayersWithin(dir)
	var numbers []int
	for _, l := range layers {
		numbers = append(numbers, l.Number)
	}
	if len(layers) != 5 || numbers[0] != 2 || numbers[4] != 10 || !layers[0].Whole || !layers[1].Shards || layers[4].Broken == nil {
		t.Fatalf("%+v", layers)
	}
	said := layers.Lacking()
	for _, want := range []string{
		"not merged: " + filepath.Join(dir, "layer3") + ", " + filepath.Join(dir, "layer4"), "not finished: " + filepath.Join(dir, "layer5") + ";",
		filepath.Join(dir, "layer10", ScoresFile) + ": damaged",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q, want %q", said, want)
		}
	}
	for name, want := range map[string]int{"a/layer3.1-of-2": 3, "layer12.1-64-of-128": 12, "layer3": -1, "layer3.bak": -1, "scores.1-of-2": -1} {
		n, ok := LayerOfShard(name)
		if !ok {
			n = -1
		}
		if n != want {
			t.Errorf("%s: layer %d, want %d", name, n, want)
		}
	}
}
