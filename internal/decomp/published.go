package decomp

import "github.com/clipnh/clipnh/internal/par"

// This file has contributions in the published form of the effects that neurons of a vision
// transformer have through later heads: beside scores there is a vector c[h] of each head, which
// depends on the image and not on the neuron. They are kept together, in rows [H,C+O] of C
// scores and the O values of c.
//
// Source: arXiv:2406.04341 and its published code.

// PublishedContributions writes r[n] = s[n]·v[n] + c of the pairs of one head to dst [n,O], with
// their scores [n] and directions [n,O].
func PublishedContributions(dst, scores, directions, common []float32, team par.Team) {
	O := len(common)
	team.For(len(scores), func(lo, hi, _ int) {
		for n := lo; n < hi; n++ {
			r, v, s := dst[n*O:(n+1)*O], directions[n*O:(n+1)*O], scores[n]
			for o := range r {
				r[o] = s*v[o] + common[o]
			}
		}
	})
}

// PublishedNeuronContributions writes R[n] = Σ_h (s[h,n]·v[h,n] + c[h]) of some neurons to dst
// [n,O], with their scores [H,n] and directions [H,n,O], and c [H,O]. Heads are added in order.
func PublishedNeuronContributions(dst, scores, directions, common []float32, heads int, team par.Team) {
	O, C := len(common)/heads, len(scores)/heads
	sums := make([]float64, O)
	for i, c := range common {
		sums[i%O] += float64(c)
	}
	share := make([]float32, O)
	for o, s := range sums {
		share[o] = float32(s)
	}
	team.For(C, func(lo, hi, _ int) {
		for n := lo; n < hi; n++ {
			r := dst[n*O : (n+1)*O]
			copy(r, share)
			for h := range heads {
				s, v := scores[h*C+n], directions[(h*C+n)*O:(h*C+n+1)*O]
				for o := range r {
					r[o] += s * v[o]
				}
			}
		}
	})
}
