package omp

import (
	"fmt"
	"math"
)

// maxExponent bounds the norms of atoms and signals: that of the longest atom is
// between 2^-maxExponent and 2^maxExponent, and no signal's is larger. So float32
// computations stay far from overflow and underflow.
const maxExponent = 30

// tinyNorm is the smallest scaled norm in screening. An atom with this norm has
// correlations that are too small to be chosen, since signals are no longer than
// 2^maxExponent.
const tinyNorm = 1.0 / (1 << 100)

// Dictionary is a list of atoms. It is immutable, and several Coders may share it.
type Dictionary struct {
	Words, Dims int

	atoms   []float32 // [Words, Dims]
	squares []float64 // squared norms of the atoms, [Words]

	// scale is the power of two that brings the longest atom's norm into [1/2, 1).
	// norms are the norms of all atoms times scale, at least tinyNorm: the unit of
	// correlations in screening.
	scale float64
	norms []float32 // [Words]
}

// NewDictionary returns a dictionary of atoms [words, dims], which must already be
// normalised (see Normalize). It retains the slice. It returns an error if there are
// no atoms, if an element is NaN or infinite, or if the largest norm is not between
// 2^-30 and 2^30.
func NewDictionary(atoms []float32, words, dims int) (*Dictionary, error) {
	if words < 0 || dims < 0 || len(atoms) != words*dims {
		panic("omp: atoms are not [words, dims]")
	}
	if words == 0 || dims == 0 {
		return nil, fmt.Errorf("dictionary: shape [%d,%d], want at least one atom of one dimension", words, dims)
	}
	d := &Dictionary{Words: words, Dims: dims, atoms: atoms, squares: make([]float64, words), scale: 1, norms: make([]float32, words)}
	longest := 0
	for w := range words {
		if at, bad := firstNonFinite(d.atom(w)); bad {
			return nil, fmt.Errorf("dictionary: atom %d: element %d is %g, want a finite number", w, at, d.atom(w)[at])
		}
		d.squares[w] = dot(d.atom(w), d.atom(w))
		if d.squares[w] > d.squares[longest] {
			longest = w
		}
	}
	norm := math.Sqrt(d.squares[longest])
	if norm > 0 {
		if e := math.Log2(norm); math.Abs(e) > maxExponent {
			return nil, fmt.Errorf("dictionary: atom %d: norm %.3g is the largest, want 2^-%d to 2^%d", longest, norm, maxExponent, maxExponent)
		}
		_, e := math.Frexp(norm) // norm = f·2^e, f in [1/2, 1)
		d.scale = math.Ldexp(1, -e)
	}
	for w, square := range d.squares {
		d.norms[w] = float32(max(math.Sqrt(square)*d.scale, tinyNorm))
	}
	return d, nil
}

// atom returns the vector of a word, [Dims].
func (d *Dictionary) atom(word int) []float32 {
	return d.atoms[word*d.Dims:][:d.Dims:d.Dims]
}

// firstNonFinite returns the index of the first NaN or infinite value.
func firstNonFinite(x []float32) (at int, found bool) {
	for i, v := range x {
		if v-v != 0 {
			return i, true
		}
	}
	return 0, false
}
