package decomp

import (
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// Reconstruction rebuilds features from principal directions: each unit's centred
// contribution is replaced by its projections on the unit's directions p,
//
//	feature = Σ_u ( mean[u] + Σ_p ((r[u] - mean[u])·p[u]) p[u] )
//
// As r is linear in the scores, this is a fixed vector plus the scores times
// a fixed matrix. Units are pairs, or neurons summed over heads.
type Reconstruction struct {
	ov       *OV
	constant []float64 // Σ_u mean[u] + Σ_p ((bias[u] - mean[u])·p[u]) p[u], [O]

	// Pairs: Σ_p (v·p) p, [H,C,O].
	matrix []float32
	// Neurons, for each direction: v[h,n]·p[n], [H,C], and p, [C,O].
	gains, directions [][]float32

	v, own []float32 // scratch, [C,O]
}

// NewReconstruction returns a reconstruction without units; AddHead or AddNeurons
// adds them.
func (p *OV) NewReconstruction() *Reconstruction {
	return &Reconstruction{ov: p, constant: make([]float64, p.OutDim)}
}

// AddHead adds the pairs of one head: their means [C,O], and one tensor [C,O] for
// each direction.
func (r *Reconstruction) AddHead(head int, means []float32, directions [][]float32, team par.Team) {
	each := r.ov.Neurons * r.ov.OutDim
	if r.matrix == nil {
		r.matrix = kernel.Alloc(r.ov.Heads * each)
	}
	r.addHead(r.matrix[head*each:(head+1)*each], head, means, directions, team)
}

// AddHeadOf is AddHead for scores that are known: it adds the head's part of the features of
// scores [B,C], those of its pairs, to dst [B,O]. Finish completes these once all heads were
// added, in order. They are those that Features writes, without a matrix [H,C,O] in memory.
func (r *Reconstruction) AddHeadOf(dst, scores []float32, head int, means []float32, directions [][]float32, team par.Team) {
	C, O := r.ov.Neurons, r.ov.OutDim
	if r.own == nil {
		r.own = kernel.Alloc(C * O)
	}
	r.addHead(r.own, head, means, directions, team)
	images := len(scores) / C
	kernel.Sgemm(1, kernel.Dense(scores, images, C), kernel.Dense(r.own, C, O), 1, kernel.Dense(dst, images, O), team)
}

// Finish adds to features [B,O] from AddHeadOf what does not depend on the image.
func (r *Reconstruction) Finish(dst []float32) {
	for i := range dst {
		dst[i] = float32(float64(dst[i]) + r.constant[i%r.ov.OutDim])
	}
}

// addHead writes Σ_p (v·p) p of a head's pairs to dst [C,O], and adds their constant.
func (r *Reconstruction) addHead(dst []float32, head int, means []float32, directions [][]float32, team par.Team) {
	p := r.ov
	C, O := p.Neurons, p.OutDim
	if r.v == nil {
		r.v = kernel.Alloc(C * O)
	}
	v := r.v
	p.Directions(v, head, 0, C, team)
	team.For(C, func(lo, hi, _ int) {
		clear(dst[lo*O : hi*O])
		for u := lo * O; u < hi*O; u += O {
			for _, d := range directions {
				g := float32(dot(v[u:u+O], d[u:u+O]))
				for o, x := range d[u : u+O] {
					dst[u+o] += g * x
				}
			}
		}
	})
	r.addConstant(means, p.Bias[head*O:(head+1)*O], directions, team)
}

// AddNeurons adds all neurons: their means [C,O], and one tensor [C,O] for each
// direction. It retains directions.
func (r *Reconstruction) AddNeurons(means []float32, directions [][]float32, team par.Team) {
	p := r.ov
	H, C, O := p.Heads, p.Neurons, p.OutDim
	r.directions = directions
	for range directions {
		r.gains = append(r.gains, make([]float32, H*C))
	}
	v := make([]float32, C*O)
	bias := make([]float32, O)
	for h := range H {
		p.Directions(v, h, 0, C, team)
		team.For(C, func(lo, hi, _ int) {
			for n := lo; n < hi; n++ {
				for k, d := range directions {
					r.gains[k][h*C+n] = float32(dot(v[n*O:(n+1)*O], d[n*O:(n+1)*O]))
				}
			}
		})
		for o := range bias {
			bias[o] += p.Bias[h*O+o]
		}
	}
	r.addConstant(means, bias, directions, team)
}

// addConstant adds the part that does not depend on the image, for units [U,O]
// with the same bias.
func (r *Reconstruction) addConstant(means, bias []float32, directions [][]float32, team par.Team) {
	O := r.ov.OutDim
	sum := sumUnits(len(means)/O, O, team, func(sum []float64, u int) {
		project(sum, bias, means[u*O:(u+1)*O], directions, u*O)
	})
	for o := range sum {
		r.constant[o] += sum[o]
	}
}

// project adds to sum a unit's mean and the projections of its centred
// contribution on the unit's directions, which begin at offset at.
func project(sum []float64, contribution, mean []float32, directions [][]float32, at int) {
	O := len(sum)
	for _, d := range directions {
		d = d[at : at+O]
		c := 0.0
		for o := range d {
			c += (float64(contribution[o]) - float64(mean[o])) * float64(d[o])
		}
		for o := range d {
			sum[o] += c * float64(d[o])
		}
	}
	for o := range sum {
		sum[o] += float64(mean[o])
	}
}

// Features writes the reconstructed features of scores [B,H,C] to dst [B,O].
// scratch [B,C] receives the coefficients of neurons.
func (r *Reconstruction) Features(dst, scratch, scores []float32, images int, team par.Team) {
	H, C, O := r.ov.Heads, r.ov.Neurons, r.ov.OutDim
	clear(dst[:images*O])
	if r.matrix != nil {
		for h := range H {
			kernel.Sgemm(1, kernel.Strided(scores[h*C:], images, C, H*C), kernel.Dense(r.matrix[h*C*O:], C, O), 1, kernel.Dense(dst, images, O), team)
		}
	}
	for k, d := range r.directions {
		team.For(images, func(lo, hi, _ int) {
			for b := lo; b < hi; b++ {
				c := scratch[b*C : (b+1)*C]
				clear(c)
				for h := range H {
					s, g := scores[(b*H+h)*C:(b*H+h+1)*C], r.gains[k][h*C:(h+1)*C]
					for n := range c {
						c[n] += s[n] * g[n]
					}
				}
			}
		})
		kernel.Sgemm(1, kernel.Dense(scratch, images, C), kernel.Dense(d, C, O), 1, kernel.Dense(dst, images, O), team)
	}
	r.Finish(dst[:images*O])
}

// DenseReconstruction writes the reconstructed feature of one image to dst [O],
// from its dense contributions, its units' means, and one tensor for each
// direction, all of shape [U,O].
func DenseReconstruction(dst, contributions, means []float32, directions [][]float32, team par.Team) {
	O := len(dst)
	sum := sumUnits(len(means)/O, O, team, func(sum []float64, u int) {
		project(sum, contributions[u*O:(u+1)*O], means[u*O:(u+1)*O], directions, u*O)
	})
	for o := range dst {
		dst[o] = float32(sum[o])
	}
}

func dot(x, y []float32) float64 {
	sum := 0.0
	for i := range x {
		sum += float64(x[i]) * float64(y[i])
	}
	return sum
}
