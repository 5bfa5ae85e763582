package report

import (
	"cmp"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/double"
	"github.com/clipnh/clipnh/internal/kernel"
)

// span is ranks lo to hi of a ranking by descending key, from 0.
type span struct{ lo, hi int }

// buckets is how finely keys are parted before some of them are sorted.
const buckets = 1024

// A selector finds the numbers of some ranks without sorting all: it parts the keys
// into buckets of equal width, those that have a wanted rank again, and sorts what is left. It keeps
// scratch memory, and may be used by one goroutine at a time.
type selector struct {
	bucket []uint16
	starts [buckets + 1]int
	wanted [buckets]bool
	kept   [buckets]uint8 // 1 of the wanted
	picked []int32
	levels [levels]groups
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
	bucket := s.bucket[:len(keys)]
	double.Bins(bucket, keys, float64(high), -scale)
	var counts [4][buckets]int32 // in turn: equal keys in a row do not wait for each other
	for of := bucket; len(of) > 0; of = of[4:] {
		if len(of) < 4 {
			for _, at := range of {
				counts[0][at&(buckets-1)]++
			}
			break
		}
		counts[0][of[0]&(buckets-1)]++
		counts[1][of[1]&(buckets-1)]++
		counts[2][of[2]&(buckets-1)]++
		counts[3][of[3]&(buckets-1)]++
	}
	for at := range buckets {
		s.starts[at+1] = int(counts[0][at] + counts[1][at] + counts[2][at] + counts[3][at])
	}
	for at := range buckets {
		s.starts[at+1] += s.starts[at]
		s.wanted[at], s.kept[at] = false, 0
		for _, p := range spans {
			if s.starts[at] < p.hi && p.lo < s.starts[at+1] {
				s.wanted[at], s.kept[at] = true, 1
			}
		}
	}
	picked := 0
	for at := range buckets {
		if s.wanted[at] {
			picked += s.starts[at+1] - s.starts[at]
		}
	}
	s.picked = slices.Grow(s.picked[:0], picked+1)[:picked+1] // one more: each is written, and kept if it is wanted
	picked = 0
	for i, at := range bucket {
		s.picked[picked] = int32(i)
		picked += int(s.kept[at&(buckets-1)])
	}
	s.picked = s.picked[:picked]
	// Those of a bucket together, in the order of buckets.
	group := &s.levels[0]
	group.part(s.picked, buckets, func(i int32) int { return int(bucket[i]) })
	for at := range buckets {
		if s.starts[at] < s.starts[at+1] && s.wanted[at] {
			s.rank(1, keys, group.of(at), s.starts[at], spans, dst)
		}
	}
}

const (
	sampleStep  = 16      // every so many keys are a sample
	sampleLeast = 1 << 12 // keys, of which a sample is taken
	samplePicks = 1 << 11 // keys above a threshold that are sorted
)

// first writes the indices of the first keys by descending key to dst, as choose does. A sample
// says above which threshold they are likely to be; where it is wrong, all keys are parted.
func (s *selector) first(keys []float32, low, high float32, dst []int32) {
	if len(keys) < sampleLeast || !(high > low) || !s.above(keys, s.threshold(keys, low, high, len(dst)), len(dst)) {
		s.choose(keys, low, high, []span{{0, len(dst)}}, [][]int32{dst})
		return
	}
	slices.SortFunc(s.picked, func(a, b int32) int { return cmp.Or(cmp.Compare(keys[b], keys[a]), cmp.Compare(a, b)) })
	copy(dst, s.picked)
}

// threshold is a number that somewhat more than n keys are likely to be above.
func (s *selector) threshold(keys []float32, low, high float32, n int) float32 {
	var counts [buckets]int32
	width := (float64(high) - float64(low)) / (buckets - 1)
	for i := 0; i < len(keys); i += sampleStep {
		counts[int((float64(high)-float64(keys[i]))/width)&(buckets-1)]++
	}
	expected := float64(n) / sampleStep
	want, at := int32(expected+4*math.Sqrt(expected)+8), 0
	for found := counts[0]; found < want && at < buckets-1; found += counts[at] {
		at++
	}
	return float32(float64(high) - float64(at+1)*width)
}

// above picks the keys above a threshold, and reports whether these are n or more, and few.
func (s *selector) above(keys []float32, threshold float32, n int) bool {
	s.picked = s.picked[:0]
	for at := 0; ; at++ {
		at += kernel.Exceeding(keys[at:], keys[at:], threshold) // none is above itself
		if at == len(keys) {
			return len(s.picked) >= n
		}
		if len(s.picked) == samplePicks {
			return false
		}
		s.picked = append(s.picked, int32(at))
	}
}

// sorted is how many members of a bucket are sorted; more are parted again, at most so often.
const (
	sorted = 48
	levels = 4
)

// rank finds the members of some ranks, which begin with first.
func (s *selector) rank(level int, keys []float32, members []int32, first int, spans []span, dst [][]int32) {
	low, high := keys[members[0]], keys[members[0]]
	for _, i := range members[1:] {
		low, high = min(low, keys[i]), max(high, keys[i])
	}
	if len(members) <= sorted || low == high || level == levels {
		if low < high {
			slices.SortFunc(members, func(a, b int32) int { return cmp.Or(cmp.Compare(keys[b], keys[a]), cmp.Compare(a, b)) })
		}
		for at, i := range members {
			for j, p := range spans {
				if rank := first + at; p.lo <= rank && rank < p.hi {
					dst[j][rank-p.lo] = i
				}
			}
		}
		return
	}
	parts := min(buckets, max(16, len(members)/4))
	scale := float64(parts-1) / (float64(high) - float64(low))
	group := &s.levels[level]
	group.part(members, parts, func(i int32) int { return int((float64(high) - float64(keys[i])) * scale) })
	for at := range parts {
		of := group.of(at)
		begin := first + int(group.starts[at])
		if len(of) > 0 && slices.ContainsFunc(spans, func(p span) bool { return begin < p.hi && p.lo < begin+len(of) }) {
			s.rank(level+1, keys, of, begin, spans, dst)
		}
	}
}

// groups are members of buckets, ascending in each.
type groups struct {
	starts  [buckets + 1]int32
	next    [buckets]int32
	members []int32
}

// part puts members in so many buckets.
func (g *groups) part(members []int32, parts int, bucket func(int32) int) {
	clear(g.starts[:parts+1])
	for _, i := range members {
		g.starts[bucket(i)+1]++
	}
	for at := range parts {
		g.starts[at+1] += g.starts[at]
		g.next[at] = g.starts[at]
	}
	g.members = slices.Grow(g.members[:0], len(members))[:len(members)]
	for _, i := range members {
		at := bucket(i)
		g.members[g.next[at]] = i
		g.next[at]++
	}
}

func (g *groups) of(at int) []int32 { return g.members[g.starts[at]:g.starts[at+1]] }
