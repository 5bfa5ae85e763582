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

// Sum returns the norm of the contribution summed over heads. scores is [H]; Sum
// panics on another length.
func (n *NeuronNorms) Sum(scores []float32) float64 {
	if len(scores) != n.heads {
		panic("decomp: scores are not [H]")
	}
	square := n.total
	for h, s := range scores {
		cross := 0.0
		for g, t := range scores {
			cross += n.gram[h*n.heads+g] * float64(t)
		}
		square += float64(s) * (cross + 2*n.all[h])
	}
	return root(square)
}

// Centred returns the norm of Σ_h x[h]·v[h], [H], without bias: of scores less their means,
// how far the contribution summed over heads is from its mean. Centred panics on another
// length.
func (n *NeuronNorms) Centred(x []float64) float64 {
	if len(x) != n.heads {
		panic("decomp: scores are not [H]")
	}
	square := 0.0
	for h, s := range x {
		cross := 0.0 // with the heads before, each product of which there are two
		for g, t := range x[:h] {
			cross += n.gram[h*n.heads+g] * t
		}
		square += s * (2*cross + n.gram[h*n.heads+h]*s)
	}
	return root(square)
}

// root is the square root of a squared norm, which rounding may make slightly
// negative.
func root(square float64) float64 { return math.Sqrt(max(square, 0)) }
