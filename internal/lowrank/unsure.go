package lowrank

import (
	"math"

	"github.com/clipnh/clipnh/internal/par"
)

// Unsure returns the units, of the pairs of head that PairsOf computes, whose images of
// largest centred norm may be others than PairsOf selects for topK = Keep: a score that was
// not kept may be as far from the mean, as float64 has it, as the furthest k-th one, without
// being equal to the last score of its tail. Such scores differ by less than the rounding of
// the mean. Equal scores are kept in the order of the images, and leave no doubt.
//
// A score that was not kept is between the last ones of both tails, so it is no further from
// the mean than the one on its side.
func (e *Extremes) Unsure(head, units int, team par.Team) []int {
	if e.Images <= e.Keep {
		return nil
	}
	unsure := make([]bool, units)
	team.For(units, func(lo, hi, _ int) {
		var c candidates
		var s selector
		var sizes []float64
		for u := lo; u < hi; u++ {
			p := head*units + u
			mean := e.Sum.Of(p) / float64(e.Images)
			e.candidates(p, &c)
			sizes = sizes[:0]
			for _, x := range c.scores {
				sizes = append(sizes, math.Abs(float64(x)-mean))
			}
			least := s.largest(sizes, e.Keep)
			unsure[u] = e.Largest.unsure(p, e.Keep, mean, least) || e.Smallest.unsure(p, e.Keep, mean, least)
		}
	})
	var list []int
	for u, is := range unsure {
		if is {
			list = append(list, u)
		}
	}
	return list
}

// unsure is Unsure of one tail of pair p. least is how far from the mean the k-th of all kept
// scores is.
func (t *Tail) unsure(p, k int, mean, least float64) bool {
	row := t.Scores[p*k : (p+1)*k]
	last := row[k-1]
	if math.Abs(float64(last)-mean) != least {
		return false
	}
	inward := math.Nextafter32(last, float32(math.Inf(-int(t.sign))))
	if math.Abs(float64(inward)-mean) == least {
		return true
	}
	for _, x := range row[:k-1] {
		if x != last && math.Abs(float64(x)-mean) == least {
			return true
		}
	}
	return false
}
