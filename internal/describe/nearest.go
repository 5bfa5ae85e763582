package describe

import (
	"cmp"
	"context"
	"slices"

	"github.com/clipnh/clipnh/internal/omp"
)

// near is a word and the cosine of its atom with a direction.
type near struct {
	word   int32
	cosine float64
}

// nearest codes directions [n,O] by the words of largest positive cosine, and stores
// them from code first on. Fewer positive ones than K end a code as Weak.
func (c *Coder) nearest(ctx context.Context, codes *omp.Codes, first int, rows []float32) error {
	O, n := c.dims, len(rows)/c.dims
	units := make([]float32, len(rows)) // of length 1
	norms := make([]float64, n)
	for i := range n {
		norms[i] = scaleTo(units[i*O:][:O], rows[i*O:][:O])
	}
	c.search.multiply(units, n)
	if err := ctx.Err(); err != nil {
		return err
	}
	c.team.For(n, func(lo, hi, _ int) {
		var heap []float32
		var words []int32
		var found []near
		wide, basis := make([]float64, O), make([][]float64, 0, c.most)
		for i := lo; i < hi; i++ {
			if norms[i] == 0 {
				set(codes, first+i, nil, nil, 0, omp.Weak)
				continue
			}
			cosines := c.search.row(i)
			for w := range cosines {
				cosines[w] = float32(float64(cosines[w]) * inverse(c.norms[w]))
			}
			var bound float32
			bound, heap = largest(cosines, c.most, heap)
			// An atom's own error is relative to its norm, so that the bound is that of
			// atoms of norm 1; and two values may be wrong.
			margin := 2.1 * c.search.margin() * inverse(c.search.longest)
			words = atLeast(words[:0], cosines, max(float64(bound)-margin, -margin))
			found = found[:0]
			for _, w := range words {
				cosine := dot(c.atom(int(w)), rows[i*O:][:O]) * inverse(c.norms[w]) / norms[i]
				if cosine > 0 {
					found = append(found, near{w, cosine})
				}
			}
			slices.SortFunc(found, func(a, b near) int { return cmp.Or(cmp.Compare(b.cosine, a.cosine), cmp.Compare(a.word, b.word)) })
			found = found[:min(len(found), c.most)]
			support, coefficients := make([]int32, len(found)), make([]float64, len(found))
			for j, f := range found {
				support[j], coefficients[j] = f.word, f.cosine
			}
			stop := omp.Full
			if len(found) < c.most {
				stop = omp.Weak
			}
			set(codes, first+i, support, coefficients, c.left(rows[i*O:][:O], support, wide, basis), stop)
		}
	})
	return nil
}

// left returns the norm of what the span of some words leaves of a direction. wide
// and basis are scratch memory.
func (c *Coder) left(row []float32, support []int32, wide []float64, basis [][]float64) float64 {
	for o, x := range row {
		wide[o] = float64(x)
	}
	basis = basis[:0]
	for _, w := range support {
		if q := c.orthogonal(w, basis); q != nil {
			project(wide, q)
			basis = append(basis, q)
		}
	}
	return length(wide)
}

// orthogonal returns the part of a word's atom that is orthogonal to a basis of unit
// vectors, of length 1; nil if there is next to none.
func (c *Coder) orthogonal(word int32, basis [][]float64) []float64 {
	q := make([]float64, c.dims)
	for o, x := range c.atom(int(word)) {
		q[o] = float64(x)
	}
	for range 2 { // the second time for what rounding left
		for _, b := range basis {
			project(q, b)
		}
	}
	norm := length(q)
	if norm*norm <= epsilon {
		return nil
	}
	for o := range q {
		q[o] /= norm
	}
	return q
}

// project subtracts from x its part along the unit vector q.
func project(x, q []float64) {
	sum := 0.0
	for o, v := range q {
		sum += v * x[o]
	}
	for o, v := range q {
		x[o] -= sum * v
	}
}

// scaleTo writes x to dst with length 1 and returns its norm; zero stays zero.
func scaleTo[T float32 | float64](dst []float32, x []T) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	norm := root(sum)
	f := inverse(norm)
	for o, v := range x {
		dst[o] = float32(float64(v) * f)
	}
	return norm
}
