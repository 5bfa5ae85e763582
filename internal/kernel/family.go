package kernel

import "github.com/clipnh/clipnh/internal/kernel/cpu"

//go:generate go -C _generate run .

// family is one implementation of the inner loops.
type family struct {
	// tiles[w][r] computes r pixels by w blocks of outputs.
	tiles [maxWidth + 1][]tileFunc
	// pairTiles do the same on pairs of bfloat16 values, which the function pairs
	// makes from two blocks of n pixels. They are nil if the processor has no bfloat16
	// products.
	pairTiles [maxWidth + 1][]tileFunc
	pairs     func(dst, low, high *float32, n int)
	// alternate says that pairTiles want two rows of weights at a time, a pair of one
	// and of the other in turn.
	alternate bool
	// winogradIn[m] and winogradOut[m] transform tiles of F(m x m).
	winogradIn  [5]func(*winogradIn)
	winogradOut [5]func(*winogradOut)
	layerNorm   func(*normArgs)
	// softmaxPixel replaces the values of a pixel by their softmax.
	softmaxPixel func(*softmaxArgs)
	// transpose writes the transpose of a matrix whose sides are multiples of 8;
	// dstRow and srcRow are distances between rows in bytes.
	transpose func(dst, src *float32, dstRow, srcRow, rows, columns int)
	// addRows adds the product of a row a and k rows of b to y, in the order and with
	// the rounding of the tile kernels; n is a multiple of Lanes. It is nil if the
	// compiler chooses the rounding.
	addRows func(y, a, b *float32, bRow, k, n int)
	// addHalfRows does the same with b in half precision.
	addHalfRows func(y, a *float32, b *uint16, bRow, k, n int)
	// sumRows is addRows with the rounding of Go's own loops, which on arm64 is the same.
	sumRows func(y, a, b *float32, bRow, k, n int)
	// dot, exceed and finite are those of Dot, Exceeding and FirstNonFinite for groups of
	// numbers, 32 of dot and 8 of the others. They are nil in plain Go.
	dot    func(x, y *float32, n int, lanes *float32)
	exceed func(x, least *float32, n int, own float32) int
	finite func(x *float32, n int) int
	// The others work on n values; n is a multiple of Lanes.
	quickGELU func(x *float32, n int)
	gelu      func(x *float32, n int)
	maxLanes  func(x *float32, n int, lanes *float32)
	expLanes  func(x *float32, n int, shift float32, lanes *float32)
	scale     func(x *float32, n int, by float32)
	poolRow   func(dst, top, bottom *float32, pixels int)
}

// maxWidth is the largest number of blocks in a panel.
const maxWidth = 3

// families are the implementations by level. Those in assembly add themselves.
var families = [...]*family{cpu.Generic: &generic, cpu.AVX2: nil, cpu.AVX512: nil, cpu.NEON: nil}

// generic is the family in plain Go. It defines what the others compute.
var generic = family{
	tiles:       [maxWidth + 1][]tileFunc{1: {1: tileRef, 2: tileRef, 3: tileRef, 4: tileRef}},
	winogradIn:  [5]func(*winogradIn){2: winogradIn2Ref, 4: winogradIn4Ref},
	winogradOut: [5]func(*winogradOut){2: winogradOut2Ref, 4: winogradOut4Ref},
	layerNorm:   layerNormRef,

	softmaxPixel: softmaxPixelRef,
	transpose:    transposeRef,
	sumRows:      sumRowsRef,

	quickGELU: quickGELURef,
	gelu:      geluRef,
	maxLanes:  maxLanesRef,
	expLanes:  expLanesRef,
	scale:     scaleRef,
	poolRow:   poolRowRef,
}

// activeFamily returns the family of the active level.
func activeFamily() *family { return families[cpu.Active()] }

// panelWidth returns the number of blocks in a full panel, for n blocks of outputs.
// With three blocks each pixel is read least often, with two there is room for more
// pixels. Both are equally fast, but a last panel of one block is slower and is avoided
// if possible.
func (f *family) panelWidth(n int) int {
	switch {
	case f.tiles[3] != nil && (n%3 == 0 || n%6 == 5):
		return 3
	case f.tiles[2] != nil:
		return 2
	}
	return 1
}
