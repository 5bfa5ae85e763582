package report

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestEachRows hands over the scores of all images in groups, whoever reads them, names the first
// that is not finite, and stops where the context ends.
func TestEachRows(t *testing.T) {
	const images, pairs = 2*artefact.RowImages + 40, 2
	names, scores := make([]string, images), make([]float32, images*pairs)
	for i := range scores {
		names[i/pairs], scores[i] = fmt.Sprintf("%03d.png", i/pairs), float32(i)
	}
	open := func() *artefact.Scores {
		ov := decomp.OVFromSlices(2, 1, 2, []float32{1, 1}, []float32{1, 1, 0, 0}, make([]float32, 4))
		s, err := artefact.Reader{}.Scores(pipelinetest.ScoresOf(t, ov, names, scores, origin.Origin{}), nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	for _, threads := range []int{1, 3} {
		var got []float32
		err := eachRows(ctx, s, par.NewTeam(threads), "rows", pipelinetest.Silent(), func(first, n int, rows []float32) error {
			if first*pairs != len(got) || n*pairs != len(rows) || n > artefact.RowImages {
				t.Errorf("%d scores of %d images from %d on, after %d", len(rows), n, first, len(got))
			}
			got = append(got, rows...)
			return nil
		})
		if err != nil || !slices.Equal(got, scores) {
			t.Errorf("%d threads: %d scores, %v", threads, len(got), err)
		}
	}
	seen := 0
	err := s.EachRows(ctx, par.NewTeam(2), func(int, []float32) error { seen++; cancel(); return nil })
	if seen != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d groups of a context that ended in the first, %v", seen, err)
	}
	for _, image := range []int{artefact.RowImages + 5, artefact.RowImages + 120} { // of different workers
		scores[image*pairs+1] = float32(math.NaN())
	}
	bad := open()
	defer bad.Close()
	for _, threads := range []int{1, 3} {
		err := bad.EachRows(t.Context(), par.NewTeam(threads), func(int, []float32) error { return nil })
		if wrong := testutil.Line(err, bad.Path()+": score of image 133, h1n0 is NaN, want finite scores"); wrong != nil {
			t.Errorf("%d threads: %v", threads, wrong)
		}
	}
}
