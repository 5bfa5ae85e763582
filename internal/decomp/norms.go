package decomp

import "github.com/clipnh/clipnh/internal/par"

// Norms computes the norms of pairs' contributions without forming them. In a
// head whose attention sums to g (1 unless ablated), a pair with score s
// contributes
//
//	r[h,n] = s·v + g·β + ω    β[h] = W_O^h B_V^h/C    ω = B_O/(C·H)
//
// whose squared norm is a quadratic form of s and g. Its coefficients depend on
// the weights only.
type Norms struct {
	neurons    int
	vv, vb, vo []float64 // |v|², v·β, v·ω, [H,C]
	bb, bo     []float64 // |β|², β·ω, [H]
	oo         float64   // |ω|²
}

// NewNorms computes the coefficients. It panics unless p is from NewPool.
func (p *OV) NewNorms(team par.Team) *Norms {
	if p.valueBias == nil {
		panic("decomp: weights from slices have no value bias")
	}
	H, C, O, D := p.Heads, p.Neurons, p.OutDim, p.Width
	n := &Norms{
		neurons: C, vv: make([]float64, H*C), vb: make([]float64, H*C), vo: make([]float64, H*C),
		bb: make([]float64, H), bo: make([]float64, H),
	}
	v, beta, omega := make([]float32, C*O), make([]float64, O), make([]float64, O)
	for o, b := range p.outBias {
		omega[o] = float64(b) / float64(C*H)
		n.oo += omega[o] * omega[o]
	}
	for h := range H {
		for o := range beta {
			beta[o] = 0
			for d := range D {
				beta[o] += float64(p.Out[o*C+h*D+d]) * float64(p.valueBias[h*D+d]) / float64(C)
			}
			n.bb[h] += beta[o] * beta[o]
			n.bo[h] += beta[o] * omega[o]
		}
		p.Directions(v, h, 0, C, team)
		team.For(C, func(lo, hi, _ int) {
			for u := lo; u < hi; u++ {
				at := h*C + u
				for o, x := range v[u*O : (u+1)*O] {
					n.vv[at] += float64(x) * float64(x)
					n.vb[at] += float64(x) * beta[o]
					n.vo[at] += float64(x) * omega[o]
				}
			}
		})
	}
	return n
}

// Of returns the norm of the contribution of pair h*C+n with score s, in a head
// whose attention sums to share.
func (n *Norms) Of(pair int, s, share float64) float64 {
	h := pair / n.neurons
	square := s*s*n.vv[pair] + 2*s*(share*n.vb[pair]+n.vo[pair]) + share*share*n.bb[h] + 2*share*n.bo[h] + n.oo
	return root(square)
}
