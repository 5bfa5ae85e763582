package describe

import (
	"math"

	"github.com/clipnh/clipnh/internal/par"
)

// Covariances are how the scores of each neuron's heads vary together. A neuron's
// contribution is Σ_h s[h]·v[h] and a constant, so its covariance in the space of
// images and texts follows from that of its scores, [H,H].
type Covariances struct {
	heads, neurons, images int

	about    []float32 // scores of the first image, about which sums are taken, [H,C]
	sums     []float64 // [C,H]
	products []float64 // lower triangles, [C,H(H+1)/2]
}

// NewCovariances returns those of no images.
func NewCovariances(heads, neurons int) *Covariances {
	return &Covariances{
		heads: heads, neurons: neurons, about: make([]float32, heads*neurons),
		sums: make([]float64, neurons*heads), products: make([]float64, neurons*heads*(heads+1)/2),
	}
}

// Add adds the scores of images, [B,H,C].
func (c *Covariances) Add(scores []float32, team par.Team) {
	row := c.heads * c.neurons
	if len(scores)%row != 0 {
		panic("describe: scores are not [B,H,C]")
	}
	if c.images == 0 && len(scores) > 0 {
		copy(c.about, scores)
	}
	H := c.heads
	team.For(c.neurons, func(lo, hi, _ int) {
		s := make([]float64, H)
		for n := lo; n < hi; n++ {
			sums, products := c.sums[n*H:][:H], c.products[n*H*(H+1)/2:][:H*(H+1)/2]
			for at := 0; at < len(scores); at += row {
				for h := range s {
					s[h] = float64(scores[at+h*c.neurons+n]) - float64(c.about[h*c.neurons+n])
					sums[h] += s[h]
				}
				i := 0
				for h, a := range s {
					for _, b := range s[:h+1] {
						products[i] += a * b
						i++
					}
				}
			}
		}
	})
	c.images += len(scores) / row
}

// Factor writes to dst [H,O] a factor of the covariance of a neuron's contributions,
// dstᵀ·dst, from its directions v [H,O]: with the Cholesky factor of the covariance
// of its scores, Lᵀ·v. Heads that are combinations of others have zero rows.
func (c *Covariances) Factor(dst []float32, neuron int, directions []float32) {
	H := c.heads
	O := len(directions) / H
	if len(dst) != H*O {
		panic("describe: factor is not [H,O]")
	}
	l := c.cholesky(neuron)
	sum := make([]float64, O)
	for j := range H {
		clear(sum)
		for h := j; h < H; h++ {
			for o, x := range directions[h*O : (h+1)*O] {
				sum[o] += l[h*H+j] * float64(x)
			}
		}
		for o, x := range sum {
			dst[j*O+o] = float32(x)
		}
	}
}

// cholesky returns L of a neuron's covariance of scores, [H,H].
func (c *Covariances) cholesky(neuron int) []float64 {
	H, n := c.heads, float64(c.images)
	sums, products := c.sums[neuron*H:][:H], c.products[neuron*H*(H+1)/2:]
	l := make([]float64, H*H)
	for h := range H {
		for j := range h + 1 {
			v := products[h*(h+1)/2+j]/n - sums[h]/n*sums[j]/n
			variance := v
			for k := range j {
				v -= l[h*H+k] * l[j*H+k]
			}
			switch pivot := l[j*H+j]; {
			case j < h && pivot > 0:
				l[h*H+j] = v / pivot
			case j == h && v > 1e-12*variance: // else rounding is all that is left
				l[h*H+h] = math.Sqrt(v)
			}
		}
	}
	return l
}
