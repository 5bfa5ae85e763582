package report

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSelectorChoosesAsSortingDoes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, key := range map[string]func() float32{
		"normal":    func() float32 { return float32(random.NormFloat64()) },
		"few":       func() float32 { return float32(random.IntN(3)) },
		"equal":     func() float32 { return 2 },
		"one large": func() float32 { return float32(random.ExpFloat64() * random.ExpFloat64() * 1e9) },
	} {
		var s selector
		for _, n := range []int{1, 5, 100, 5000} {
			keys := make([]float32, n)
			order := make([]int32, n)
			for i := range keys {
				keys[i], order[i] = key(), int32(i)
			}
			slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(keys[b], keys[a]) })
			spans := []span{{0, min(12, n)}, {n - min(4, n), n}, {n / 2, min(n/2+4, n)}, {0, min(3, n)}}
			dst := make([][]int32, len(spans))
			for i, p := range spans {
				dst[i] = make([]int32, p.hi-p.lo)
			}
			s.choose(keys, slices.Min(keys), slices.Max(keys), spans, dst)
			for i, p := range spans {
				if !slices.Equal(dst[i], order[p.lo:p.hi]) {
					t.Errorf("%s, %d keys, ranks %v: %v, want %v", name, n, p, dst[i], order[p.lo:p.hi])
				}
			}
			first := make([]int32, min(50, n))
			s.first(keys, slices.Min(keys), slices.Max(keys), first)
			if !slices.Equal(first, order[:len(first)]) {
				t.Errorf("%s, %d keys: the first are %v, want %v", name, n, first, order[:len(first)])
			}
		}
	}
}
