package lowrank

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// crossed solves a neuron's problem in the dimension of the heads, [H,H], which is
// smaller than [k,k] when more images than heads are selected. With S = Dᵀ D and
// G = L Lᵀ, an eigenvector z of Lᵀ S L gives
//
//	w = S L z    because    S G w = S L (Lᵀ S L z) = σ² w
//
// and w holds the direction's coordinates in V: x = Vᵀ w. The rows' projections
// on x are D G w.
type crossed struct {
	metric      *mat.SymDense // [H,H], G
	eigen       mat.EigenSym
	vectors     mat.Dense
	root        blas64.General // [H,H], L
	scatter     blas64.General // [H,H], S
	rooted      blas64.General // [H,H], S L
	product     blas64.General // [H,H], Lᵀ S L
	gram        *gram
	projections []float64 // [k]
}

func newCrossed(kept, heads int) *crossed {
	return &crossed{
		metric: mat.NewSymDense(heads, nil), root: general(heads, heads), scatter: general(heads, heads),
		rooted: general(heads, heads), product: general(heads, heads), gram: newGram(heads), projections: make([]float64, kept),
	}
}

// solve implements neuron.left.
func (c *crossed) solve(n *neuron, index int) (projections []float64, ok bool) {
	copy(c.metric.RawSymmetric().Data, n.metric.Data)
	if !c.eigen.Factorize(c.metric, true) {
		return nil, false
	}
	c.eigen.VectorsTo(&c.vectors)
	for j, value := range c.eigen.RawValues() {
		scale := math.Sqrt(math.Max(value, 0)) // rounding may make a zero slightly negative
		for i := range n.heads {
			c.root.Data[i*n.heads+j] = c.vectors.At(i, j) * scale
		}
	}
	blas64.Gemm(blas.Trans, blas.NoTrans, 1, n.dTop, n.dTop, 0, c.scatter)
	blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, c.scatter, c.root, 0, c.rooted)
	blas64.Gemm(blas.Trans, blas.NoTrans, 1, c.root, c.rooted, 0, c.product)
	c.gram.set(c.product)
	z, ok := c.gram.solve(index)
	if z == nil {
		return nil, ok
	}
	blas64.Gemv(blas.NoTrans, 1, c.rooted, vector(z), 0, vector(n.w))
	blas64.Gemv(blas.NoTrans, 1, n.dgTop, vector(n.w), 0, vector(c.projections))
	return c.projections, true
}
