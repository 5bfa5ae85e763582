package kernel

import (
	"fmt"
	"math"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
)

// sgemmTolerance bounds the error of a product relative to its largest entry:
// rounding of sums of up to a thousand terms of random sign.
const sgemmTolerance = 2e-6

// sgemmLoop is Sgemm by its definition, in float64.
func sgemmLoop(transA, transB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	for i := range m {
		for j := range n {
			s := 0.0
			for p := range k {
				x, y := a[min(i*lda+p, len(a)-1)], b[min(p*ldb+j, len(b)-1)]
				if transA {
					x = a[p*lda+i]
				}
				if transB {
					y = b[j*ldb+p]
				}
				s += float64(x) * float64(y)
			}
			v := float64(alpha) * s
			if beta != 0 {
				v += float64(beta) * float64(c[i*ldc+j])
			}
			c[i*ldc+j] = float32(v)
		}
	}
}

func TestSgemm(t *testing.T) {
	sizes := [][3]int{{1, 1, 1}, {2, 3, 4}, {5, 16, 16}, {14, 32, 17}, {15, 33, 31}, {8, 48, 256}, {29, 50, 257}, {253, 17, 300}, {3, 1600, 20}, {64, 64, 600}, {1, 100, 64}, {100, 1, 64}}
	for _, s := range sizes {
		for _, trans := range []int{0, 1, 2, 3} {
			for _, scale := range [][2]float32{{1, 0}, {1, 1}, {-0.5, 0.25}, {0, 2}} {
				m, n, k := s[0], s[1], s[2]
				transA, transB := trans&1 != 0, trans&2 != 0
				lda, ldb, ldc := k+3, n+1, n+2
				if transA {
					lda = m + 3
				}
				if transB {
					ldb = k + 1
				}
				a, b := random(1, (m+k)*lda, 1), random(2, (n+k)*ldb, 1)
				start := random(3, m*ldc, 1)
				want := append([]float32(nil), start...)
				sgemmLoop(transA, transB, m, n, k, scale[0], a, lda, b, ldb, scale[1], want, ldc)
				name := fmt.Sprintf("%dx%dx%d trans %v %v alpha, beta %v", m, n, k, transA, transB, scale)
				t.Run(name, func(t *testing.T) {
					eachLevel(t, func(t *testing.T) {
						var first []float32
						for team := 1; team <= 8; team++ {
							c := append([]float32(nil), start...)
							Sgemm(scale[0], Matrix{Data: a, Rows: m, Cols: k, Stride: lda, Transposed: transA}, Matrix{Data: b, Rows: k, Cols: n, Stride: ldb, Transposed: transB},
								scale[1], Strided(c, m, n, ldc), par.NewTeam(team))
							if first == nil {
								first = c
							}
							if !sameBits(c, first) {
								t.Errorf("a team of %d gives other bytes than a team of 1", team)
							}
						}
						if e := relativeError(first, want); e > sgemmTolerance {
							t.Errorf("error %g, want at most %g", e, sgemmTolerance)
						}
					})
				})
			}
		}
	}
}

// TestSgemmRows checks that rows of C have the same bytes however many of them
// are computed at once: few and many rows take different ways.
func TestSgemmRows(t *testing.T) {
	const m, n, k = 20, 83, 300
	eachLevel(t, func(t *testing.T) {
		a, b, start := random(1, m*k, 1), random(2, k*n, 1), random(3, m*n, 1)
		for _, beta := range []float32{0, 1, 0.5} {
			all := append([]float32(nil), start...)
			Sgemm(0.7, Dense(a, m, k), Dense(b, k, n), beta, Dense(all, m, n), par.NewTeam(2))
			for rows := 1; rows <= m; rows++ {
				c := append([]float32(nil), start...)
				for i := 0; i < m; i += rows {
					r := min(rows, m-i)
					Sgemm(0.7, Dense(a[i*k:], r, k), Dense(b, k, n), beta, Dense(c[i*n:], r, n), par.NewTeam(3))
				}
				if !sameBits(c, all) {
					t.Errorf("beta %g: %d rows at a time give other bytes than all", beta, rows)
				}
			}
		}
	})
}

// TestSgemmSmall multiplies every small shape; the rows of C are longer than
// the product, and what lies behind it must stay.
func TestSgemmSmall(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for m := range 17 {
			for n := range 51 {
				k := (m*7 + n*3) % 35
				transA, transB := (m+n)%2 == 1, (m+n)/2%2 == 1
				lda, ldb, ldc := max(k, m, 1), max(k, n, 1), n+1
				a, b := random(uint64(m), max(m, k)*lda+1, 1), random(uint64(n), max(n, k)*ldb+1, 1)
				c := random(uint64(k), m*ldc, 1)
				want := append([]float32(nil), c...)
				sgemmLoop(transA, transB, m, n, k, 1.5, a, lda, b, ldb, 1, want, ldc)
				Sgemm(1.5, Matrix{Data: a, Rows: m, Cols: k, Stride: lda, Transposed: transA}, Matrix{Data: b, Rows: k, Cols: n, Stride: ldb, Transposed: transB},
					1, Strided(c, m, n, ldc), par.NewTeam(1))
				if e := relativeError(c, want); e > sgemmTolerance {
					t.Errorf("%dx%dx%d trans %v %v: error %g", m, n, k, transA, transB, e)
				}
			}
		}
	})
}

// TestSgemmClears checks that beta 0 does not read C.
func TestSgemmClears(t *testing.T) {
	nan := float32(math.NaN())
	eachLevel(t, func(t *testing.T) {
		for _, k := range []int{0, 5} {
			for _, m := range []int{1, 9} {
				c := make([]float32, m*20)
				for i := range c {
					c[i] = nan
				}
				Sgemm(1, Strided(make([]float32, m*5), m, k, 5), Dense(make([]float32, 100), k, 20), 0, Dense(c, m, 20), par.NewTeam(1))
				for i, v := range c {
					if v != 0 {
						t.Fatalf("%d rows, depth %d: element %d is %g, want 0", m, k, i, v)
					}
				}
			}
		}
	})
}

// TestAddRows checks the products of a row for every number of vectors past two of the largest
// groups: against their definition, and bit by bit against those of 16 columns at a time.
func TestAddRows(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		for n := Lanes; n <= 20*Lanes; n += Lanes {
			for k := 1; k <= 5; k++ {
				row := n + n%3
				a, b, start := random(1, k, 1), random(2, k*row, 1), random(3, n, 1)
				y, touched := guarded(n, k)
				copy(y, start)
				f.addRows(&y[0], &a[0], &b[0], row*4, k, n)
				if touched() {
					t.Errorf("%d rows of %d: memory around the sums is overwritten", k, n)
				}
				apart, want := append([]float32(nil), start...), append([]float32(nil), start...)
				sgemmLoop(false, false, 1, n, k, 1, a, k, b, row, 1, want, n)
				for j := 0; j < n; j += Lanes {
					f.addRows(&apart[j], &a[0], &b[j], row*4, k, Lanes)
				}
				if !sameBits(y, apart) {
					t.Errorf("%d rows of %d: other bytes than 16 columns at a time", k, n)
				}
				if e := relativeError(y, want); e > sgemmTolerance {
					t.Errorf("%d rows of %d: error %g", k, n, e)
				}
			}
		}
	})
}

// TestSumRows compares with loops in Go, to the last bit, for every number of vectors past two of
// the largest groups.
func TestSumRows(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		for n := Lanes; n <= 20*Lanes; n += Lanes {
			for _, k := range []int{1, 2, 5, 64} {
				row := n + n%3
				a, b, start := random(1, k, 1), random(2, k*row, 1), random(3, n, 1)
				y, touched := guarded(n, k)
				copy(y, start)
				want := append([]float32(nil), start...)
				for p, x := range a {
					for j := range want {
						want[j] += x * b[p*row+j]
					}
				}
				f.sumRows(&y[0], &a[0], &b[0], row*4, k, n)
				if touched() {
					t.Errorf("%d rows of %d: memory around the sums is overwritten", k, n)
				}
				if !sameBits(y, want) {
					t.Errorf("%d rows of %d: other bits than loops in Go", k, n)
				}
			}
		}
	})
}
