package kernel

import (
	"fmt"
	"testing"

	"github.com/clipnh/clipnh/internal/float16"
	"github.com/clipnh/clipnh/internal/par"
)

// halfOf returns random weights in half precision, and the same numbers in float32.
func halfOf(seed uint64, n int) (half Weights, values []float32) {
	values = random(seed, n, 1)
	for i, v := range values {
		values[i] = float16.FromBits(float16.Bits(v))
	}
	half = PackedWeights(make([]float32, WeightsLen(n, true)), n, true)
	half.Set(values)
	return half, values
}

func TestWeights(t *testing.T) {
	for _, n := range []int{0, 1, 5, 64, 99} {
		half, values := halfOf(1, n)
		float := PackedWeights(make([]float32, WeightsLen(n, false)), n, false)
		float.Set(values)
		if half.Len() != n || half.Bytes() != int64(2*n) || float.Len() != n || float.Bytes() != int64(4*n) {
			t.Errorf("%d weights: %d of %d bytes, %d of %d", n, half.Len(), half.Bytes(), float.Len(), float.Bytes())
		}
		for _, w := range []Weights{half, float, FloatWeights(values)} {
			for first := range n {
				got := make([]float32, n-first)
				if w.Read(got, first); !sameBits(got, values[first:]) {
					t.Fatalf("%d weights from %d on: %v, want %v", n, first, got, values[first:])
				}
			}
		}
	}
}

// TestAddHalfRows holds that the numbers of a matrix in half precision count as in float32, to
// the last bit.
func TestAddHalfRows(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		for n := Lanes; n <= 20*Lanes; n += Lanes {
			for k := 1; k <= 5; k++ {
				row := n + n%3
				a, start := random(1, k, 1), random(3, n, 1)
				half, b := halfOf(2, k*row)
				y, touched := guarded(n, k)
				copy(y, start)
				f.addHalfRows(&y[0], &a[0], &half.halves[0], row*2, k, n)
				if touched() {
					t.Errorf("%d rows of %d: memory around the sums is overwritten", k, n)
				}
				want := append([]float32(nil), start...)
				if f.addRows(&want[0], &a[0], &b[0], row*4, k, n); !sameBits(y, want) {
					t.Errorf("%d rows of %d: other bits than in float32", k, n)
				}
			}
		}
	})
}

// TestSgemmOfHalves holds the same of Sgemm, at every number of rows that it treats alike, with B
// transposed or not.
func TestSgemmOfHalves(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, m := range []int{1, 3, fewRows, fewRows + 1, 40} {
			for _, size := range []struct{ n, k int }{{1, 1}, {15, 7}, {16, 16}, {50, 300}, {2*nPart - 1, 20}} {
				a := random(1, m*size.k, 1)
				half, b := halfOf(2, size.n*size.k+3)
				for _, transposed := range []bool{false, true} {
					for workers := 1; workers <= 3; workers++ {
						product := func(of Matrix) []float32 {
							if transposed {
								of = of.T()
							}
							c := make([]float32, m*size.n)
							Sgemm(0.5, Dense(a, m, size.k), of, 0, Dense(c, m, size.n), par.NewTeam(workers))
							return c
						}
						rows, columns := size.k, size.n
						if transposed {
							rows, columns = columns, rows
						}
						if !sameBits(product(half.Matrix(3, rows, columns)), product(Dense(b[3:], rows, columns))) {
							t.Error(fmt.Sprintf("%d by %v, transposed %v, %d workers:", m, size, transposed, workers), "other bits than in float32")
						}
					}
				}
			}
		}
	})
}
