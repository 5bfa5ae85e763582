package kernel

import (
	"math"
	"testing"

	"github.com/clipnh/clipnh/internal/kernel/cpu"
)

func TestDot(t *testing.T) {
	for _, l := range cpu.Supported() {
		restore := cpu.Force(l)
		for n := range 100 {
			x, y := random(1, n+1, 1)[1:], random(2, n, 1)
			want, size := 0.0, 0.0
			for i, v := range x {
				want += float64(v) * float64(y[i])
				size += math.Abs(float64(v) * float64(y[i]))
			}
			if got := float64(Dot(x, y)); math.Abs(got-want) > tileTolerance*size {
				t.Errorf("%s: %d numbers: %g, want %g", l, n, got, want)
			}
		}
		restore()
	}
}

func TestExceeding(t *testing.T) {
	for _, l := range cpu.Supported() {
		restore := cpu.Force(l)
		for n := range 40 {
			x, least := make([]float32, n+1)[1:], make([]float32, n)
			for i := range least {
				least[i] = float32(i)
			}
			for at := -1; at < n; at++ {
				want := n
				if at >= 0 {
					want = at
					x[at] = float32(at) + 0.5
				}
				if got := Exceeding(x, least, 1000); got != want {
					t.Errorf("%s: %d numbers, one above its least: %d, want %d", l, n, got, want)
				}
				if at >= 0 {
					x[at] = 1000.5
					if got := Exceeding(x, least, 1000); got != want {
						t.Errorf("%s: %d numbers, one above: %d, want %d", l, n, got, want)
					}
					x[at] = 0
				}
			}
		}
		restore()
	}
}

func TestFirstNonFinite(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, l := range cpu.Supported() {
		restore := cpu.Force(l)
		for n := range 40 {
			x := random(1, n+1, 1e37)[1:]
			if got := FirstNonFinite(x); got != -1 {
				t.Errorf("%s: %d finite numbers: %d", l, n, got)
			}
			for at := range n {
				was := x[at]
				for _, bad := range []float32{inf, -inf, float32(math.NaN())} {
					x[at] = bad
					if got := FirstNonFinite(x); got != at {
						t.Errorf("%s: %d numbers: %d, want %d", l, n, got, at)
					}
				}
				x[at] = was
			}
		}
		restore()
	}
}

// TransposePart transposes a part of a matrix, and leaves what lies around its result.
func TestTransposePart(t *testing.T) {
	for _, l := range cpu.Supported() {
		restore := cpu.Force(l)
		for _, size := range [][2]int{{1, 1}, {8, 8}, {13, 21}, {32, 16}, {5, 40}} {
			rows, columns := size[0], size[1]
			src := random(3, rows*(columns+7), 1)
			dst := make([]float32, columns*(rows+3))
			TransposePart(dst, src, rows+3, columns+7, rows, columns)
			for j := range columns {
				for r := range rows + 3 {
					want := float32(0)
					if r < rows {
						want = src[r*(columns+7)+j]
					}
					if got := dst[j*(rows+3)+r]; got != want {
						t.Fatalf("%s: %d x %d: [%d,%d] is %g, want %g", l, rows, columns, j, r, got, want)
					}
				}
			}
		}
		restore()
	}
}
