package report

import (
	"context"
	"math"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/report"
)

// newNeighbours makes room for what findNeighbours finds.
func (b *builder) newNeighbours() {
	each := min(report.Neighbours, b.pairs())
	b.byDirection, b.byScores = newNear(b.pairs(), each), newNear(b.pairs(), each)
}

func (b *builder) neighbourValues() []any {
	return []any{&b.byDirection.units, &b.byDirection.values, &b.byScores.units, &b.byScores.values}
}

// findNeighbours finds the pairs whose directions, and those whose scores, are most alike.
func (b *builder) findNeighbours(ctx context.Context) error {
	team := b.team()
	each := min(report.Neighbours, b.pairs())
	b.byDirection = b.nearestDirections(team).first(each)
	if err := ctx.Err(); err != nil {
		return err
	}
	b.sketch.centre(b.pairsOf, team)
	found := nearest(b.sketch.rows, b.sketch.dims, candidates(b.pairs(), b.scores.Images), team)
	exact := b.sketch.exact
	b.sketch = nil
	if !exact {
		if err := b.correlate(ctx, found); err != nil {
			return err
		}
	}
	b.byScores = found.first(each)
	return nil
}

// first keeps the first of each unit's.
func (n *near) first(each int) *near {
	kept := newNear(len(n.units)/n.each, min(each, n.each))
	for u := range len(n.units) / n.each {
		units, values := n.of(u)
		for i := range kept.each {
			if units[i] >= 0 {
				kept.put(u, units[i], values[i])
			}
		}
	}
	return kept
}

// nearestDirections returns, for each pair, those of largest cosine of v.
func (b *builder) nearestDirections(team par.Team) *near {
	ov, U := b.scores.OV, b.pairs()
	C, O, D, inner := ov.Neurons, ov.OutDim, ov.Width, ov.Inner()
	P := dimensions(U, O)
	rows := make([]float32, U*P)
	projected := ov.Out // W_O, or its projection, [P,H,D]
	if P < O {
		random := make([]float32, P*O)
		for p := range P {
			signs(random[p*O:(p+1)*O], b.Seed, uint64(p)<<32)
		}
		projected = make([]float32, P*inner)
		kernel.Sgemm(1, kernel.Dense(random, P, O), kernel.Dense(ov.Out, O, inner), 0, kernel.Dense(projected, P, inner), team)
	}
	for h := range ov.Heads {
		kernel.Sgemm(1, kernel.Dense(ov.Value[h*D*C:], D, C).T(), kernel.Strided(projected[h*D:], P, D, inner).T(), 0, kernel.Dense(rows[h*C*P:], C, P), team)
	}
	team.For(U, func(lo, hi, _ int) {
		for u := lo; u < hi; u++ {
			normalize(rows[u*P : (u+1)*P])
		}
	})
	if P == O {
		return nearest(rows, P, min(report.Neighbours, U), team)
	}
	found := nearest(rows, P, min(mostCandidates, U), team)
	b.cosines(found, team)
	return found
}

// cosines replaces estimates of the cosines of directions by exact ones,
//
//	v[h,n]·v[g,m] = W_V^h[:,n]ᵀ (W_O^hᵀ W_O^g) W_V^g[:,m]
//
// and puts the units in their order.
func (b *builder) cosines(found *near, team par.Team) {
	ov := b.scores.OV
	C, O, D, inner := ov.Neurons, ov.OutDim, ov.Width, ov.Inner()
	gram := make([]float32, inner*inner)
	kernel.Sgemm(1, kernel.Dense(ov.Out, O, inner).T(), kernel.Dense(ov.Out, O, inner), 0, kernel.Dense(gram, inner, inner), team)
	column := func(dst []float64, u int) {
		for d := range dst {
			dst[d] = float64(ov.Value[(u/C*D+d)*C+u%C])
		}
	}
	team.For(b.pairs(), func(lo, hi, _ int) {
		own, other := make([]float64, D), make([]float64, D)
		through, known := make([]float64, inner), make([]int, ov.Heads) // (W_O^gᵀ W_O^h) W_V^h[:,n], and for which u
		for u := lo; u < hi; u++ {
			column(own, u)
			found.again(u, func(q int) float32 {
				g := q / C
				t := through[g*D : (g+1)*D]
				if known[g] != u+1 {
					known[g] = u + 1
					for d := range t {
						t[d] = 0
						for e, w := range gram[(g*D+d)*inner+u/C*D:][:D] {
							t[d] += float64(w) * own[e]
						}
					}
				}
				column(other, q)
				sum := 0.0
				for d, x := range other {
					sum += x * t[d]
				}
				return float32(sum / math.Sqrt(float64(b.pairsOf.square[u])*float64(b.pairsOf.square[q])))
			})
		}
	})
}

// again replaces the values of the nearest of u, and puts them in their order.
func (n *near) again(u int, value func(other int) float32) {
	units, values := n.of(u)
	old := append([]int32(nil), units...)
	for i := range units {
		units[i], values[i] = report.None, 0
	}
	for _, q := range old {
		if q >= 0 {
			n.put(u, q, value(int(q)))
		}
	}
}

// correlate replaces estimates of the correlations of scores by exact ones, for which
// all scores are read.
func (b *builder) correlate(ctx context.Context, found *near) error {
	U, B, c, team := b.pairs(), b.scores.Images, b.pairsOf, b.team()
	sums := make([]float64, len(found.units))
	centred := make([]float32, U*min(rowImages, B)) // [U,n]
	err := b.eachRows(ctx, "report: neighbours", b.say, func(_, n int, scores []float32) error {
		kernel.Transpose(centred[:U*n], scores, n, U)
		team.For(U, func(lo, hi, _ int) {
			for u := lo; u < hi; u++ {
				row, mean := centred[u*n:(u+1)*n], float32(c.value[u].Mean)
				for i := range row {
					row[i] -= mean
				}
			}
		})
		team.For(U, func(lo, hi, _ int) {
			for u := lo; u < hi; u++ {
				own := centred[u*n : (u+1)*n]
				for i, q := range found.units[u*found.each : (u+1)*found.each] {
					if q >= 0 {
						sums[u*found.each+i] += float64(product(own, centred[int(q)*n:(int(q)+1)*n]))
					}
				}
			}
		})
		return nil
	})
	if err != nil {
		return err
	}
	for u := range U {
		at := map[int]float64{}
		units, _ := found.of(u)
		for i, q := range units {
			at[int(q)] = sums[u*found.each+i]
		}
		found.again(u, func(q int) float32 {
			return float32(at[q] / (float64(B) * c.value[u].Deviation * c.value[q].Deviation))
		})
	}
	return nil
}

// product is the scalar product in four chains.
func product(x, y []float32) float32 {
	var a, b, c, d float32
	y = y[:len(x)]
	i := 0
	for ; i+4 <= len(x); i += 4 {
		a += x[i] * y[i]
		b += x[i+1] * y[i+1]
		c += x[i+2] * y[i+2]
		d += x[i+3] * y[i+3]
	}
	for ; i < len(x); i++ {
		a += x[i] * y[i]
	}
	return a + b + (c + d)
}
