package lowrank

import (
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/par"
)

// Extremes accumulate statistics of pairs' scores over any number of images, in
// memory that does not grow with that number. They hold what Pairs needs: the k
// images whose score is furthest from the mean are among those with the k largest
// and the k smallest scores, whatever the mean is.
type Extremes struct {
	Pairs, Keep int // P = H*C, k
	Images      int // B, number of images so far

	Sum      Sums // [P], of the scores
	Largest  Tail
	Smallest Tail
}

// Tail holds the most extreme scores of every pair, the most extreme first; among
// equal scores the earlier image comes first. The first min(k, B) entries of each row
// are in use.
type Tail struct {
	Scores []float32 // [P,k]
	Images []int32   // [P,k]
	sign   float32   // 1 for the largest, -1 for the smallest
}

// NewExtremes returns statistics without images, for a number of pairs and the keep
// largest and smallest scores of each.
func NewExtremes(pairs, keep int) *Extremes {
	if pairs < 1 || keep < 1 {
		panic("lowrank: empty statistics")
	}
	largest, smallest := NewTail(pairs, keep), NewTail(pairs, keep)
	smallest.sign = -1
	return &Extremes{Pairs: pairs, Keep: keep, Sum: NewSums(pairs), Largest: largest, Smallest: smallest}
}

// NewTail returns an empty Tail for the keep largest numbers of each unit.
func NewTail(units, keep int) Tail {
	return Tail{make([]float32, units*keep), make([]int32, units*keep), 1}
}

// Add adds the scores of more images, [b,P].
func (e *Extremes) Add(scores []float32, team par.Team) {
	images := len(scores) / e.Pairs
	if len(scores) != images*e.Pairs || e.Images > math.MaxInt32-images {
		panic("lowrank: scores of wrong size")
	}
	// In groups of pairs, so that their tails stay in the cache for all images.
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

// Insert adds the score of an image to the tail of pair p, if it is among the keep
// most extreme. seen is the number of earlier images, whose scores were inserted
// before.
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

// Merge adds the statistics of the images that follow e's. The result has the same
// bits as statistics of all images in order. It panics unless other kept at least as
// many scores as e does, or all of its scores.
func (e *Extremes) Merge(other *Extremes, team par.Team) {
	if other.Pairs != e.Pairs || !other.Complete(e.Keep) || e.Images > math.MaxInt32-other.Images {
		panic("lowrank: statistics of different sizes")
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

// Complete reports whether enough scores were kept to find the topK images of
// largest centred norm.
func (e *Extremes) Complete(topK int) bool { return min(topK, e.Images) <= e.Keep }

// candidates sets c to the kept scores of pair p and their images, in the order of
// the images.
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

// PairsOf is Pairs computed from statistics instead of scores, with the same bits.
// The units are the C pairs of head. It panics unless Complete.
//
// If two scores of a pair differ so little that their distances to the mean are
// rounded to the same number, Result.Images may hold either image.
func (e *Extremes) PairsOf(r *Result, head int, directions, bias []float32, topK int, team par.Team) error {
	r.check(e.Images, topK)
	first := head * r.Units
	if head < 0 || first+r.Units > e.Pairs || len(directions) != len(r.Direction) || len(bias) != r.OutDim {
		panic("lowrank: pairs of wrong size")
	}
	if !e.Complete(topK) {
		panic("lowrank: not enough scores were kept")
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
