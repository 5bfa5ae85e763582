package cka

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// ErrBasis is returned by Basis if the eigenvalue problem cannot be solved.
var ErrBasis = errors.New("the eigenvalues of the outputs' products were not found")

// Basis returns orthonormal vectors [rank,dims] that span the rows [n,dims], without directions
// whose singular value is not above rounding times the largest. A product with them keeps lengths
// and angles of all that the rows span, in fewer numbers.
func Basis(rows []float32, n, dims int, rounding float64) ([]float64, error) {
	if len(rows) != n*dims {
		panic("cka: rows of wrong size")
	}
	wide := blas64.General{Rows: n, Cols: dims, Stride: max(dims, 1), Data: make([]float64, n*dims)}
	for i, x := range rows {
		wide.Data[i] = float64(x)
	}
	if n == 0 || dims == 0 {
		return nil, nil
	}
	gram := mat.NewSymDense(n, nil)
	blas64.Syrk(blas.NoTrans, 1, wide, 0, gram.RawSymmetric())
	var eigen mat.EigenSym
	if !eigen.Factorize(gram, true) {
		return nil, ErrBasis
	}
	values := eigen.RawValues() // ascending
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	left := vectors.RawMatrix()
	var basis []float64
	for k := n - 1; k >= 0 && len(basis) < dims*dims; k-- {
		if !(values[k] > rounding*rounding*values[n-1]) || values[n-1] <= 0 {
			break
		}
		vector := make([]float64, dims)
		blas64.Gemv(blas.Trans, 1, wide, blas64.Vector{N: n, Inc: left.Stride, Data: left.Data[k:]}, 0, blas64.Vector{N: dims, Inc: 1, Data: vector})
		length := 0.0
		for _, x := range vector {
			length += x * x
		}
		for _, x := range vector {
			basis = append(basis, x/math.Sqrt(length))
		}
	}
	return basis, nil
}
