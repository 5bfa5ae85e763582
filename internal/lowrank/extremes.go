package lowrank

import (
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/par"
)

// Extremes sum up the scores of pairs over any number of images, seen one after
// the other, in memory that does not grow with it. They hold what Pairs needs:
// the k images whose score is furthest from the mean are among those of the k
// largest and of the k smallest scores, whatever the mean turns out to be.
type Extremes struct {
	Pairs, Keep int // P = H*C, k
	Images      int // B, seen so far

	Sum      Sums // [P], of the scores
	Largest  Tail
	Smallest Tail
}

// Tail holds the most extreme scores of every pair, from the most extreme one
// on, and of equals the earlier image first. Of each row the first min(k, B)
// are in use.
type Tail struct {
	Scores []float32 // [P,k]
	Images []int32   // [P,k]
	sign   float32   // 1 for the largest, -1 for the smallest
}

// NewExtremes returns the statistics of no images.
func NewExtremes(pairs, keep int) *Extremes {
	if pairs < 1 || keep < 1 {
		panic("lowrank: empty statistics")
	}
	largest, smallest := NewTail(pairs, keep), NewTail(pairs, keep)
	smallest.sign = -1
	return &Extremes{Pairs: pairs, Keep: keep, Sum: NewSums(pairs), Largest: largest, Smallest: smallest}
}

// NewTail returns room for the keep largest numbers of each of some units.
func NewTail(units, keep int) Tail {
	return Tail{make([]float32, units*keep), make([]int32, units*keep), 1}
}

// Add adds the scores of further images, [b,P].
func (e *Extremes) Add(scores []float32, team par.Team) {
	images := len(scores) / e.Pairs
	if len(scores) != images*e.Pairs || e.Images > math.MaxInt32-images {
		panic("lowrank: scores of wrong size")
	}
	// Some pairs at a time, so that their tails stay in the cache for all images.
	team.For((e.Pairs+pairGroup-1)/pairGroup, func(first, end, _ int) {
		for lo := first * pairGroup; lo < min(end*pairGroup, e.Pairs); lo += pairGroup {
			for b := range images {
				for p := lo; p < min(lo+pairGroup, e.Pairs); p++ {
					s := scores[b*e.Pairs+p]
					e.Sum.Add(p, s)
					e.Largest.Insert(p, e.Keep, e.Images+b, e.Images+b, s)
					e.Smallest.Insert(p, e.Keep, e.Images+b, e.Images+b, s)
				}
			}
		}
	})
	e.Images += images
}

// Insert puts the score of an image in its place among those of pair p, if it has
// one; seen scores came before, of earlier images.
func (t *Tail) Insert(p, keep, seen, image int, score float32) {
	n := min(seen, keep)
	row, images := t.Scores[p*keep:(p+1)*keep], t.Images[p*keep:(p+1)*keep]
	if n == keep {
		if t.sign*score <= t.sign*row[n-1] {
			return
		}
		n--
	}
	for ; n > 0 && t.sign*score > t.sign*row[n-1]; n-- {
		row[n], images[n] = row[n-1], images[n-1]
	}
	row[n], images[n] = score, int32(image)
}

// Merge adds the statistics of further images, whose numbers follow those of e's.
// The bits are those of statistics that saw all images one after the other. It
// panics unless other kept as many as e does, or all it saw.
func (e *Extremes) Merge(other *Extremes, team par.Team) {
	if other.Pairs != e.Pairs || !other.Complete(e.Keep) || e.Images > math.MaxInt32-other.Images {
		panic("lowrank: statistics of other sizes")
	}
	e.Sum.Merge(other.Sum)
	n := min(e.Keep, other.Images)
	team.For(e.Pairs, func(lo, hi, _ int) {
		for p := lo; p < hi; p++ {
			for i := range n {
				at := p*other.Keep + i
				e.Largest.Insert(p, e.Keep, e.Images+i, e.Images+int(other.Largest.Images[at]), other.Largest.Scores[at])
				e.Smallest.Insert(p, e.Keep, e.Images+i, e.Images+int(other.Smallest.Images[at]), other.Smallest.Scores[at])
			}
		}
	})
	e.Images += other.Images
}

// Complete reports whether the k images of largest centred norm are known.
func (e *Extremes) Complete(topK int) bool { return min(topK, e.Images) <= e.Keep }

// candidates returns the scores of pair p that are kept, in the order of the
// images, and the images.
func (e *Extremes) candidates(p int, c *candidates) {
	n := min(e.Keep, e.Images)
	c.order = c.order[:0]
	for _, t := range []*Tail{&e.Largest, &e.Smallest} {
		for i := p * e.Keep; i < p*e.Keep+n; i++ {
			c.order = append(c.order, candidate{t.Images[i], t.Scores[i]})
		}
	}
	slices.SortFunc(c.order, func(a, b candidate) int { return int(a.image) - int(b.image) })
	c.order = slices.CompactFunc(c.order, func(a, b candidate) bool { return a.image == b.image })
	c.scores, c.images = c.scores[:0], c.images[:0]
	for _, x := range c.order {
		c.scores, c.images = append(c.scores, x.score), append(c.images, x.image)
	}
}

type candidate struct {
	image int32
	score float32
}

// candidates is scratch memory for the kept scores of one pair.
type candidates struct {
	order  []candidate
	scores []float32
	images []int32
}

// PairsOf is Pairs on scores that were summed up: it gives the same
// bits. The units are the pairs of head, C of them. It panics unless Complete.
//
// Two scores of a pair that differ by less than rounding leaves of their
// distance to the mean may be taken for each other in Result.Images.
func (e *Extremes) PairsOf(r *Result, head int, directions, bias []float32, topK int, team par.Team) error {
	r.check(e.Images, topK)
	first := head * r.Units
	if head < 0 || first+r.Units > e.Pairs || len(directions) != len(r.Direction) || len(bias) != r.OutDim {
		panic("lowrank: pairs of wrong size")
	}
	if !e.Complete(topK) {
		panic("lowrank: too few scores were kept")
	}
	return forUnits(r.Units, pairGroup, team, func() func(lo, hi int) *UnitError {
		var p pair
		var c candidates
		return func(lo, hi int) *UnitError {
			for u := lo; u < hi; u++ {
				e.candidates(first+u, &c)
				v := directions[u*r.OutDim : (u+1)*r.OutDim]
				if err := p.finish(r, u, c.scores, e.Sum.Of(first+u)/float64(e.Images), v, bias, topK); err != nil {
					return err
				}
				selected := r.Images[u*r.Kept : (u+1)*r.Kept]
				for i, at := range selected {
					selected[i] = c.images[at]
				}
			}
			return nil
		}
	})
}
