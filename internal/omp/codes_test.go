package omp

import (
	"reflect"
	"testing"
)

// twoBatches are three codes over 5 words, in batches of two and one.
func twoBatches() (a, b *Codes) {
	a, b = newCodes(2, 3, 5), newCodes(1, 3, 5)
	a.set(0, &pursuit{size: 3, support: []int32{4, 0, 2}, coefs: []float64{0.5, -2, 0.5}, length: 0.25})
	a.set(1, &pursuit{support: []int32{1, 1, 1}, coefs: []float64{9, 9, 9}, length: 1, stop: Weak})
	b.set(0, &pursuit{size: 2, support: []int32{2, 1, 4}, coefs: []float64{7, 8, 9}, stop: Dependent})
	return a, b
}

func TestCodes(t *testing.T) {
	a, _ := twoBatches()
	want := &Codes{
		Count: 2, Atoms: 3, Words: 5,
		Sizes: []int32{3, 0}, Support: []int32{4, 0, 2, 0, 0, 0}, Coefficients: []float32{0.5, -2, 0.5, 0, 0, 0},
		Residuals: []float32{0.25, 1}, Stops: []Stop{Full, Weak},
	}
	if !reflect.DeepEqual(a, want) {
		t.Errorf("codes %+v, want %+v", a, want)
	}
}

func TestCompress(t *testing.T) {
	a, b := twoBatches()
	tests := []struct {
		name      string
		got, want Sparse
	}{
		{"CSR", CSR(a, b), Sparse{
			Data: []float32{-2, 0.5, 0.5, 8, 7}, Indices: []int32{0, 2, 4, 1, 2}, Starts: []int32{0, 3, 3, 5},
		}},
		{"CSR of no batches", CSR(), Sparse{Data: []float32{}, Indices: []int32{}, Starts: []int32{0}}},
	}
	for _, test := range tests {
		if !reflect.DeepEqual(test.got, test.want) {
			t.Errorf("%s: %+v, want %+v", test.name, test.got, test.want)
		}
	}
}
