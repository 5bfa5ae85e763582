package omp

import (
	"context"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// gram is the engine with a Gram matrix G of the atoms. The correlations of a
// residual follow from those of the signal and G's rows for the support:
//
//	correlations = X y - G[:, support]·coefficients
//
// This takes K/2 multiply-adds per word and step on average, where sweep takes O. But
// it adds up scattered rows, so memory access decides the speed. G is therefore split
// into panels of panelWidth words, [panel][atom][panelWidth]. A step handles one panel
// after the other. It reads each panel once, in the order of the atoms, and adds each
// atom's row to the sums of all signals whose code has the atom; the sums stay in the
// second-level cache. G holds the atoms' cosines in 16 bits, which halves both the
// memory and the reads; norms are applied when correlations are compared.
//
// Measured with 30,000 words, 768 dimensions and 64 atoms on two cores with AVX-512:
// 7 ms per signal, where sweep takes 30 ms (its products, in Sgemm, run at 100 GFLOP/s
// per core). Alternatives that were slower: G in float32, 1.3 to 2 times the time for
// the sums; the rows of one signal's support at a time, 3 times, because each row is
// read from memory again.
//
// Bound: with signals and atoms scaled to length 1, an element of X y has an error of
// at most about O·u (u = 2⁻²⁴); with a basis, whose product with the atoms is rounded
// first, (O+D)·u times the signal's spread. An element of G has an error of O·u plus
// its rounding to a multiple of gramUnit, times the coefficients. Summation, in any
// order, fused or not, adds (K+2)·u times the sum of the sizes of all terms.
type gram struct {
	d      *Dictionary
	funcs  panelFuncs
	units  []float32 // atoms of length 1 or 0, [Words, Dims]; made by the first begin
	norms  []float32 // the dictionary's, padded with zeros to a full panel
	panels [][]int16 // multiples of gramUnit, each [Words, panelWidth]; made by the first begin

	left     []float32 // the block's signals, scaled to length 1, or their coordinates
	products []float32 // X y of the block, [panels, signals, panelWidth]
	pairs    []pair    // the codes so far, by atom, followed by pairsAhead zero pairs
	starts   []int32   // offsets of each atom's pairs, [Words+1]
	areas    []gramArea
}

// gramUnit is the unit of the 16-bit numbers. Cosines are at most 1; there is a
// little room for their errors.
const gramUnit = 1.0 / 32700

// gramSignals is the largest block. With fewer signals, reading the matrix takes a
// larger share of the time. With more, the sums of a panel do not fit into a
// second-level cache of 1 MB. Between 4096 and 8192 there is little difference.
const gramSignals = 6144

// gramLimit is the size of the largest Gram matrix in bytes: 46,000 words.
const gramLimit = 4 << 30

// gramArea is one worker's scratch memory.
type gramArea struct {
	part   []float32 // part of a product, [partRows, partColumns]
	sums   []float32 // [signals, panelWidth]
	limits []limit
	found  []int32
}

func newGram(d *Dictionary, team par.Team) *gram {
	e := &gram{d: d, funcs: panels(), starts: make([]int32, d.Words+1), areas: make([]gramArea, team.Size())}
	e.norms = make([]float32, panelCount(d.Words)*panelWidth)
	copy(e.norms, d.norms)
	return e
}

// panelCount returns the number of panels for a number of words.
func panelCount(words int) int { return (words + panelWidth - 1) / panelWidth }

// The part of a matrix that one call of Sgemm computes.
const (
	partColumns = 48 * panelWidth
	partRows    = 2016
)

// multiply computes left·rightᵀ, for left [n, depth] and right [words, depth], and
// passes its rows to keep, split into panels: row i's elements for the words of panel
// p. The last panel may have fewer.
func (e *gram) multiply(ctx context.Context, team par.Team, n, depth int, left, right []float32, keep func(i, p int, row []float32)) error {
	words := e.d.Words
	team.For((words+partColumns-1)/partColumns, func(lo, hi, worker int) {
		area := &e.areas[worker]
		area.part = grow(area.part, min(partRows, n)*min(partColumns, words))
		part := area.part
		for first := lo * partColumns; first < min(hi*partColumns, words); first += partColumns {
			columns := min(partColumns, words-first)
			for row := 0; row < n && ctx.Err() == nil; row += partRows {
				rows := min(partRows, n-row)
				kernel.Sgemm(1, kernel.Dense(left[row*depth:], rows, depth), kernel.Dense(right[first*depth:], columns, depth).T(),
					0, kernel.Dense(part, rows, columns), par.Team{})
				for r := range rows {
					for p := range panelCount(columns) {
						keep(row+r, first/panelWidth+p, part[r*columns:][p*panelWidth:min(columns, (p+1)*panelWidth)])
					}
				}
			}
		}
	})
	return ctx.Err()
}

// build computes the Gram matrix.
func (e *gram) build(ctx context.Context, team par.Team) error {
	e.units = make([]float32, len(e.d.atoms))
	team.For(e.d.Words, func(lo, hi, _ int) {
		for w := lo; w < hi; w++ {
			f, unit := inverseRoot(e.d.squares[w]), e.units[w*e.d.Dims:]
			for o, x := range e.d.atom(w) {
				unit[o] = float32(float64(x) * f)
			}
		}
	})
	made := make([][]int16, panelCount(e.d.Words))
	for p := range made {
		made[p] = make([]int16, e.d.Words*panelWidth)
	}
	err := e.multiply(ctx, team, e.d.Words, e.d.Dims, e.units, e.units, func(i, p int, row []float32) {
		to := made[p][i*panelWidth:]
		for j, v := range row {
			to[j] = int16(int32(v*(1/gramUnit)+32768.5) - 32768) // rounds, since the converted value is positive
		}
	})
	if err == nil {
		e.panels = made
	}
	return err
}

// begin computes X y of a block, and first the Gram matrix if it does not exist yet.
func (e *gram) begin(ctx context.Context, b *block) error {
	if e.panels == nil {
		if err := e.build(ctx, b.team); err != nil {
			return err
		}
	}
	n := len(b.pursuits)
	e.products = grow(e.products, len(e.panels)*n*panelWidth)
	right, depth := e.factor(b)
	if right == nil {
		right, depth = e.units, e.d.Dims
		e.left = grow(e.left, n*depth)
		for _, i := range b.running {
			p := &b.pursuits[i]
			p.spread = 1
			for o, v := range p.signal {
				e.left[i*depth+o] = float32(v / p.norm)
			}
		}
	}
	return e.multiply(ctx, b.team, n, depth, e.left, right, func(i, p int, row []float32) {
		copy(e.products[(p*n+i)*panelWidth:], row)
	})
}

// maxSpread is the largest spread for which coordinates are used. Beyond it, terms
// cancel so much that screening would exclude few atoms.
const maxSpread = 1000

// factor writes the coordinates of a block's signals to left and returns the products
// of the atoms with the basis, [Words, depth]. It returns nil if there is no basis or
// coordinates cannot be used.
func (e *gram) factor(b *block) (right []float32, depth int) {
	s, O := b.signals, e.d.Dims
	if s.Basis == nil || s.Rank >= O {
		return nil, 0
	}
	norms := s.basisNorms(O)
	for _, norm := range norms {
		if norm != 0 && math.Abs(math.Log2(norm)) > maxExponent {
			return nil, 0
		}
	}
	depth = s.Rank
	e.left = grow(e.left, len(b.pursuits)*depth)
	for _, i := range b.running {
		p := &b.pursuits[i]
		p.spread = 0
		for j, v := range s.row(b.first+i, depth) {
			e.left[i*depth+j] = float32(float64(v) / p.norm)
			p.spread += math.Abs(float64(v)) * norms[j] / p.norm
		}
		if p.spread > maxSpread {
			return nil, 0
		}
	}
	right = make([]float32, e.d.Words*depth)
	kernel.Sgemm(1, kernel.Dense(e.units, e.d.Words, O), kernel.Strided(s.Basis, O, depth, s.BasisStride),
		0, kernel.Dense(right, e.d.Words, depth), b.team)
	return right, depth
}

func (e *gram) screen(b *block) {
	n := len(b.pursuits)
	e.list(b)
	b.team.For(len(e.panels), func(lo, hi, worker int) {
		area, marks := &e.areas[worker], b.marks[worker]
		area.sums = grow(area.sums, n*panelWidth)
		area.limits, area.found = grow(area.limits, n), grow(area.found, n)
		for i := range n {
			area.limits[i] = limit{least: float32(math.Inf(1))} // unchanged for pursuits that have ended
		}
		for _, i := range b.running {
			p := &b.pursuits[i]
			marks[i].reset(math.Sqrt(epsilon)*e.d.scale/p.norm, e.margin(b, p))
			area.limits[i] = limit{marks[i].margin, marks[i].least}
		}
		for panel := lo; panel < hi; panel++ {
			first := panel * panelWidth
			norms := e.norms[first:][:panelWidth]
			copy(area.sums, e.products[panel*n*panelWidth:][:n*panelWidth])
			e.funcs.accumulate(&area.sums[0], &e.panels[panel][0], &e.pairs[0], len(e.pairs)-pairsAhead)
			found := e.funcs.hits(&area.found[0], &area.sums[0], &norms[0], &area.limits[0], n)
			for _, i := range area.found[:found] {
				m := &marks[i]
				for k, c := range area.sums[int(i)*panelWidth:][:panelWidth] {
					c = max(c, -c)
					if upper := (c + m.margin) * norms[k]; upper >= m.least {
						m.add(first+k, (c-m.margin)*norms[k], upper)
					}
				}
				area.limits[i].least = m.least
			}
		}
	})
}

// margin returns the bound on the error of a pursuit's correlations, in units of the
// product of the signal's and the atom's norms.
func (e *gram) margin(b *block, p *pursuit) float64 {
	terms := float64(e.d.Dims+b.signals.Rank+len(p.support)+24) * unit * 1.01
	sum := 0.0
	for k, word := range p.support[:p.size] {
		sum += math.Abs(p.coefs[k]) * math.Sqrt(e.d.squares[word])
	}
	return terms*p.spread + (terms+0.51*gramUnit)*sum/p.norm
}

// list writes the pairs of the running pursuits, in the order of the atoms.
func (e *gram) list(b *block) {
	clear(e.starts)
	total := 0
	for _, i := range b.running {
		p := &b.pursuits[i]
		total += p.size
		for _, word := range p.support[:p.size] {
			e.starts[word+1]++
		}
	}
	for w := range e.d.Words {
		e.starts[w+1] += e.starts[w]
	}
	e.pairs = slices.Grow(e.pairs[:0], total+pairsAhead)[:total+pairsAhead]
	clear(e.pairs[total:])
	for _, i := range b.running {
		p := &b.pursuits[i]
		f := gramUnit / p.norm
		for k, word := range p.support[:p.size] {
			c := p.coefs[k] * math.Sqrt(e.d.squares[word]) * f
			e.pairs[e.starts[word]] = pair{uint32(word) * panelBytes, uint32(i) * sumsBytes, float32(c)}
			e.starts[word]++
		}
	}
}
