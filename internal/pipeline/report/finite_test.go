package report

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestNormsAreFinite refuses scores, finite themselves, of whose contributions a norm or a distance
// from the mean is not. There are more images than a selector sorts at once.
func TestNormsAreFinite(t *testing.T) {
	const images = 2 * sorted
	names := make([]string, images)
	for i := range names {
		names[i] = fmt.Sprintf("%03d.png", i)
	}
	const most = 3e38
	for _, test := range []struct {
		name   string
		length float32    // of the directions of the two pairs of a neuron
		usual  [2]float32 // scores
		other  [2]float32 // those of an image
		want   string
	}{
		{"pair", 2, [2]float32{1, 1}, [2]float32{1, most}, "a norm of h1n0 is +Inf, want finite ones"},
		{"neuron", 1, [2]float32{1, 1}, [2]float32{most, most}, "a norm of n0 is +Inf, want finite ones"},
		{"pair's distance", 1, [2]float32{1, most}, [2]float32{1, -most}, "a distance from the mean of h1n0 is +Inf, want finite ones"},
		{"neuron's distance", 1, [2]float32{most / 2, most / 2}, [2]float32{-most / 2, -most / 2}, "a distance from the mean of n0 is +Inf, want finite ones"},
	} {
		ov := decomp.OVFromSlices(2, 1, 2, []float32{1, 1}, []float32{test.length, test.length, 0, 0}, make([]float32, 4))
		scores := make([]float32, images*2)
		for i := range scores {
			scores[i] = test.usual[i%2]
			if i/2 == 7 {
				scores[i] = test.other[i%2]
			}
		}
		for _, threads := range []int{1, 3} {
			o := Options{
				Store: new(cache.Store), Threads: threads, ScoresPath: pipelinetest.ScoresOf(t, ov, names, scores, origin.Origin{}),
				Dir: filepath.Join(t.TempDir(), "report"),
			}
			_, err := Run(t.Context(), o, pipelinetest.Silent())
			if bad := testutil.Line(err, o.ScoresPath+": "+test.want); bad != nil {
				t.Errorf("%s, %d threads: %v", test.name, threads, bad)
			}
		}
	}
}
