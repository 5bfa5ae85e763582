package decomp

import (
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// This file splits the image feature by heads alone and by tokens alone.

// HeadContributions writes the sum over neurons of one image's contributions,
//
//	Σ_n r[h,n] = W_O^h W_V^h s[h] + C·b[h]
//
// to dst [H,O]. scores is [H,C].
func (p *OV) HeadContributions(dst, scores []float32, team par.Team) {
	C, O := p.Neurons, p.OutDim
	value := make([]float32, p.Width)
	for h := range p.Heads {
		p.HeadContribution(dst[h*O:(h+1)*O], value, scores[h*C:(h+1)*C], h, team)
	}
}

// HeadContribution is HeadContributions of one head, whose scores are [C], to dst [O]. It
// uses value [D].
func (p *OV) HeadContribution(dst, value, scores []float32, head int, team par.Team) {
	C, O, D := p.Neurons, p.OutDim, p.Width
	for o, b := range p.Bias[head*O : (head+1)*O] {
		dst[o] = b * float32(C)
	}
	kernel.Sgemm(1, kernel.Dense(scores, 1, C), kernel.Dense(p.Value[head*D*C:], D, C).T(), 0, kernel.Dense(value, 1, D), team)
	kernel.Sgemm(1, kernel.Dense(value, 1, D), kernel.Strided(p.Out[head*D:], O, D, p.Inner()).T(), 1, kernel.Dense(dst, 1, O), team)
}

// TokenContributions writes each token's contribution to one image's feature,
//
//	y[t] = Σ_h a[h,t]·W_O^h (W_V^h x[t] + B_V^h) + B_O/T
//
// to dst [T,O]; their sum is the feature. attention is the class token's,
// [H,T], and tokens x are [T,C]. It panics unless p is from NewPool.
func (p *OV) TokenContributions(dst, attention, tokens []float32, team par.Team) {
	if p.valueBias == nil {
		panic("decomp: weights from slices have no value bias")
	}
	H, C, O, D := p.Heads, p.Neurons, p.OutDim, p.Width
	T := len(tokens) / C
	values := make([]float32, T*C)
	for t := range T {
		copy(values[t*C:(t+1)*C], p.valueBias)
		for o, b := range p.outBias {
			dst[t*O+o] = b / float32(T)
		}
	}
	kernel.Sgemm(1, kernel.Dense(tokens, T, C), kernel.Dense(p.Value, C, C).T(), 1, kernel.Dense(values, T, C), team)
	for t := range T {
		for h := range H {
			a := attention[h*T+t]
			for d := range D {
				values[t*C+h*D+d] *= a
			}
		}
	}
	kernel.Sgemm(1, kernel.Dense(values, T, C), kernel.Dense(p.Out, O, C).T(), 1, kernel.Dense(dst, T, O), team)
}

// Outputs writes the pool's output for head outputs y, rows [n,C],
//
//	W_O y + B_O
//
// to dst [n,O]. It panics unless p is from NewPool.
func (p *OV) Outputs(dst, y []float32, team par.Team) {
	C, O := p.Neurons, p.OutDim
	bias := p.OutBias()
	n := len(y) / C
	_, out := p.across()
	for i := range n {
		copy(dst[i*O:(i+1)*O], bias)
	}
	kernel.Sgemm(1, kernel.Dense(y, n, C), out.Matrix(0, C, O), 1, kernel.Dense(dst, n, O), team)
}

// OutBias returns B_O, [O]: the pool's own slice, which must not be written to. It
// panics unless p is from NewPool.
func (p *OV) OutBias() []float32 {
	if p.outBias == nil {
		panic("decomp: weights from slices have no output bias")
	}
	return p.outBias
}
