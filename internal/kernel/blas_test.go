package kernel

import (
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
	"gonum.org/v1/gonum/blas/testblas"

	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/par"
)

// asBLAS is Sgemm as gonum's blas.Float32Level3 has it.
type asBLAS struct{ team par.Team }

func (b asBLAS) Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, x []float32, ldx int, y []float32, ldy int, beta float32, z []float32, ldz int) {
	transposes := map[blas.Transpose]bool{blas.NoTrans: false, blas.Trans: true, blas.ConjTrans: true}
	transA, knownA := transposes[tA]
	transB, knownB := transposes[tB]
	if !knownA || !knownB {
		panic("illegal transpose")
	}
	A := Matrix{Data: x, Rows: m, Cols: k, Stride: ldx, Transposed: transA}
	B := Matrix{Data: y, Rows: k, Cols: n, Stride: ldy, Transposed: transB}
	Sgemm(alpha, A, B, beta, Strided(z, m, n, ldz), b.team)
}

// narrow lets gonum's suite for Dgemm, whose small integers float32 holds
// exactly, run on Sgemm; gonum has none for Sgemm.
type narrow struct{ asBLAS }

func (n narrow) Dgemm(tA, tB blas.Transpose, m, cols, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	c32 := toFloat32(c)
	n.Sgemm(tA, tB, m, cols, k, float32(alpha), toFloat32(a), lda, toFloat32(b), ldb, float32(beta), c32, ldc)
	for i, v := range c32 {
		c[i] = float64(v)
	}
}

func toFloat32(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

// TestGonumSuite runs gonum's tests of a matrix product on Sgemm.
func TestGonumSuite(t *testing.T) {
	for _, l := range cpu.Supported() {
		t.Run(l.String(), func(t *testing.T) {
			defer cpu.Force(l)()
			testblas.TestDgemm(t, narrow{asBLAS{par.NewTeam(2)}})
		})
	}
}

// TestSgemmPanicsAsGonum checks that what makes gonum panic makes Sgemm panic, and that
// nothing else does.
func TestSgemmPanicsAsGonum(t *testing.T) {
	x := make([]float32, 12)
	for _, c := range []struct {
		name          string
		tA, tB        blas.Transpose
		m, n, k       int
		a, b, c       []float32
		lda, ldb, ldc int
	}{
		{"fits", 'N', 'N', 3, 4, 3, x, x, x, 3, 4, 4},
		{"fits transposed", 'T', 'C', 3, 4, 3, x, x, x, 3, 3, 4},
		{"negative m", 'N', 'N', -1, 4, 3, x, x, x, 3, 4, 4},
		{"negative n", 'N', 'N', 3, -4, 3, x, x, x, 3, 4, 4},
		{"negative k", 'N', 'N', 3, 4, -3, x, x, x, 3, 4, 4},
		{"lda", 'N', 'N', 3, 4, 3, x, x, x, 2, 4, 4},
		{"ldb", 'N', 'N', 3, 4, 3, x, x, x, 3, 3, 4},
		{"ldc", 'N', 'N', 3, 4, 3, x, x, x, 3, 4, 3},
		{"short a", 'N', 'N', 3, 4, 3, x[:8], x, x, 3, 4, 4},
		{"short b", 'N', 'N', 3, 4, 3, x, x[:11], x, 3, 4, 4},
		{"short c", 'N', 'N', 3, 4, 3, x, x, x[:11], 3, 4, 4},
		{"no rows", 'N', 'N', 0, 4, 3, nil, x, nil, 3, 4, 4},
		{"no columns", 'N', 'N', 3, 0, 3, x, nil, nil, 3, 1, 1},
		{"no depth", 'N', 'N', 3, 4, 0, x, x, x, 1, 4, 4},
		{"zero ld", 'N', 'N', 0, 0, 0, nil, nil, nil, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			panics := func(i interface {
				Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int)
			}) (did bool) {
				defer func() { did = recover() != nil }()
				i.Sgemm(c.tA, c.tB, c.m, c.n, c.k, 1, c.a, c.lda, c.b, c.ldb, 1, c.c, c.ldc)
				return false
			}
			if got, want := panics(asBLAS{}), panics(gonum.Implementation{}); got != want {
				t.Errorf("panics: %v, gonum's: %v", got, want)
			}
		})
	}
}
