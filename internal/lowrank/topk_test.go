package lowrank

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestOrient(t *testing.T) {
	for _, tt := range []struct {
		name        string
		projections []float64
		topK        int
		sign        float64
		state       State
	}{
		{"most positive", []float64{1, 2, -9, 3}, 4, 1, Decided},
		{"most negative", []float64{-1, -2, 9, -3}, 4, -1, Decided},
		{"half, the longer tail positive", []float64{-3, 1, 5, -4}, 4, 1, Open},
		{"half, the longer tail negative", []float64{3, -1, -5, 4}, 4, -1, Open},
		{"half, tails alike, the first positive", []float64{2, -2}, 2, 1, Open},
		{"half, tails alike, the first negative", []float64{0, -2, 2, 0}, 4, -1, Open},
		{"too few images for a majority of those asked for", []float64{1, 2, 3}, 6, 1, Open},
		{"too few, negative", []float64{-1, -2, 3.5}, 6, 1, Open},
		{"just enough", []float64{1, 2, 3, -9}, 5, 1, Decided},
		{"odd", []float64{1, -1, 0}, 3, 1, Open},
		{"nothing", []float64{0, 0}, 2, 1, Open},
	} {
		if sign, state := orient(tt.projections, tt.topK); sign != tt.sign || state != tt.state {
			t.Errorf("%s: sign %g, state %d; want %g, %d", tt.name, sign, state, tt.sign, tt.state)
		}
	}
}

func TestTop(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var s selector
	for range 3000 {
		n := 1 + rng.IntN(200)
		keys := make([]float64, n)
		values := 1 + rng.IntN(2*n) // few values give ties
		for i := range keys {
			keys[i] = float64(rng.IntN(values))
		}
		switch rng.IntN(4) {
		case 0:
			slices.Sort(keys)
		case 1:
			slices.Sort(keys)
			slices.Reverse(keys)
		}
		k := 1 + rng.IntN(n)
		want := make([]int, n)
		for i := range want {
			want[i] = i
		}
		slices.SortStableFunc(want, func(a, b int) int { return int(keys[b] - keys[a]) })
		want = want[:k]
		slices.Sort(want)
		if got := s.top(keys, k); !slices.Equal(got, want) {
			t.Fatalf("top %d of %v: got %v, want %v", k, keys, got, want)
		}
	}
}
