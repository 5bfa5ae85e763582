package report

import (
	"cmp"
	"slices"
)

// span is ranks lo to hi of a ranking by descending key, from 0.
type span struct{ lo, hi int }

// buckets is how finely keys are parted before some of them are sorted.
const buckets = 1024

// A selector finds the numbers of some ranks without sorting all: it parts the keys
// into buckets of equal width and sorts those that have a wanted rank. It keeps
// scratch memory, and may be used by one goroutine at a time.
type selector struct {
	bucket []uint16
	starts [buckets + 1]int
	wanted [buckets]bool
	picked []int32
}

// choose writes the indices of the keys of the ranks of each span to dst, one slice a
// span. Equal keys are ranked by index. Keys are finite, from low to high.
func (s *selector) choose(keys []float32, low, high float32, spans []span, dst [][]int32) {
	if len(s.bucket) < len(keys) {
		s.bucket = make([]uint16, len(keys))
	}
	scale := 0.0
	if high > low {
		scale = (buckets - 1) / (float64(high) - float64(low))
	}
	clear(s.starts[:])
	top, bucket := float64(high), s.bucket[:len(keys)]
	var counts [2][buckets]int32 // in turn: equal keys in a row do not wait for each other
	for i, k := range keys {
		at := uint16((top - float64(k)) * scale)
		bucket[i] = at
		counts[i&1][at&(buckets-1)]++
	}
	for at := range buckets {
		s.starts[at+1] = int(counts[0][at] + counts[1][at])
	}
	for at := range buckets {
		s.starts[at+1] += s.starts[at]
		s.wanted[at] = false
		for _, p := range spans {
			if s.starts[at] < p.hi && p.lo < s.starts[at+1] {
				s.wanted[at] = true
			}
		}
	}
	s.picked = s.picked[:0]
	for i, at := range s.bucket[:len(keys)] {
		if s.wanted[at] {
			s.picked = append(s.picked, int32(i))
		}
	}
	slices.SortFunc(s.picked, func(a, b int32) int { return cmp.Or(cmp.Compare(keys[b], keys[a]), cmp.Compare(a, b)) })
	rank, last := 0, -1
	for _, i := range s.picked {
		if at := int(s.bucket[i]); at != last { // the first of a bucket has the rank that it begins with
			rank, last = s.starts[at], at
		}
		for j, p := range spans {
			if p.lo <= rank && rank < p.hi {
				dst[j][rank-p.lo] = i
			}
		}
		rank++
	}
}
