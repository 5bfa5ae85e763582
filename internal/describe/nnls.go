package describe

import (
	"math"
	"slices"
)

// nnls is a non-negative least squares problem over a few words,
//
//	min |y - Σ x[j]·atom[j]|,  x >= 0
//
// with G[i,j] = atom[i]·atom[j] and b[j] = atom[j]·y, solved by active sets (Lawson
// and Hanson, Solving Least Squares Problems, 1974, chapter 23) from the solution
// without the word added last.
type nnls struct {
	gram [][]float64 // G, symmetric
	b, x []float64
}

func root(x float64) float64 { return math.Sqrt(x) }

// inverse returns 1/x, or 0 for 0.
func inverse(x float64) float64 {
	if x == 0 {
		return 0
	}
	return 1 / x
}

// add adds a word, whose products with the others and itself are column and with y
// is b, and solves. It reports false, and leaves the problem as it was, if the word is
// a combination of the others: the part of its atom that is orthogonal to them has a
// squared norm of at most float32's epsilon.
func (p *nnls) add(column []float64, b float64) bool {
	n := len(p.x)
	all := make([]int, n)
	for j := range all {
		all[j] = j
	}
	if n > 0 {
		l, ok := p.factor(all)
		if !ok {
			return false
		}
		w := forward(l, column[:n])
		left := column[n]
		for _, v := range w {
			left -= v * v
		}
		if left <= epsilon {
			return false
		}
	}
	for j := range n {
		p.gram[j] = append(p.gram[j], column[j])
	}
	p.gram = append(p.gram, slices.Clone(column))
	p.b, p.x = append(p.b, b), append(p.x, 0)
	p.solve(append(all, n))
	return true
}

// solve finds x with a set of words that may be positive to begin with.
func (p *nnls) solve(positive []int) {
	for range 3*len(p.x) + 3 { // far more than it takes
		positive = p.descend(positive)
		// Words at zero whose coefficient wants to grow.
		best, gain := -1, 1e-12*scale(p.b)
		for j := range p.x {
			if slices.Contains(positive, j) {
				continue
			}
			g := p.b[j]
			for i, x := range p.x {
				g -= p.gram[j][i] * x
			}
			if g > gain {
				best, gain = j, g
			}
		}
		if best < 0 {
			return
		}
		positive = append(positive, best)
		slices.Sort(positive)
	}
}

// scale returns the largest size of a value.
func scale(b []float64) float64 {
	most := 0.0
	for _, v := range b {
		most = max(most, math.Abs(v))
	}
	return most
}

// descend moves x to the least squares solution over a set, or as far towards it as
// no coefficient becomes negative, leaving out those that become zero, until the
// solution has none. It returns what is left of the set.
func (p *nnls) descend(positive []int) []int {
	for len(positive) > 0 {
		l, ok := p.factor(positive)
		if !ok {
			return positive
		}
		b := make([]float64, len(positive))
		for i, j := range positive {
			b[i] = p.b[j]
		}
		z := backward(l, forward(l, b))
		step, worst := 1.0, -1
		for i, j := range positive {
			if z[i] > 0 {
				continue
			}
			if s := p.x[j] / (p.x[j] - z[i]); worst < 0 || s < step {
				step, worst = s, i
			}
		}
		if worst < 0 {
			for i, j := range positive {
				p.x[j] = z[i]
			}
			return positive
		}
		if p.x[positive[worst]] == 0 {
			step = 0 // 0/0 of a coefficient that stays at zero
		}
		for i, j := range positive {
			p.x[j] += step * (z[i] - p.x[j])
		}
		p.x[positive[worst]] = 0
		positive = slices.DeleteFunc(positive, func(j int) bool {
			if p.x[j] > 0 {
				return false
			}
			p.x[j] = 0
			return true
		})
	}
	return positive
}

// drop leaves out the words of coefficient zero, and returns the rest of a list that
// is as long as the problem.
func (p *nnls) drop(words []int32) []int32 {
	for j := len(p.x) - 1; j >= 0; j-- {
		if p.x[j] > 0 {
			continue
		}
		words = slices.Delete(words, j, j+1)
		p.b, p.x, p.gram = slices.Delete(p.b, j, j+1), slices.Delete(p.x, j, j+1), slices.Delete(p.gram, j, j+1)
		for i := range p.gram {
			p.gram[i] = slices.Delete(p.gram[i], j, j+1)
		}
	}
	return words
}

// factor returns the Cholesky factor of the part of G of some words, rows of a lower
// triangle; ok is false if it is not positive definite.
func (p *nnls) factor(words []int) (l [][]float64, ok bool) {
	l = make([][]float64, len(words))
	for i, a := range words {
		row := make([]float64, i+1)
		for j := range i {
			v := p.gram[a][words[j]]
			for k, x := range row[:j] {
				v -= x * l[j][k]
			}
			row[j] = v / l[j][j]
		}
		left := p.gram[a][a]
		for _, x := range row[:i] {
			left -= x * x
		}
		if !(left > 0) {
			return nil, false
		}
		row[i] = math.Sqrt(left)
		l[i] = row
	}
	return l, true
}

// forward returns L⁻¹ b.
func forward(l [][]float64, b []float64) []float64 {
	z := make([]float64, len(l))
	for i, row := range l {
		v := b[i]
		for k, x := range row[:i] {
			v -= x * z[k]
		}
		z[i] = v / row[i]
	}
	return z
}

// backward returns L⁻ᵀ z.
func backward(l [][]float64, z []float64) []float64 {
	x := slices.Clone(z)
	for i := len(l) - 1; i >= 0; i-- {
		x[i] /= l[i][i]
		for k, v := range l[i][:i] {
			x[k] -= v * x[i]
		}
	}
	return x
}
