package kernel

import (
	"math"
	"unsafe"
)

// Precision is the arithmetic of a convolution's products.
type Precision int

const (
	// Float32 multiplies and adds in float32.
	Float32 Precision = iota
	// BFloat16 rounds inputs and weights to bfloat16 (8 bits of mantissa,
	// float32's range), and adds the products in float32. It is nearly twice
	// as fast. A layer errs by 0.2 % of its largest output, with F(4x4) by
	// 1 %; RN50 with random weights by 0.6 % (root mean square), most of which
	// rounding the 1x1 convolutions alone does.
	BFloat16
)

// String is the precision's name in plans and manifests.
func (p Precision) String() string { return [...]string{"f32", "bf16"}[p] }

// HasBFloat16 reports whether the level in use can compute in BFloat16.
func HasBFloat16() bool { return activeFamily().pairTiles[1] != nil }

// A pair is two bfloat16 values in the bits of a float32, the first in the
// lower half. Matrices of pairs are laid out as those of values, and have half
// as many rows: a block of pairs holds two blocks of channels.

// rounded returns the bits of v rounded to bfloat16: to the nearest, ties to
// even, subnormal values to zero, as the processor does.
func rounded(v float32) uint32 {
	bits := math.Float32bits(v)
	switch {
	case v != v:
		return bits>>16 | 1<<6 // quiet
	case bits&(255<<23) == 0:
		return bits >> 31 << 15
	}
	return (bits + 0x7fff + bits>>16&1) >> 16
}

// set stores the weight of a lane of an input block for column j of a panel
// with that many lanes. The panel is zero before.
func (p *packed) set(panel []float32, lanes, block, lane, j int, v float32) {
	if !p.pairs {
		panel[(block*Lanes+lane)*lanes+j] = v
		return
	}
	at := (block/2*Lanes+block%2*Lanes/2+lane/2)*lanes + j
	word := (*uint32)(unsafe.Pointer(&panel[at]))
	*word |= rounded(v) << (lane % 2 * 16)
}

// rowsOf is the number of blocks of rows that blocks of channels take in a
// matrix.
func rowsOf(blocks int, pairs bool) int {
	if pairs {
		return (blocks + 1) / 2
	}
	return blocks
}

// zeroPixels is the partner of the last block of channels where their number
// is odd. No part that is rounded at once is larger.
var zeroPixels = Alloc(maxPairPixels * Lanes)

// maxPairPixels bounds the pixels that are rounded at once.
const maxPairPixels = 1024

// round fills dst [(blocks+1)/2][stride][Lanes] with the pairs of n pixels of
// the sources, from pixel first on.
func (f *family) round(dst []float32, stride int, sources []unsafe.Pointer, first, n int) {
	for b := 0; b < len(sources); b += 2 {
		for i := 0; i < n; i += maxPairPixels {
			count := min(maxPairPixels, n-i)
			at := (first + i) * laneBytes
			low, high := (*float32)(unsafe.Add(sources[b], at)), &zeroPixels[0]
			if b+1 < len(sources) {
				high = (*float32)(unsafe.Add(sources[b+1], at))
			}
			f.pairs(&dst[(b/2*stride+i)*Lanes], low, high, count)
		}
	}
}
