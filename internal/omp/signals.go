package omp

import (
	"fmt"
	"math"
)

// Signals is a batch of vectors to code. Without a basis, the rows are the signals.
// With a basis, each row holds the coordinates of a signal; the basis vectors need not
// be orthonormal. For example, the PC of pair (h,n) is W_O^h W_V^h[:,n] divided by its
// norm, so a head's batch has W_O^h as its basis and the columns of W_V^h, divided by
// the norms, as its rows.
type Signals struct {
	Count int

	// Rows is [Count, Dims] without a basis, [Count, Rank] with one.
	Rows []float32

	// Basis is [Dims, Rank], or nil: element d of basis vector j is
	// Basis[d*BasisStride+j].
	Basis             []float32
	Rank, BasisStride int
}

// width returns the length of a row.
func (s *Signals) width(dims int) int {
	if s.Basis == nil {
		return dims
	}
	return s.Rank
}

// check panics on wrong lengths and returns an error that names the first NaN or
// infinite element.
func (s *Signals) check(dims int) error {
	width := s.width(dims)
	if s.Count < 0 || width < 0 || len(s.Rows) != s.Count*width {
		panic("omp: wrong number of signal elements")
	}
	if s.Basis != nil {
		if s.BasisStride < s.Rank || len(s.Basis) < (dims-1)*s.BasisStride+s.Rank {
			panic("omp: short basis")
		}
		for d := range dims {
			if at, bad := firstNonFinite(s.basis(d)); bad {
				return fmt.Errorf("basis vector %d: element %d is %g, want a finite number", at, d, s.basis(d)[at])
			}
		}
	}
	for i := range s.Count {
		row := s.row(i, width)
		if at, bad := firstNonFinite(row); bad {
			return fmt.Errorf("signal %d: element %d is %g, want a finite number", i, at, row[at])
		}
	}
	return nil
}

// row returns the row of signal i.
func (s *Signals) row(i, width int) []float32 { return s.Rows[i*width:][:width] }

// basis returns element d of every basis vector, [Rank].
func (s *Signals) basis(d int) []float32 { return s.Basis[d*s.BasisStride:][:s.Rank] }

// basisNorms returns the norms of the basis vectors, [Rank].
func (s *Signals) basisNorms(dims int) []float64 {
	norms := make([]float64, s.Rank)
	for d := range dims {
		for j, x := range s.basis(d) {
			norms[j] += float64(x) * float64(x)
		}
	}
	for j, sum := range norms {
		norms[j] = math.Sqrt(sum)
	}
	return norms
}

// expand writes signal i to y [Dims] and returns its norm.
func (s *Signals) expand(y []float64, i int) float64 {
	row := s.row(i, s.width(len(y)))
	sum := 0.0
	for d := range y {
		if s.Basis == nil {
			y[d] = float64(row[d])
		} else {
			y[d] = dot(s.basis(d), row)
		}
		sum += y[d] * y[d]
	}
	return math.Sqrt(sum)
}
