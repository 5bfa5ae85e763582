package describe

import (
	"context"
	"slices"

	"github.com/clipnh/clipnh/internal/omp"
)

// span is the state of TextSpan for one unit.
type span struct {
	row   []float32
	rows  [][]float64 // what is left of the factor, R vectors of O dimensions
	basis [][]float64 // orthonormal, of the words' span
	words []int32
	ended bool
	stop  omp.Stop
}

// textSpan codes directions [n,O], whose units' contributions have factors [n,R,O],
// by the words that explain most of their variance, and stores them from code first
// on. A code ends early as Weak where the best word explains less than float32's
// epsilon of the variance that there was, and as Dependent where it is a combination
// of those taken.
func (c *Coder) textSpan(ctx context.Context, codes *omp.Codes, first int, rows, factors []float32, R int, step func(done int)) error {
	O, n := c.dims, len(rows)/c.dims
	if len(factors) != n*R*O {
		panic("describe: factors are not [n,R,O]")
	}
	spans := make([]span, n)
	var running []int
	for i := range spans {
		s := &spans[i]
		s.row = rows[i*O:][:O]
		total := 0.0
		for r := range R {
			f := factors[(i*R+r)*O:][:O]
			total += dot(f, f)
			wide := make([]float64, O)
			for o, x := range f {
				wide[o] = float64(x)
			}
			s.rows = append(s.rows, wide)
		}
		scale := inverse(root(total))
		for _, wide := range s.rows {
			for o := range wide {
				wide[o] *= scale
			}
		}
		if s.ended = total == 0; s.ended {
			s.stop = omp.Weak
			continue
		}
		running = append(running, i)
	}
	left := make([]float32, n*R*O)
	for round := 1; len(running) > 0; round++ {
		for at, i := range running {
			for r, wide := range spans[i].rows {
				for o, x := range wide {
					left[(at*R+r)*O+o] = float32(x)
				}
			}
		}
		c.search.multiply(left, len(running)*R)
		if err := ctx.Err(); err != nil {
			return err
		}
		c.team.For(len(running), func(lo, hi, _ int) {
			explained := make([]float32, c.words)
			var words []int32
			for at := lo; at < hi; at++ {
				clear(explained)
				for r := range R {
					for w, x := range c.search.row(at*R + r) {
						explained[w] += x * x
					}
				}
				// A square of a product of size at most |atom| has twice its error, and a
				// sum of R of them R roundings.
				margin := 2.1 * (2*c.search.margin() + float64(R+2)*c.search.longest/(1<<24)) * c.search.longest * root(float64(R))
				words = atLeast(words[:0], explained, float64(slices.Max(explained))-margin)
				c.extendSpan(&spans[running[at]], words)
			}
		})
		running = slices.DeleteFunc(running, func(i int) bool { return spans[i].ended })
		step(round)
	}
	c.team.For(n, func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			s := &spans[i]
			coefficients, residual := c.leastSquares(s.row, s.words, s.basis)
			set(codes, first+i, s.words, coefficients, residual, s.stop)
		}
	})
	return nil
}

// extendSpan takes the candidate that explains most, or ends.
func (c *Coder) extendSpan(s *span, candidates []int32) {
	best, most := int32(-1), 0.0
	for _, w := range candidates {
		explained := 0.0
		for _, row := range s.rows {
			p := dot(c.atom(int(w)), row)
			explained += p * p
		}
		if best < 0 || explained > most {
			best, most = w, explained
		}
	}
	if most < epsilon {
		s.ended, s.stop = true, omp.Weak
		return
	}
	q := c.orthogonal(best, s.basis)
	if q == nil {
		s.ended, s.stop = true, omp.Dependent
		return
	}
	for _, row := range s.rows {
		project(row, q)
	}
	s.basis, s.words = append(s.basis, q), append(s.words, best)
	if len(s.words) == c.most {
		s.ended, s.stop = true, omp.Full
	}
}

// leastSquares returns the coefficients of the least squares fit of a direction by
// words, and the norm of what they leave. basis is the words' own, orthogonalised in
// their order, so that atom j is a combination of the first j+1.
func (c *Coder) leastSquares(row []float32, words []int32, basis [][]float64) ([]float64, float64) {
	n := len(words)
	rest := make([]float64, c.dims)
	for o, x := range row {
		rest[o] = float64(x)
	}
	z, l := make([]float64, n), make([][]float64, n)
	for j, q := range basis {
		z[j] = dot(row, q)
		project(rest, q)
		l[j] = make([]float64, j+1) // atom j = Σ_k l[j,k]·basis k
		for k := range j + 1 {
			l[j][k] = dot(c.atom(int(words[j])), basis[k])
		}
	}
	return backward(l, z), length(rest)
}
