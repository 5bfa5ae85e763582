package artefact_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
)

// TestMeanActivationsOfFolder opens mean activations by their folder, and by the file in it, as
// one that was written alone.
func TestMeanActivationsOfFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "acts")
	from := origin.Origin{Weights: "a"}
	w, err := new(cache.Store).OpenChunks(folder, cache.Plan{
		Kind: artefact.KindMeanActivations, Axes: []string{"B", "C", "T"}, Row: []int{2, 3}, DType: npy.Float32, Inputs: 1, ChunkInputs: 1,
		Payload: artefact.ActivationsFile, Origin: from,
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	want := []float32{1, 2, 3, 4, 5, 6}
	if err := w.Append(want, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	for _, path := range []string{folder, filepath.Join(folder, artefact.ActivationsFile)} {
		m, err := artefact.Reader{}.Tensor(path, artefact.Of(from), artefact.KindMeans, artefact.KindMeanActivations)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, len(want))
		if err := m.Read(got, 0); err != nil || !slices.Equal(got, want) || !slices.Equal(m.Shape, []int{2, 3}) || m.Artefact == nil {
			t.Errorf("%s: %v of shape %v, artefact %v, error %v; want %v of 2x3", path, got, m.Shape, m.Artefact, err, want)
		}
		m.Close()
		if _, err := (artefact.Reader{}).Tensor(path, artefact.Of(origin.Origin{Weights: "b"}), artefact.KindMeanActivations); !errors.Is(err, cache.ErrStale) {
			t.Errorf("%s of another model: error %v, want stale", path, err)
		}
	}
}
