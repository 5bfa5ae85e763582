package decomp

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
)

// TestHeadByHead holds that features which are added up head by head are, to the bit, those of
// the matrix of all heads, in batches of any size and with any number of threads.
func TestHeadByHead(t *testing.T) {
	const H, C, D, O, B = 4, 40, 10, 24, 37
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []float32 {
		values := make([]float32, n)
		for i := range values {
			values[i] = float32(r.NormFloat64())
		}
		return values
	}
	ov := OVFromSlices(H, C, O, random(H*D*C), random(O*H*D), random(H*O))
	scores, means, first, second := random(B*H*C), random(H*C*O), random(H*C*O), random(H*C*O)
	of := func(h int) (m []float32, d [][]float32) {
		at := func(all []float32) []float32 { return all[h*C*O : (h+1)*C*O] }
		return at(means), [][]float32{at(first), at(second)}
	}
	want := make([]float32, B*O)
	whole := ov.NewReconstruction()
	for h := range H {
		m, d := of(h)
		whole.AddHead(h, m, d, par.Team{})
	}
	for lo := 0; lo < B; lo += 16 {
		n := min(16, B-lo)
		whole.Features(want[lo*O:(lo+n)*O], nil, scores[lo*H*C:], n, par.Team{})
	}
	for _, threads := range []int{1, 3} {
		got, team := make([]float32, B*O), par.NewTeam(threads)
		single := ov.NewReconstruction()
		for h := range H {
			own := make([]float32, 0, B*C)
			for b := range B {
				own = append(own, scores[(b*H+h)*C:][:C]...)
			}
			m, d := of(h)
			single.AddHeadOf(got, own, h, m, d, team)
		}
		single.Finish(got)
		if !slices.Equal(got, want) {
			t.Errorf("%d threads: other features", threads)
		}
	}
}
