package omp

import (
	"fmt"
	"math"
)

// Normalization is a way of preparing a dictionary's atoms.
type Normalization int

const (
	// Columns subtracts the mean atom and divides each dimension by its norm
	// over the words. Atoms do not become unit vectors. This is what the paper's
	// published code does (sparse_decomposition.py, norm along axis 0).
	Columns Normalization = iota
	// Rows subtracts the mean atom and divides each atom by its norm, as
	// matching pursuit assumes.
	Rows
	// None leaves the atoms as they are.
	None
)

var normalizations = [...]string{Columns: "columns", Rows: "rows", None: "none"}

// String returns the name that ParseNormalization reads.
func (n Normalization) String() string { return normalizations[n] }

// ParseNormalization reads "columns", "rows" or "none".
func ParseNormalization(name string) (Normalization, error) {
	for n, s := range normalizations {
		if s == name {
			return Normalization(n), nil
		}
	}
	return 0, fmt.Errorf("normalization %q, want columns, rows or none", name)
}

// Normalize prepares atoms [words, dims] in place; sums are in float64. A word or
// dimension with norm zero after centring (a word equal to the mean, a dimension in
// which all words agree) stays zero, where NumPy would divide by zero.
func Normalize(atoms []float32, words, dims int, by Normalization) {
	if len(atoms) != words*dims {
		panic("omp: atoms are not [words, dims]")
	}
	if by == None || words == 0 {
		return
	}
	mean := make([]float64, dims)
	for w := range words {
		for o, x := range atoms[w*dims:][:dims] {
			mean[o] += float64(x)
		}
	}
	for o := range mean {
		mean[o] /= float64(words)
	}
	if by == Rows {
		for w := range words {
			atom := atoms[w*dims:][:dims]
			sum := 0.0
			for o, x := range atom {
				d := float64(x) - mean[o]
				sum += d * d
			}
			f := inverseRoot(sum)
			for o, x := range atom {
				atom[o] = float32((float64(x) - mean[o]) * f)
			}
		}
		return
	}
	factor := make([]float64, dims)
	for w := range words {
		for o, x := range atoms[w*dims:][:dims] {
			d := float64(x) - mean[o]
			factor[o] += d * d
		}
	}
	for o, sum := range factor {
		factor[o] = inverseRoot(sum)
	}
	for w := range words {
		atom := atoms[w*dims:][:dims]
		for o, x := range atom {
			atom[o] = float32((float64(x) - mean[o]) * factor[o])
		}
	}
}

// inverseRoot returns 1/√x, or 0 for 0.
func inverseRoot(x float64) float64 {
	if x == 0 {
		return 0
	}
	return 1 / math.Sqrt(x)
}
