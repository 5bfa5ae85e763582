package decomp

import (
	"math"

	"github.com/clipnh/clipnh/internal/par"
)

// NeuronNorms computes the norms of one neuron's contributions, per pair and
// summed over heads, without forming the contributions: all are quadratic forms
// of its H scores. Contributions are not centred and include bias shares:
//
//	|r[h,n]|²    = s[h]²·|v[h]|² + 2 s[h]·(v[h]·b[h]) + |b[h]|²
//	|Σ_h r[h,n]|² = Σ_hg s[h]·s[g]·(v[h]·v[g]) + 2 Σ_h s[h]·(v[h]·B) + |B|²    B = Σ_h b[h]
//
// Its coefficients depend on the weights only. It may be used by several
// goroutines.
type NeuronNorms struct {
	heads int
	gram  []float64 // v[h]·v[g], [H,H]
	own   []float64 // v[h]·b[h], [H]
	bias  []float64 // |b[h]|², [H]
	all   []float64 // v[h]·B, [H]
	total float64   // |B|²
}

// NeuronNorms computes the coefficients of a neuron.
func (p *OV) NeuronNorms(neuron int, team par.Team) *NeuronNorms {
	H, O := p.Heads, p.OutDim
	n := &NeuronNorms{
		heads: H, gram: make([]float64, H*H), own: make([]float64, H), bias: make([]float64, H), all: make([]float64, H),
	}
	v, total := make([]float32, H*O), make([]float64, O)
	for h := range H {
		mine, bias := v[h*O:(h+1)*O], p.Bias[h*O:(h+1)*O]
		p.Directions(mine, h, neuron, neuron+1, team)
		n.own[h], n.bias[h] = dot(mine, bias), dot(bias, bias)
		for o, b := range bias {
			total[o] += float64(b)
		}
	}
	sum := make([]float32, O)
	for o, b := range total {
		sum[o] = float32(b)
	}
	for h := range H {
		mine := v[h*O : (h+1)*O]
		n.all[h] = dot(mine, sum)
		for g := range h + 1 {
			n.gram[h*H+g] = dot(mine, v[g*O:(g+1)*O])
			n.gram[g*H+h] = n.gram[h*H+g]
		}
	}
	n.total = dot(sum, sum)
	return n
}

// Pair returns the norm of the contribution of the pair with head and score s.
func (n *NeuronNorms) Pair(head int, s float32) float64 {
	x := float64(s)
	return root(x*x*n.gram[head*n.heads+head] + 2*x*n.own[head] + n.bias[head])
}

// Lanes are numbers of four images, which are computed side by side: sums of one do not wait
// for those of another.
type Lanes [4]float64

// Sum returns the norm of the contribution summed over heads. scores is [H]; Sum
// panics on another length.
func (n *NeuronNorms) Sum(scores []float32) float64 {
	var room [64]Lanes
	x := room[:0]
	for _, s := range scores {
		x = append(x, Lanes{float64(s)})
	}
	square := n.square(x)
	return n.sums(&square, x)[0]
}

// A Centre is the mean scores of a neuron's pairs, as distances from it need them.
type Centre struct {
	row   []float64 // Σ_g m[g]·(v[h]·v[g]), [H]
	total float64   // Σ_hg m[h]·m[g]·(v[h]·v[g])
}

// Centre prepares means [H].
func (n *NeuronNorms) Centre(means []float64) *Centre {
	c := &Centre{row: make([]float64, n.heads)}
	for h, m := range means {
		for g, w := range n.gram[h*n.heads : (h+1)*n.heads] {
			c.row[h] += w * means[g]
		}
		c.total += m * c.row[h]
	}
	return c
}

// SumAndDistance returns what Sum does of scores x of four images, and the norms of Σ_h
// (x[h]-m[h])·v[h]: how far the contributions summed over heads are from their mean. x is
// [H]; SumAndDistance panics on another length.
func (n *NeuronNorms) SumAndDistance(x []Lanes, c *Centre) (sum, distance Lanes) {
	square := n.square(x)
	along := product(c.row, x)
	for i := range distance {
		distance[i] = root(square[i] - 2*along[i] + c.total)
	}
	return n.sums(&square, x), distance
}

// square is Σ_hg x[h]·x[g]·(v[h]·v[g]), of which each product is there twice.
func (n *NeuronNorms) square(x []Lanes) (sum Lanes) {
	if len(x) != n.heads {
		panic("decomp: scores are not [H]")
	}
	for h := range x {
		row := n.gram[h*n.heads : h*n.heads+h+1]
		cross := product(row[:h], x)
		for i, s := range x[h] {
			sum[i] += s * (2*cross[i] + row[h]*s)
		}
	}
	return sum
}

func (n *NeuronNorms) sums(square *Lanes, x []Lanes) (norms Lanes) {
	along := product(n.all, x)
	for i := range norms {
		norms[i] = root(square[i] + 2*along[i] + n.total)
	}
	return norms
}

// product is Σ_g w[g]·x[g].
func product(w []float64, x []Lanes) Lanes {
	var a, b, c, d float64
	x = x[:len(w)]
	for g, y := range w {
		s := &x[g]
		a += y * s[0]
		b += y * s[1]
		c += y * s[2]
		d += y * s[3]
	}
	return Lanes{a, b, c, d}
}

// root is the square root of a squared norm, which rounding may make slightly
// negative.
func root(square float64) float64 { return math.Sqrt(max(square, 0)) }
