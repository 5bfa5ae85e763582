package evaluate

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

func TestMask(t *testing.T) {
	for _, test := range []struct {
		golden, norms, mode string
		top                 int
		percentile          float64
	}{
		{"mask_nh", "norms_nh", AblatePairs, 20, 90},
		{"mask_nh_top5", "norms_nh", AblatePairs, 5, 90},
		{"mask_n", "norms_n", AblateNeurons, 50, 80}, // of the 20 that there are
	} {
		path := filepath.Join(t.TempDir(), "mask.npy")
		r, err := Mask(context.Background(), MaskOptions{
			Norms: testutil.Golden(test.norms + ".npy"), Mode: test.mode, TopImages: test.top, FitTop: test.top > 20, Percentile: test.percentile, SavePath: path,
		})
		if err != nil {
			t.Fatal(err)
		}
		want := pipelinetest.GoldenBools(t, test.golden+".npy")
		a, err := npy.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Bool()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) || r.Kept != countTrue(want) || r.Units != len(want) {
			t.Errorf("%s: %+v, %d units differ", test.golden, r, differ(got, want))
		}
		// The same bytes as np.save's.
		golden, err := os.ReadFile(testutil.Golden(test.golden + ".npy"))
		if err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(path); err != nil || !bytes.Equal(data, golden) {
			t.Errorf("%s: other bytes than NumPy's (%v)", test.golden, err)
		}
	}
}

func differ(a, b []bool) int {
	n := 0
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

// TestPercentile compares with values of numpy.percentile.
func TestPercentile(t *testing.T) {
	values := []float64{3, 1, 4, 1, 5, 9, 2.5, 6}
	for p, want := range map[float64]float64{0: 1, 10: 1, 25: 2.125, 50: 3.5, 80: 5.6, 90: 6.9, 95: 7.95, 100: 9, 33.3: 2.6655} {
		if got := percentile(values, p); math.Abs(got-want) > 1e-12 {
			t.Errorf("%g: %g, want %g", p, got, want)
		}
	}
	if got := percentile([]float64{7}, 90); got != 7 {
		t.Errorf("of one value: %g", got)
	}
}
