package lowrank

import (
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// rankTolerance is the singular value, relative to the largest, below which a
// direction counts as null. Inputs are float32: below this strength their rounding
// is no longer small compared with the direction, while the eigenvalue, the square,
// is still 10^5 times float64's rounding.
const rankTolerance = 1e-5

// gram finds singular vectors of a matrix A of k rows through the eigenvectors
// of A Aᵀ, which are its left singular vectors. The rows' projections on a
// right singular vector, A x = σ u, are the left one times a positive number.
type gram struct {
	matrix *mat.SymDense // [k,k], A Aᵀ, upper triangle
	eigen  mat.EigenSym
	left   mat.Dense
	vector []float64 // [k]
}

func newGram(k int) *gram {
	return &gram{matrix: mat.NewSymDense(k, nil), vector: make([]float64, k)}
}

// set copies the upper triangle of product, A Aᵀ.
func (g *gram) set(product blas64.General) {
	raw := g.matrix.RawSymmetric()
	for i := range product.Rows {
		copy(raw.Data[i*raw.Stride+i:i*raw.Stride+product.Cols], product.Data[i*product.Stride+i:])
	}
}

// solve returns the left singular vector with the given index, of either sign, or
// nil if its singular value is null. ok is false if the iteration did not converge.
// The result is valid until the next call.
func (g *gram) solve(index int) (left []float64, ok bool) {
	k := g.matrix.SymmetricDim()
	if index >= k {
		return nil, true
	}
	if !g.eigen.Factorize(g.matrix, true) {
		return nil, false
	}
	values := g.eigen.RawValues() // ascending
	if value, largest := values[k-1-index], values[k-1]; largest <= 0 || value <= rankTolerance*rankTolerance*largest {
		return nil, true
	}
	g.eigen.VectorsTo(&g.left)
	mat.Col(g.vector, k-1-index, &g.left)
	return g.vector, true
}
