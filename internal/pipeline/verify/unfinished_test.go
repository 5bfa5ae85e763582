package verify

import (
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// TestUnfinishedCodes holds that codes whose run was killed are unfinished, and not missing.
func TestUnfinishedCodes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "codes.npz")
	look := func(state string) {
		t.Helper()
		r, err := Run(t.Context(), Options{Paths: []string{path}, Remake: func(string, cache.Manifest) string { return "" }, Store: new(cache.Store)}, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Artefacts[0]; got.Path != path || got.State != state || state == StateUnfinished && (got.Problems[0].Text != "not finished, 1 of 2 chunks is done" || got.Hint == "") {
			t.Errorf("%+v, want it %s", got, state)
		}
	}
	look(StateMissing)
	w, err := new(cache.Store).OpenChunks(path+artefact.WorkEnd, cache.Plan{
		Kind: artefact.KindUnfinishedCodes, Axes: []string{"U", "V"}, Row: []int{3}, DType: npy.Float32, Inputs: 4, ChunkInputs: 2, Payload: "codes.npy",
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(make([]float32, 6), nil); err != nil {
		t.Fatal(err)
	}
	w.Close()
	look(StateUnfinished)
}
