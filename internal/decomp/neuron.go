package decomp

import (
	"math"

	"github.com/clipnh/clipnh/internal/double"
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
	return p.NeuronNormsOf(neuron, neuron+1, team)[0]
}

// NeuronNormsOf computes the coefficients of the neurons lo to hi, whose directions of all
// heads are in memory together.
func (p *OV) NeuronNormsOf(lo, hi int, team par.Team) []*NeuronNorms {
	H, O, count := p.Heads, p.OutDim, hi-lo
	v, total := make([]float32, H*count*O), make([]float64, O) // [H,n,O]
	for h := range H {
		p.Directions(v[h*count*O:(h+1)*count*O], h, lo, hi, team)
		for o, b := range p.Bias[h*O : (h+1)*O] {
			total[o] += float64(b)
		}
	}
	sum := make([]float32, O)
	for o, b := range total {
		sum[o] = float32(b)
	}
	all := make([]*NeuronNorms, count)
	team.For(count, func(first, last, _ int) {
		for i := first; i < last; i++ {
			all[i] = p.neuronNorms(sum, func(h int) []float32 { return v[(h*count+i)*O:][:O] })
		}
	})
	return all
}

// neuronNorms are those of a neuron with directions v of heads. sum is B.
func (p *OV) neuronNorms(sum []float32, v func(head int) []float32) *NeuronNorms {
	H, O := p.Heads, p.OutDim
	n := &NeuronNorms{
		heads: H, gram: make([]float64, H*H), own: make([]float64, H), bias: make([]float64, H), all: make([]float64, H), total: dot(sum, sum),
	}
	for h := range H {
		mine, bias := v(h), p.Bias[h*O:(h+1)*O]
		n.own[h], n.bias[h], n.all[h] = dot(mine, bias), dot(bias, bias), dot(mine, sum)
		for g := range h + 1 {
			n.gram[h*H+g] = dot(mine, v(g))
			n.gram[g*H+h] = n.gram[h*H+g]
		}
	}
	return n
}

// Pair returns the norm of the contribution of the pair with head and score s.
func (n *NeuronNorms) Pair(head int, s float32) float64 {
	x := float64(s)
	return root(x*x*n.gram[head*n.heads+head] + 2*x*n.own[head] + n.bias[head])
}

// Sum returns the norm of the contribution summed over heads. scores is [H]; Sum
// panics on another length. It has the bits of SumsAndDistances.
func (n *NeuronNorms) Sum(scores []float32) float64 {
	if len(scores) != n.heads {
		panic("decomp: scores are not [H]")
	}
	square, along := 0.0, 0.0
	for h, s := range scores {
		row, x, cross := n.gram[h*n.heads:], float64(s), 0.0
		for g, y := range scores[:h] {
			cross += float64(row[g] * float64(y))
		}
		square += float64(x * (2*cross + float64(row[h]*x)))
		along += float64(n.all[h] * x)
	}
	return root(square + 2*along + n.total)
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

// SumsAndDistances writes what Sum does of the scores x [H,double.Images] of some images to
// sums, and to distances the norms of Σ_h (x[h]-m[h])·v[h]: how far the contributions summed
// over heads are from their mean. It panics where x is short.
func (n *NeuronNorms) SumsAndDistances(sums, distances *[double.Images]float64, x []float64, c *Centre) {
	var square, along [double.Images]float64
	double.Forms(&square, x, n.gram, n.heads)
	double.Combine(&along, x, c.row)
	for i, s := range square {
		distances[i] = root(s - 2*along[i] + c.total)
	}
	double.Combine(&along, x, n.all)
	for i, s := range square {
		sums[i] = root(s + 2*along[i] + n.total)
	}
}

// root is the square root of a squared norm, which rounding may make slightly
// negative.
func root(square float64) float64 { return math.Sqrt(max(square, 0)) }
