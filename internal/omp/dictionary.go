package omp

import (
	"fmt"
	"math"
)

// maxExponent bounds the norms of atoms and signals: the longest atom's is
// within 2^±maxExponent, and no signal's is larger. What is computed of them in
// float32 then stays far from its ends.
const maxExponent = 30

// tinyNorm is the least scaled norm that screening tells from others. Its
// correlations with signals, no longer than 2^maxExponent, are too small to be
// chosen.
const tinyNorm = 1.0 / (1 << 100)

// Dictionary is a list of atoms. It does not change, and several Coders may
// share it.
type Dictionary struct {
	Words, Dims int

	atoms   []float32 // [Words, Dims]
	squares []float64 // squared norms of the atoms, [Words]

	// scale is the power of two that brings the longest atom's norm into
	// [1/2, 1), and norms are all of them so scaled: the unit of correlations
	// while screening. Zero ones are tinyNorm instead.
	scale float64
	norms []float32 // [Words]
}

// NewDictionary takes atoms [words, dims], already normalised (see Normalize),
// and keeps them. It fails when there are none, when an element is NaN or
// infinite, or when the largest norm is not within 2^±30.
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
		if at, bad := notFinite(d.atom(w)); bad {
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
			return nil, fmt.Errorf("dictionary: atom %d: norm %.3g is the largest, want it within 2^-%d and 2^%d", longest, norm, maxExponent, maxExponent)
		}
		_, e := math.Frexp(norm) // norm = f·2^e, f in [1/2, 1)
		d.scale = math.Ldexp(1, -e)
	}
	for w, square := range d.squares {
		d.norms[w] = float32(max(math.Sqrt(square)*d.scale, tinyNorm))
	}
	return d, nil
}

// atom is the vector of a word, [Dims].
func (d *Dictionary) atom(word int) []float32 {
	return d.atoms[word*d.Dims:][:d.Dims:d.Dims]
}

// notFinite finds the first NaN or infinity.
func notFinite(x []float32) (at int, found bool) {
	for i, v := range x {
		if v-v != 0 {
			return i, true
		}
	}
	return 0, false
}
