package decomp

import "github.com/clipnh/clipnh/internal/par"

// HeadNorms computes the norms of the contributions of one head's pairs, as
// NeuronNorms.Pair does for those of one neuron.
type HeadNorms struct {
	square []float64 // |v[n]|², [C]
	own    []float64 // v[n]·b, [C]
	bias   float64   // |b|²
}

// HeadNorms computes the coefficients of a head.
func (p *OV) HeadNorms(head int, team par.Team) *HeadNorms {
	C, O := p.Neurons, p.OutDim
	bias := p.Bias[head*O : (head+1)*O]
	n := &HeadNorms{square: make([]float64, C), own: make([]float64, C), bias: dot(bias, bias)}
	v := make([]float32, C*O)
	p.Directions(v, head, 0, C, team)
	team.For(C, func(lo, hi, _ int) {
		for u := lo; u < hi; u++ {
			mine := v[u*O : (u+1)*O]
			n.square[u], n.own[u] = dot(mine, mine), dot(mine, bias)
		}
	})
	return n
}

// Pair returns the norm of the contribution of the pair with a neuron and score s.
func (n *HeadNorms) Pair(neuron int, s float32) float64 {
	x := float64(s)
	return root(x*x*n.square[neuron] + 2*x*n.own[neuron] + n.bias)
}

// Direction returns |v|, the norm of what a score of 1 adds to the pair's contribution.
func (n *HeadNorms) Direction(neuron int) float64 { return root(n.square[neuron]) }
