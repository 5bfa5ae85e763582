// Package blas makes gonum and gorgonia/tensor multiply float32 matrices with
// package kernel. All other operations stay gonum's own.
package blas

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/gonum"
	"gorgonia.org/tensor"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// Use registers an Implementation with both libraries for the whole program.
// It must be called before either is used, since blas32 keeps it in a variable
// without a lock.
func Use(team par.Team) {
	i := Implementation{Team: team}
	blas32.Use(i)
	tensor.Use(i)
}

// Implementation is gonum's BLAS with another Sgemm. Team shares the work of
// one call.
type Implementation struct {
	gonum.Implementation
	Team par.Team
}

// Sgemm computes C = alpha * op(A) * op(B) + beta * C as blas.Float32Level3
// says. It panics where gonum's does, but takes empty matrices of any length.
func (i Implementation) Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	transA, knownA := transposes(tA)
	transB, knownB := transposes(tB)
	if !knownA || !knownB {
		panic("blas: illegal transpose")
	}
	kernel.Sgemm(transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, i.Team)
}

// transposes reports whether t transposes a real matrix, and whether it is
// known.
func transposes(t blas.Transpose) (trans, known bool) {
	switch t {
	case blas.NoTrans:
		return false, true
	case blas.Trans, blas.ConjTrans:
		return true, true
	}
	return false, false
}
