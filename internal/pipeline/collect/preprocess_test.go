package collect

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// TestPreprocess collects images with a palette in both orders: scores differ, the
// manifest says which order it was, another one is refused, and a repair uses it.
func TestPreprocess(t *testing.T) {
	o := goldenImages(t, "scores")
	o.Data.Path = pipelinetest.Palettes(t)
	var scores [2][]float32
	for i, order := range []imageprep.Order{imageprep.ConvertFirst, imageprep.ResizeFirst} {
		o.Images.Order, o.SavePath = order, filepath.Join(t.TempDir(), "scores")
		run(t, o)
		scores[i], _ = pipelinetest.ReadNPY(t, filepath.Join(o.SavePath, artefact.ScoresFile))
		a, err := cache.Open(o.SavePath)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := a.Manifest.Origin.Images.Preprocess, []string{origin.ConvertFirst, "openai"}[i]; got != want {
			t.Errorf("preprocess %q in the manifest, want %q", got, want)
		}
	}
	if slices.Equal(scores[0], scores[1]) {
		t.Error("the order makes no difference")
	}
	other := o
	other.Images.Order = imageprep.ConvertFirst
	if _, err := Run(t.Context(), other, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) || !strings.Contains(err.Error(), "preprocess openai; this run uses reference") {
		t.Errorf("another order: %v, want a stale artefact", err)
	}
	path := filepath.Join(o.SavePath, artefact.ScoresFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := slices.Clone(whole)
	damaged[len(damaged)-1] ^= 1
	if err := os.WriteFile(path, damaged, 0o666); err != nil {
		t.Fatal(err)
	}
	a, err := cache.Open(o.SavePath)
	if err != nil {
		t.Fatal(err)
	}
	repair := RepairOptions{Model: o.Model, DataPath: o.Data.Path, BatchSize: o.BatchSize, Threads: 1}
	if err := Repair(t.Context(), a, repair, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	if repaired, err := os.ReadFile(path); err != nil || !bytes.Equal(repaired, whole) {
		t.Errorf("repaired to other bytes (%v)", err)
	}
}
