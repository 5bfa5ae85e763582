package float16

import "math"

// Narrow writes the bits of numbers that half precision holds exactly to dst. Others lose what it
// cannot hold. It panics if dst is short.
//
// Times 2^(15-127), exponents are at the place that they have in half precision and subnormal
// numbers are subnormal, so that no number needs a case of its own: they are in no order that a
// processor could predict.
func Narrow(dst []uint16, src []float32) {
	dst = dst[:len(src)]
	for i, f := range src {
		bits := math.Float32bits(f * 0x1p-112)
		dst[i] = uint16(bits>>16)&0x8000 | uint16(bits>>13)&0x7fff
	}
}
