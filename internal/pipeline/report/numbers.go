package report

import (
	"cmp"
	"math"
	"slices"
)

// orderOf is the numbers below n by descending key; of equal keys the first comes first.
func orderOf(n int, key func(i int) float64) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(key(b), key(a)) })
	return order
}

// largest is the k numbers below n of largest key, best first; of equal keys the first
// comes first.
func largest(n, k int, key func(i int) float64) []int {
	k = min(k, n)
	best, keys := make([]int, 0, k+1), make([]float64, 0, k+1)
	for i := range n {
		x := key(i)
		if len(best) == k && x <= keys[k-1] {
			continue
		}
		at := len(best)
		best, keys = append(best, 0), append(keys, 0)
		for at > 0 && keys[at-1] < x {
			best[at], keys[at] = best[at-1], keys[at-1]
			at--
		}
		best[at], keys[at] = i, x
		best, keys = best[:min(len(best), k)], keys[:min(len(keys), k)]
	}
	return best
}

// rounded keeps four digits after the point, of numbers that are shown with fewer.
func rounded(x float64) float64 { return math.Round(x*1e4) / 1e4 }

func dot(x, y []float32) float64 {
	sum := 0.0
	for i, v := range x {
		sum += float64(v) * float64(y[i])
	}
	return sum
}
