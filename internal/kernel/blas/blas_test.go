package blas

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/gonum"
	"gonum.org/v1/gonum/blas/testblas"
	"gorgonia.org/tensor"

	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/par"
)

// narrow lets gonum's suite for Dgemm, whose small integers float32 holds
// exactly, run on Sgemm; gonum has none for Sgemm.
type narrow struct{ Implementation }

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

func TestGonumSuite(t *testing.T) {
	for _, l := range cpu.Supported() {
		t.Run(l.String(), func(t *testing.T) {
			defer cpu.Force(l)()
			testblas.TestDgemm(t, narrow{Implementation{Team: par.NewTeam(2)}})
		})
	}
}

// TestPanics checks that what makes gonum panic makes Sgemm panic, and that
// nothing else does.
func TestPanics(t *testing.T) {
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
		{"transpose of A", 'X', 'N', 3, 4, 3, x, x, x, 3, 4, 4},
		{"transpose of B", 'N', 'X', 3, 4, 3, x, x, x, 3, 4, 4},
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
			if got, want := panics(Implementation{}), panics(gonum.Implementation{}); got != want {
				t.Errorf("panics: %v, gonum's: %v", got, want)
			}
		})
	}
}

// TestUse multiplies through both libraries.
func TestUse(t *testing.T) {
	Use(par.NewTeam(2))
	const m, k, n = 30, 70, 50
	r := rand.New(rand.NewPCG(1, 2))
	a, b := make([]float32, m*k), make([]float32, k*n)
	for _, x := range [][]float32{a, b} {
		for i := range x {
			x[i] = r.Float32() - 0.5
		}
	}
	want := make([]float32, m*n)
	gonum.Implementation{}.Sgemm(blas.NoTrans, blas.NoTrans, m, n, k, 1, a, k, b, n, 0, want, n)

	got := make([]float32, m*n)
	blas32.Gemm(blas.NoTrans, blas.NoTrans, 1, blas32.General{Rows: m, Cols: k, Stride: k, Data: a},
		blas32.General{Rows: k, Cols: n, Stride: n, Data: b}, 0, blas32.General{Rows: m, Cols: n, Stride: n, Data: got})
	compare(t, "blas32", got, want)

	product, err := tensor.MatMul(tensor.New(tensor.WithShape(m, k), tensor.WithBacking(a)), tensor.New(tensor.WithShape(k, n), tensor.WithBacking(b)))
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "tensor", product.Data().([]float32), want)
}

// tolerance bounds the difference of two orders of summation of 70 products
// below 1/4.
const tolerance = 2e-6

func compare(t *testing.T, name string, got, want []float32) {
	for i := range want {
		if math.Abs(float64(got[i]-want[i])) > tolerance {
			t.Fatalf("%s: element %d is %g, want %g", name, i, got[i], want[i])
		}
	}
}
