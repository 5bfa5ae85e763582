// Package trend measures concepts in collections of images.
//
// A concept is a text, and what stands for it in the model is the few
// neuron-head pairs whose directions are closest to the text's embedding. Its
// ratio in an image is the length of the sum of those pairs' contributions over
// the length of the sum of all, which is the image's feature:
//
//	ratio = |Σ_{k} s_k·v_k + b_k| / |feature|
//
// contributions uncentred, their bias shares b included. Where labels say which
// images show the concept, ratio and label are correlated, by image and by
// group, such as the year. Without labels, two collections are compared: how
// far apart ratios, or the scores of pairs, lie on average, in standard deviations.
//
// Axis letters: K pairs of a concept, O the joint image-text dimension.
package trend

import "math"

// A Sum is the pairs that stand for a concept, ready to tell the length of the
// sum of their contributions from their scores alone. With c = Σ_k b_k it is the
// square root of
//
//	Σ_{i,j} s_i·s_j·(v_i·v_j) + 2·Σ_i s_i·(v_i·c) + |c|²
type Sum struct {
	Pairs []int // h*C+n

	gram  []float64 // v_i·v_j, [K,K]
	cross []float64 // v_i·c, [K]
	bias  float64   // |c|²
}

// NewSum prepares a sum of pairs with directions v [K,O] and bias shares b [K,O],
// which it does not keep.
func NewSum(pairs []int, v, b []float32) *Sum {
	K := len(pairs)
	if K == 0 || len(v)%K != 0 || len(b) != len(v) {
		panic("trend: directions are not [K,O]")
	}
	O := len(v) / K
	s := &Sum{Pairs: pairs, gram: make([]float64, K*K), cross: make([]float64, K)}
	c := make([]float64, O)
	for i, x := range b {
		c[i%O] += float64(x)
	}
	for _, x := range c {
		s.bias += x * x
	}
	for i := range K {
		vi := v[i*O : (i+1)*O]
		for o, x := range vi {
			s.cross[i] += float64(x) * c[o]
		}
		for j := range i + 1 {
			dot := 0.0
			for o, x := range v[j*O : (j+1)*O] {
				dot += float64(x) * float64(vi[o])
			}
			s.gram[i*K+j], s.gram[j*K+i] = dot, dot
		}
	}
	return s
}

// Norm is the length of the sum in an image with scores [H*C].
func (s *Sum) Norm(scores []float32) float64 {
	K, square := len(s.Pairs), s.bias
	for i, p := range s.Pairs {
		inner := 2 * s.cross[i]
		for j, q := range s.Pairs {
			inner += float64(scores[q]) * s.gram[i*K+j]
		}
		square += float64(scores[p]) * inner
	}
	return math.Sqrt(max(square, 0)) // rounding may leave a zero length below zero
}
