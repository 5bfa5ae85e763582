package kernel

import (
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
)

func TestMatrix(t *testing.T) {
	data := []float32{1, 2, 3, 4, 5, 6, 7, 8}
	for _, tt := range []struct {
		name string
		m    Matrix
		want []float32 // row after row
	}{
		{"dense", Dense(data, 2, 3), []float32{1, 2, 3, 4, 5, 6}},
		{"strided", Strided(data[1:], 2, 2, 4), []float32{2, 3, 6, 7}},
		{"transposed", Dense(data, 2, 3).T(), []float32{1, 4, 2, 5, 3, 6}},
		{"transposed twice", Dense(data, 2, 3).T().T(), []float32{1, 2, 3, 4, 5, 6}},
		{"transposed part", Strided(data, 2, 1, 4).T(), []float32{1, 5}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// The identity times m is m.
			identity := make([]float32, tt.m.Rows*tt.m.Rows)
			for i := range tt.m.Rows {
				identity[i*tt.m.Rows+i] = 1
			}
			got := make([]float32, tt.m.Rows*tt.m.Cols)
			Sgemm(1, Dense(identity, tt.m.Rows, tt.m.Rows), tt.m, 0, Dense(got, tt.m.Rows, tt.m.Cols), par.Team{})
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSgemmPanics(t *testing.T) {
	x := make([]float32, 12)
	for _, tt := range []struct {
		name    string
		a, b, c Matrix
		want    any
	}{
		{"fits", Dense(x, 3, 2), Dense(x, 2, 4), Dense(x, 3, 4), nil},
		{"rows", Dense(x, 2, 2), Dense(x, 2, 4), Dense(x, 3, 4), "kernel: shapes of matrices do not match"},
		{"columns", Dense(x, 3, 2), Dense(x, 2, 3), Dense(x, 3, 4), "kernel: shapes of matrices do not match"},
		{"depth", Dense(x, 3, 2), Dense(x, 3, 4), Dense(x, 3, 4), "kernel: shapes of matrices do not match"},
		{"transposed result", Dense(x, 3, 2), Dense(x, 2, 4), Dense(x, 4, 3).T(), "kernel: transposed result"},
		{"negative size", Dense(x, -1, 2), Dense(x, 2, 4), Dense(x, -1, 4), "kernel: negative matrix size"},
		{"overlapping rows", Strided(x, 3, 2, 1), Dense(x, 2, 4), Dense(x, 3, 4), "kernel: rows of a matrix overlap"},
		{"overlapping columns", Strided(x, 2, 3, 2).T(), Dense(x, 2, 4), Dense(x, 3, 4), "kernel: rows of a matrix overlap"},
		{"short", Dense(x, 3, 2), Dense(x, 2, 4), Dense(x[:11], 3, 4), "kernel: short matrix"},
		{"short stride", Dense(x, 3, 2), Strided(x[:10], 2, 4, 7), Dense(x, 3, 4), "kernel: short matrix"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := recover(); got != tt.want {
					t.Errorf("panic %v, want %v", got, tt.want)
				}
			}()
			Sgemm(0, tt.a, tt.b, 1, tt.c, par.Team{})
		})
	}
}

// TestSgemmAllocations holds that a small product, of which the towers make
// thousands, allocates nothing but its operands.
func TestSgemmAllocations(t *testing.T) {
	x, c := make([]float32, 64*64), make([]float32, 64*64)
	a := Dense(x, 64, 64)
	if n := testing.AllocsPerRun(20, func() { Sgemm(1, a, a.T(), 0, Dense(c, 64, 64), par.Team{}) }); n > 2 {
		t.Errorf("%g allocations, want at most 2", n)
	}
}
