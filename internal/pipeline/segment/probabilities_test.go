package segment

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// Each method's probabilities are kept of each image, by any number of threads the same; what
// was made from other classes stays unless it is discarded.
func TestProbabilities(t *testing.T) {
	o := goldenSegmentation()
	o.ProbabilitiesDir, o.Methods = t.TempDir(), []heat.Method{heat.ByPairs, heat.ByHeads}
	o.Writer.Store = new(cache.Store)
	var first []float32
	for _, threads := range []int{1, 3} {
		o.Threads = threads
		r, err := Run(context.Background(), o, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		want := []string{filepath.Join(o.ProbabilitiesDir, "pairs", "slide.npy"), filepath.Join(o.ProbabilitiesDir, "heads", "slide.npy")}
		if !slices.Equal(r.Files, want) {
			t.Errorf("files %q, want %q", r.Files, want)
		}
		a, err := cache.Open(want[0])
		if err != nil {
			t.Fatal(err)
		}
		m := a.Manifest
		if m.Kind != artefact.KindProbabilities || m.Origin.Mode != "pairs" || len(m.Shape) != 3 || m.Shape[2] != len(o.Setup.Classes) {
			t.Errorf("manifest %+v, want probabilities of %d classes by pairs", m, len(o.Setup.Classes))
		}
		f, err := npy.Open(want[0])
		if err != nil {
			t.Fatal(err)
		}
		values := make([]float32, artefact.Product(m.Shape))
		if err := errors.Join(f.ReadFloat32(values, 0), f.Close()); err != nil {
			t.Fatal(err)
		}
		shares, classes := make([]int, len(o.Setup.Classes)), m.Shape[2]
		for pixel := range slices.Chunk(values, classes) {
			shares[slices.Index(pixel, slices.Max(pixel))]++
		}
		for _, given := range r.Shares[0].Classes {
			c := slices.Index(r.Classes, given.Name)
			if share := float64(shares[c]) / float64(len(values)/classes); share != given.Share {
				t.Errorf("%s is the most probable of %g of the pixels, and the label of %g", given.Name, share, given.Share)
			}
		}
		if first == nil {
			first = values
		} else if !reflect.DeepEqual(values, first) {
			t.Error("probabilities depend on the number of threads")
		}
	}
	o.Setup.LogitScale++
	if _, err := Run(context.Background(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) {
		t.Errorf("another scale: %v, want ErrStale", err)
	}
	o.Writer.Restart = true
	if _, err := Run(context.Background(), o, pipelinetest.Silent()); err != nil {
		t.Errorf("another scale, with Restart: %v", err)
	}
}
