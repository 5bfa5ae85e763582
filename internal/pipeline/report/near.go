package report

import (
	"context"
	"errors"
	"math"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/ui"
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
	const block = 512
	through := make([]float32, block*inner) // (W_O^gᵀ W_O^h) W_V^h[:,n] of all heads g, [n,H,D]
	for h := range ov.Heads {
		for first := 0; first < C; first += block {
			count := min(block, C-first)
			kernel.Sgemm(1, kernel.Strided(ov.Value[h*D*C+first:], D, count, C).T(), kernel.Dense(gram[h*D*inner:], D, inner), 0, kernel.Dense(through, count, inner), team)
			team.For(count, func(lo, hi, _ int) {
				value := make([]float32, D)
				for i := lo; i < hi; i++ {
					u := h*C + first + i
					found.again(u, func(q int) float32 {
						ov.ValueOf(value, q)
						product := dot(through[i*inner+q/C*D:][:D], value)
						return float32(product / math.Sqrt(float64(b.pairsOf.square[u])*float64(b.pairsOf.square[q])))
					})
				}
			})
		}
	}
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

// correlationImages is on how many images correlations are measured, at most: every k-th of
// more. They are off by some 0.01 then, and files have them in steps of that size.
const correlationImages = 8192

// correlate replaces estimates of the correlations of scores by measured ones, for which
// the scores of some images are read.
func (b *builder) correlate(ctx context.Context, found *near) error {
	U, B, c, team := b.pairs(), b.scores.Images, b.pairsOf, b.team()
	step := (B + correlationImages - 1) / correlationImages
	sums, squares := make([]float64, len(found.units)), make([]float64, U)
	n := min(artefact.RowImages, B)
	scores, centred := make([]float32, n*U), make([]float32, U*n) // [n,U], [U,n]
	progress := b.say.Progress()
	progress.Start(int64((B+step-1)/step), ui.Images, "report: neighbours")
	defer progress.Done()
	for first := 0; first < B; first += n * step {
		if err := ctx.Err(); err != nil {
			return err
		}
		count := min(n, (B-first+step-1)/step)
		failed := make([]error, team.Size())
		team.For(count, func(lo, hi, w int) {
			for i := lo; i < hi && failed[w] == nil; i++ {
				failed[w] = b.scores.Read(scores[i*U:(i+1)*U], first+i*step)
			}
		})
		if err := errors.Join(failed...); err != nil {
			return err
		}
		team.For(U, func(lo, hi, _ int) {
			kernel.TransposePart(centred[lo*count:], scores[lo:], count, U, count, hi-lo)
			for u := lo; u < hi; u++ {
				row, mean := centred[u*count:(u+1)*count], float32(c.value[u].Mean)
				for i := range row {
					row[i] -= mean
				}
				squares[u] += float64(kernel.Dot(row, row))
			}
		})
		team.For(U, func(lo, hi, _ int) {
			for u := lo; u < hi; u++ {
				own := centred[u*count : (u+1)*count]
				for i, q := range found.units[u*found.each : (u+1)*found.each] {
					if q >= 0 {
						sums[u*found.each+i] += float64(kernel.Dot(own, centred[int(q)*count:(int(q)+1)*count]))
					}
				}
			}
		})
		progress.Add(int64(count))
	}
	for u := range U {
		at := map[int]float64{}
		units, _ := found.of(u)
		for i, q := range units {
			at[int(q)] = sums[u*found.each+i]
		}
		found.again(u, func(q int) float32 {
			size := math.Sqrt(squares[u] * squares[q])
			if size == 0 { // constant on these images
				return 0
			}
			return float32(at[q] / size)
		})
	}
	return nil
}

// nearestImages returns, for each image, those of largest cosine of features. Of many, the
// nearest of projections are compared.
func (b *builder) nearestImages(units []float32, each int) *near {
	B, O, team := b.scores.Images, b.scores.OV.OutDim, b.team()
	P := dimensions(B, O)
	if P == O {
		return nearest(units, O, each, team)
	}
	random := make([]float32, P*O)
	for p := range P {
		signs(random[p*O:(p+1)*O], b.Seed, uint64(p)<<32|1)
	}
	rows := make([]float32, B*P)
	kernel.Sgemm(1, kernel.Dense(units, B, O), kernel.Dense(random, P, O).T(), 0, kernel.Dense(rows, B, P), team)
	team.For(B, func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			normalize(rows[i*P : (i+1)*P])
		}
	})
	found := nearest(rows, P, min(mostCandidates, B), team)
	team.For(B, func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			found.again(i, func(q int) float32 { return float32(dot(units[i*O:(i+1)*O], units[q*O:(q+1)*O])) })
		}
	})
	return found.first(each)
}
