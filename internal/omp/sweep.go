package omp

import (
	"context"
	"math"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// sweep is the engine without a Gram matrix: each step multiplies all atoms with all
// residuals. It needs no preparation and little memory.
//
// Bound: residuals are scaled to length 1 and rounded to float32, and a float32
// sum of O products in any order, fused or not, has an error of at most about O·u
// times the product of the norms (u = 2⁻²⁴).
type sweep struct {
	d         *Dictionary
	residuals []float32 // [Dims, signals]
	areas     []sweepArea
}

// The block is wide enough that Sgemm's packing of the atoms costs little compared
// with multiplying them. The products of one call (4 MB) stay in the last-level cache
// until they are scanned.
const (
	sweepSignals = 1008
	sweepWords   = 1008
)

// sweepDirect is the number of signals up to which multiplying them one by one in plain
// Go is faster than packing the atoms: with 30,000 words of 768 dimensions, packing
// takes 48 ms, and each signal 14 ms.
const sweepDirect = 3

// sweepArea is one worker's scratch memory.
type sweepArea struct {
	correlations []float32 // [sweepWords, signals]
	least        []float32 // least of each signal's mark
}

func newSweep(d *Dictionary, team par.Team) *sweep {
	return &sweep{d: d, areas: make([]sweepArea, team.Size())}
}

func (e *sweep) begin(context.Context, *block) error { return nil }

func (e *sweep) screen(b *block) {
	O, n := e.d.Dims, len(b.running)
	margin := float64(O+16) * unit * 1.01
	if n <= sweepDirect {
		e.screenFew(b, margin)
		return
	}
	e.residuals = grow(e.residuals, O*n)
	b.team.For(n, func(lo, hi, _ int) {
		for k := lo; k < hi; k++ {
			p := &b.pursuits[b.running[k]]
			f := 1 / p.length
			for o, v := range p.rest {
				e.residuals[o*n+k] = float32(v * f)
			}
		}
	})
	b.team.For(e.d.Words, func(lo, hi, worker int) {
		area, marks := &e.areas[worker], b.marks[worker]
		area.correlations = grow(area.correlations, sweepWords*n)
		area.least = grow(area.least, n)
		for k, i := range b.running {
			marks[i].reset(math.Sqrt(epsilon)*e.d.scale/b.pursuits[i].length, margin)
			area.least[k] = marks[i].least
		}
		for first := lo; first < hi; first += sweepWords {
			words := min(sweepWords, hi-first)
			kernel.Sgemm(float32(e.d.scale), kernel.Dense(e.d.atoms[first*O:], words, O), kernel.Dense(e.residuals, O, n),
				0, kernel.Dense(area.correlations, words, n), par.Team{})
			for w := range words {
				margin := float32(margin) * e.d.norms[first+w]
				least := area.least[:n]
				for k, c := range area.correlations[w*n:][:n] {
					if c+margin >= least[k] || margin-c >= least[k] {
						m := &marks[b.running[k]]
						c = max(c, -c)
						m.add(first+w, c-margin, c+margin)
						least[k] = m.least
					}
				}
			}
		}
	})
}

// screenFew is screen without Sgemm, in float64.
func (e *sweep) screenFew(b *block, margin float64) {
	b.team.For(e.d.Words, func(lo, hi, worker int) {
		const group = 32
		var products [group]float64
		var words [group]int32
		for _, i := range b.running {
			p, m := &b.pursuits[i], &b.marks[worker][i]
			f := e.d.scale / p.length
			m.reset(math.Sqrt(epsilon)*f, margin)
			for first := lo; first < hi; first += group {
				n := min(group, hi-first)
				for k := range n {
					words[k] = int32(first + k)
				}
				e.d.products(products[:n], words[:], p.rest)
				for k, c := range products[:n] {
					c, margin := float32(math.Abs(c)*f), m.margin*e.d.norms[first+k]
					if c+margin >= m.least {
						m.add(first+k, c-margin, c+margin)
					}
				}
			}
		}
	})
}

// grow returns buf with at least n elements.
func grow[T any](buf []T, n int) []T {
	if len(buf) < n {
		return make([]T, n)
	}
	return buf
}
