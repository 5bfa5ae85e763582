package omp

import (
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

func TestNormalize(t *testing.T) {
	const h = 0.70710678118
	tests := []struct {
		name        string
		by          Normalization
		words, dims int
		atoms, want []float32
	}{
		// Centred: (-3,-4) and (3,4).
		{"columns", Columns, 2, 2, []float32{1, 2, 7, 10}, []float32{-h, -h, h, h}},
		{"rows", Rows, 2, 2, []float32{1, 2, 7, 10}, []float32{-0.6, -0.8, 0.6, 0.8}},
		{"none", None, 2, 2, []float32{1, 2, 7, 10}, []float32{1, 2, 7, 10}},
		{"a dimension in which all agree", Columns, 3, 2, []float32{0.1, 0, 0.1, 1, 0.1, -1}, []float32{0, 0, 0, h, 0, -h}},
		{"a word that is the mean", Rows, 3, 2, []float32{5, 5, 6, 5, 4, 5}, []float32{0, 0, 1, 0, -1, 0}},
		{"one word", Rows, 1, 2, []float32{5, 5}, []float32{0, 0}},
		{"one word, columns", Columns, 1, 2, []float32{5, 5}, []float32{0, 0}},
		{"no words", Columns, 0, 2, nil, nil},
	}
	for _, test := range tests {
		Normalize(test.atoms, test.words, test.dims, test.by)
		if err := testutil.Far(test.atoms, test.want, 1e-7); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestParseNormalization(t *testing.T) {
	for _, n := range []Normalization{Columns, Rows, None} {
		if got, err := ParseNormalization(n.String()); err != nil || got != n {
			t.Errorf("%s: %s, %v", n, got, err)
		}
	}
	for _, name := range []string{"", "column", "Rows"} {
		if _, err := ParseNormalization(name); err == nil {
			t.Errorf("%q: no error", name)
		}
	}
}
