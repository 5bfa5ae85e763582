package describe

import (
	"context"
	"slices"

	"github.com/clipnh/clipnh/internal/omp"
)

// fit is the non-negative pursuit of one direction.
type fit struct {
	row    []float32 // y
	rest   []float64 // y - Σ coefs·atoms
	norm   float64   // |rest|
	nnls   nnls      // of the support: its Gram matrix, its products with y, and coefs
	words  []int32   // the support, in the order chosen
	ended  bool
	stop   omp.Stop
	rounds int
}

// maxRounds bounds the steps of a pursuit, of which some may only exchange words.
const maxRounds = 4

// nonNegative codes directions [n,O] by matching pursuit without negative
// coefficients, and stores them from code first on. A code ends early as Weak where
// no word's correlation with the residual is positive and its square at least
// float32's epsilon, as Dependent where the best word is a combination of those
// taken, and as Repeated after maxRounds·K exchanges.
func (c *Coder) nonNegative(ctx context.Context, codes *omp.Codes, first int, rows []float32, step func(done int)) error {
	O, n := c.dims, len(rows)/c.dims
	fits := make([]fit, n)
	running := make([]int, n)
	for i := range fits {
		f := &fits[i]
		f.row, f.rest = rows[i*O:][:O], make([]float64, O)
		for o, x := range f.row {
			f.rest[o] = float64(x)
		}
		f.norm = length(f.rest)
		running[i] = i
	}
	residuals := make([]float32, len(rows))
	for round := 1; len(running) > 0; round++ {
		for at, i := range running {
			scaleTo(residuals[at*O:][:O], fits[i].rest)
		}
		c.search.multiply(residuals, len(running))
		if err := ctx.Err(); err != nil {
			return err
		}
		c.team.For(len(running), func(lo, hi, _ int) {
			var words []int32
			for at := lo; at < hi; at++ {
				products := c.search.row(at)
				words = atLeast(words[:0], products, float64(slices.Max(products))-2.1*c.search.margin())
				c.extend(&fits[running[at]], words)
			}
		})
		running = slices.DeleteFunc(running, func(i int) bool { return fits[i].ended })
		step(round)
	}
	for i := range fits {
		f := &fits[i]
		set(codes, first+i, f.words, f.nnls.x, f.norm, f.stop)
	}
	return nil
}

// extend takes one step, with the best of the candidates, or ends the pursuit.
func (c *Coder) extend(f *fit, candidates []int32) {
	best, value := int32(-1), 0.0
	for _, w := range candidates {
		if v := dot(c.atom(int(w)), f.rest); best < 0 || v > value {
			best, value = w, v
		}
	}
	f.rounds++
	switch {
	case value <= 0 || value*value < epsilon:
		f.ended, f.stop = true, omp.Weak
		return
	case slices.Contains(f.words, best) || f.rounds > maxRounds*c.most:
		f.ended, f.stop = true, omp.Repeated
		return
	}
	column := make([]float64, len(f.words)+1)
	for j, w := range f.words {
		column[j] = dot(c.atom(int(w)), c.atom(int(best)))
	}
	column[len(f.words)] = dot(c.atom(int(best)), c.atom(int(best)))
	if !f.nnls.add(column, dot(c.atom(int(best)), f.row)) {
		f.ended, f.stop = true, omp.Dependent
		return
	}
	f.words = append(f.words, best)
	f.words = f.nnls.drop(f.words)
	for o, x := range f.row {
		f.rest[o] = float64(x)
	}
	for j, w := range f.words {
		for o, x := range c.atom(int(w)) {
			f.rest[o] -= f.nnls.x[j] * float64(x)
		}
	}
	f.norm = length(f.rest)
	if len(f.words) == c.most {
		f.ended, f.stop = true, omp.Full
	}
}
