package lowrank

import (
	"math"
	"math/bits"
	"slices"
)

// selector finds the largest of many numbers and reuses its scratch memory.
type selector struct {
	values  []float64
	indices []int
}

// top returns the indices of the k largest keys, in ascending order. k must be at
// least 1 and at most len(keys). Of equal keys the lower index is taken. The result
// is valid until the next call. No key may be NaN.
func (s *selector) top(keys []float64, k int) []int {
	bound := s.largest(keys, k)
	equal := k // number of keys equal to bound that are needed
	for _, key := range keys {
		if key > bound {
			equal--
		}
	}
	s.indices = s.indices[:0]
	for i, key := range keys {
		if key > bound {
			s.indices = append(s.indices, i)
		} else if key == bound && equal > 0 {
			equal--
			s.indices = append(s.indices, i)
		}
	}
	return s.indices
}

// largest returns the k-th largest key. Few keys exceed the k-th largest of those
// before them, so few are copied.
func (s *selector) largest(keys []float64, k int) float64 {
	s.values = s.values[:0]
	bound := math.Inf(-1)
	for _, key := range keys {
		if key > bound || len(s.values) < k {
			s.values = append(s.values, key)
			if len(s.values) == 2*k {
				partition(s.values, k)
				s.values = s.values[:k]
				bound = slices.Min(s.values)
			}
		}
	}
	partition(s.values, k)
	return slices.Min(s.values[:k])
}

// partition moves the k largest of x to its front: Hoare's quickselect, which falls
// back to sorting after too many bad pivots.
func partition(x []float64, k int) {
	for left := 2 * bits.Len(uint(len(x))); len(x) > 16 && left > 0; left-- {
		pivot := median(x[0], x[len(x)/2], x[len(x)-1])
		// Three parts: above the pivot, equal to it, below it.
		above, at, below := 0, 0, len(x)
		for at < below {
			switch v := x[at]; {
			case v > pivot:
				x[above], x[at] = v, x[above]
				above++
				at++
			case v < pivot:
				below--
				x[at], x[below] = x[below], v
			default:
				at++
			}
		}
		switch {
		case k <= above:
			x = x[:above]
		case k <= below:
			return
		default:
			x, k = x[below:], k-below
		}
	}
	slices.Sort(x)
	slices.Reverse(x)
}

func median(a, b, c float64) float64 { return max(min(a, b), min(max(a, b), c)) }
