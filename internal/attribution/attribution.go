// Package attribution splits a class's logit into what pairs, neurons, heads and
// places add to it.
//
// With the feature f = k + Σ s[h,n]·v[h,n] of an image and the unit vector t of a
// class's text, the logit is
//
//	L = 100·f·t/|f| = 100/|f| · (k·t + Σ_{h,n} s[h,n]·(v[h,n]·t))
//
// so pair (h,n) adds 100·s[h,n]·(v[h,n]·t)/|f|, and the constant k of the weights
// adds 100·k·t/|f|. For one class against another, t is the difference of their
// vectors and L that of their logits. The length |f| is the image's own and stays as
// it is: what a logit would be without a pair is another question.
//
// A Target holds what depends on the weights and the texts only; it is made from a
// decomp.OV, so scores that were collected are enough. Only places need what the
// attention pool read of the image as well. Everything is summed in float64.
//
// Axis letters: H heads, C neurons, D = C/H, O the joint image-text dimension, T
// tokens, M = T-1 places.
package attribution

import (
	"cmp"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
)

// Scale is the factor of cosines in CLIP's logits: exp(logit_scale) of the published
// models.
const Scale = 100

// Factor returns 100/|f|, by which what a part adds to f·t becomes what it adds to the
// logit. It reports false if f has no direction.
func Factor(feature []float32) (float64, bool) {
	n := decomp.Norm(feature)
	return Scale / n, n > 0 && !math.IsInf(n, 1)
}

// Logits writes 100·f·t/|f| for every text [M,O] to dst [M]. factor is that of the
// feature [O].
func Logits(dst []float64, feature, texts []float32, factor float64) {
	O := len(feature)
	for m := range dst {
		sum := 0.0
		for o, x := range texts[m*O : (m+1)*O] {
			sum += float64(feature[o]) * float64(x)
		}
		dst[m] = factor * sum
	}
}

// Softmax writes the probabilities of logits to dst.
func Softmax(dst, logits []float64) {
	largest, total := slices.Max(logits), 0.0
	for i, l := range logits {
		dst[i] = math.Exp(l - largest)
		total += dst[i]
	}
	for i := range dst {
		dst[i] /= total
	}
}

// Difference returns the vector of a class against another, a-b; where b is nil, that
// of the class alone.
func Difference(a, b []float32) []float64 {
	t := make([]float64, len(a))
	for o, x := range a {
		t[o] = float64(x)
		if b != nil {
			t[o] -= float64(b[o])
		}
	}
	return t
}

// A Target is a logit, or the difference of two, as the pairs of a model see it.
type Target struct {
	Heads, Neurons int
	Products       []float64 // v[h,n]·t, [H,C]
	Constant       float64   // k·t
}

// NewTarget returns the target of the vector t [O].
func NewTarget(ov *decomp.OV, t []float64, team par.Team) *Target {
	H, C, D := ov.Heads, ov.Neurons, ov.Width
	target := &Target{Heads: H, Neurons: C, Products: make([]float64, H*C)}
	for o, k := range ov.Constant() {
		target.Constant += float64(k) * t[o]
	}
	team.For(H, func(lo, hi, _ int) {
		output := make([]float64, D) // t·W_O^h
		for h := lo; h < hi; h++ {
			clear(output)
			for o, x := range t {
				for d, w := range ov.Out[o*ov.Inner()+h*D:][:D] {
					output[d] += x * float64(w)
				}
			}
			row := target.Products[h*C : (h+1)*C]
			for d, y := range output {
				for n, w := range ov.Value[(h*D+d)*C:][:C] {
					row[n] += y * float64(w)
				}
			}
		}
	})
	return target
}

// Remove takes pairs h*C+n out of the target, as an edit of the weights does: they add
// nothing, or, where mean scores [H,C] are given, to every image what their means add,
// which becomes part of the constant. No pair may be removed twice.
func (t *Target) Remove(pairs []int, means []float64) {
	for _, u := range pairs {
		if means != nil {
			t.Constant += means[u] * t.Products[u]
		}
		t.Products[u] = 0
	}
}

// Parts writes what every pair adds to the logit of an image to dst [H,C]. scores are
// [H,C], and factor is that of the image's feature. With mean scores, the parts are
// those of the usual; what the image's own are beyond is the unusual.
func Parts[T float32 | float64](t *Target, dst []float64, scores []T, factor float64) {
	for u, product := range t.Products {
		dst[u] = factor * float64(scores[u]) * product
	}
}

// ByNeuron adds parts [H,C] up over heads, to dst [C].
func (t *Target) ByNeuron(dst, parts []float64) {
	clear(dst)
	for h := range t.Heads {
		for n, x := range parts[h*t.Neurons : (h+1)*t.Neurons] {
			dst[n] += x
		}
	}
}

// ByHead adds parts [H,C] up over neurons, to dst [H].
func (t *Target) ByHead(dst, parts []float64) {
	for h := range dst {
		dst[h] = Sum(parts[h*t.Neurons : (h+1)*t.Neurons])
	}
}

// Sum adds numbers up in their order.
func Sum(x []float64) float64 {
	total := 0.0
	for _, v := range x {
		total += v
	}
	return total
}

// Strongest returns the k largest of parts above zero, in descending order, and the k
// smallest below zero, in ascending order, by index. Of equal ones the first comes
// first.
func Strongest(parts []float64, k int) (up, down []int) {
	k = max(min(k, len(parts)), 0)
	if k == 0 {
		return nil, nil
	}
	insert := func(list []int, u int, size float64, sign float64) []int {
		if len(list) == k && sign*parts[list[k-1]] >= size {
			return list
		}
		at, _ := slices.BinarySearchFunc(list, size, func(i int, size float64) int {
			return cmp.Or(cmp.Compare(size, sign*parts[i]), -1) // after its equals
		})
		if len(list) == k {
			list = list[:k-1]
		}
		return slices.Insert(list, at, u)
	}
	for u, x := range parts {
		switch {
		case x > 0:
			up = insert(up, u, x, 1)
		case x < 0:
			down = insert(down, u, -x, -1)
		}
	}
	return up, down
}
