package heat

import (
	"fmt"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// Centre takes from every row of text [P,O] the mean of the rows and makes it a
// unit vector, in place and in float64. It fails where nothing is left of a row,
// as of a single one.
func Centre(text []float32, outDim int) error {
	mean := make([]float64, outDim)
	queries := len(text) / outDim
	for i, x := range text {
		mean[i%outDim] += float64(x) / float64(queries)
	}
	for p := range queries {
		row := text[p*outDim : (p+1)*outDim]
		sum, before := 0.0, 0.0
		for o, x := range row {
			d := float64(x) - mean[o]
			sum += d * d
			before += float64(x) * float64(x)
		}
		const rounding = 1e-12 // of squares: what float32 inputs leave of equal vectors
		if !(sum > rounding*before) {
			return fmt.Errorf("query %d is the mean of all %d, so that nothing sets it apart", p, queries)
		}
		scale := 1 / math.Sqrt(sum)
		for o, x := range row {
			row[o] = float32((float64(x) - mean[o]) * scale)
		}
	}
	return nil
}

// Pairs are the K neuron-head pairs that stand for each query.
type Pairs struct {
	K     int
	Index []int32   // [P,K], h*C+n, best first
	Score []float32 // [P,K], principal direction · text
}

// OfNeurons are all pairs of neurons, which were chosen by components of their own: Index has the
// numbers of the neurons, below the number of these.
func (p *Pairs) OfNeurons(heads, neurons int) *Pairs {
	all := &Pairs{K: p.K * heads}
	for i, n := range p.Index {
		for h := range heads {
			all.Index, all.Score = append(all.Index, int32(h*neurons)+n), append(all.Score, p.Score[i])
		}
	}
	return all
}

// A Choice compares principal directions with queries, group by group, so that
// the directions need not be in memory at once.
type Choice struct {
	text                   []float32
	queries, units, outDim int
	scores                 []float32 // [P,U]
}

// NewChoice prepares to choose among that many units for unit vectors text [P,O].
func NewChoice(text []float32, outDim, units int) *Choice {
	queries := len(text) / outDim
	return &Choice{text, queries, units, outDim, make([]float32, queries*units)}
}

// Add takes the directions [n,O] of the units from number first on.
func (c *Choice) Add(first int, directions []float32, team par.Team) {
	n := len(directions) / c.outDim
	kernel.Sgemm(1, kernel.Dense(c.text, c.queries, c.outDim), kernel.Dense(directions, n, c.outDim).T(),
		0, kernel.Strided(c.scores[first:], c.queries, n, c.units), team)
}

// Best returns the k units of largest score for each query, all of which were
// added. Of equal scores the lower number is taken. k is at least 1 and at most the
// number of units, and no score may be NaN.
func (c *Choice) Best(k int, team par.Team) *Pairs {
	if k < 1 || k > c.units {
		panic("heat: no such number of pairs")
	}
	pairs := &Pairs{K: k, Index: make([]int32, c.queries*k), Score: make([]float32, c.queries*k)}
	team.For(c.queries, func(lo, hi, _ int) {
		keys := make([]uint64, c.units)
		for p := lo; p < hi; p++ {
			scores := c.scores[p*c.units : (p+1)*c.units]
			for u, x := range scores {
				keys[u] = descending(x)<<32 | uint64(u)
			}
			slices.Sort(keys)
			for i, key := range keys[:k] {
				u := uint32(key)
				pairs.Index[p*k+i], pairs.Score[p*k+i] = int32(u), scores[u]
			}
		}
	})
	return pairs
}

// descending maps numbers to 32 bits that order the other way round.
func descending(x float32) uint64 {
	bits := math.Float32bits(x + 0) // -0 becomes 0
	if bits>>31 == 0 {
		bits |= 1 << 31
	} else {
		bits = ^bits
	}
	return uint64(^bits)
}
