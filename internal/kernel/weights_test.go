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

// TestSetTransposed transposes several matrices, in either precision.
func TestSetTransposed(t *testing.T) {
	const matrices, rows, columns = 3, 9, 17
	_, values := halfOf(1, matrices*rows*columns)
	for _, isHalf := range []bool{false, true} {
		n := len(values)
		w := PackedWeights(make([]float32, WeightsLen(n, isHalf)), n, isHalf)
		w.SetTransposed(values, matrices, rows, columns)
		got := make([]float32, n)
		w.Read(got, 0)
		for i, x := range got {
			m, c, r := i/(rows*columns), i/rows%columns, i%rows
			if want := values[(m*rows+r)*columns+c]; x != want {
				t.Fatalf("half %v, matrix %d: row %d, column %d is %g, want %g", isHalf, m, c, r, x, want)
			}
		}
	}
}

// TestStridedHalves multiplies a part of the columns of weights, which are not next to each other.
func TestStridedHalves(t *testing.T) {
	const k, n, stride, first = 20, 32, 50, 7
	half, b := halfOf(2, first+k*stride)
	eachLevel(t, func(t *testing.T) {
		for _, m := range []int{1, fewRows + 1} {
			a := random(1, m*k, 1)
			product := func(of Matrix) []float32 {
				c := make([]float32, m*n)
				Sgemm(1, Dense(a, m, k), of, 0, Dense(c, m, n), par.Team{})
				return c
			}
			if !sameBits(product(half.Strided(first, k, n, stride)), product(Strided(b[first:], k, n, stride))) {
				t.Errorf("%d rows: other bits than in float32", m)
			}
		}
	})
}

// TestHalvesRefused: where a product takes no weights in half precision, it says so.
func TestHalvesRefused(t *testing.T) {
	half, values := halfOf(1, 16*16)
	h, f := half.Matrix(0, 16, 16), Dense(values, 16, 16)
	for name, do := range map[string]func(){
		"a first factor": func() { Sgemm(1, h, f, 0, Dense(make([]float32, 256), 16, 16), par.Team{}) },
		"a result":       func() { Sgemm(1, f, f, 0, h, par.Team{}) },
		"sums of rows":   func() { SumRows(make([]float32, 16), values[:16], h) },
		"too many":       func() { half.SetTransposed(append(values, 1), 1, 16, 16) },
	} {
		func() {
			defer func() {
				r := recover()
				if _, said := r.(string); !said {
					t.Errorf("%s: panic %v, want one that says what is wrong", name, r)
				}
			}()
			do()
		}()
	}
}
