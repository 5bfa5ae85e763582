// Package float16 converts between float32 and IEEE 754 binary16, half
// precision: 1 sign bit, 5 bits of exponent biased by 15, 10 bits of fraction.
package float16

import "math"

// FromBits is the number of the bits h. It is exact, and NaN keeps its payload.
func FromBits(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	mantissa := uint32(h & 0x3ff)
	switch exponent := uint32(h>>10) & 0x1f; exponent {
	case 0: // zero, or subnormal: a multiple of 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(mantissa)*0x1p-24))
	case 31: // infinity, NaN
		return math.Float32frombits(sign | 0x7f800000 | mantissa<<13)
	default: // the exponents' offsets are 15 and 127
		return math.Float32frombits(sign | (exponent+112)<<23 | mantissa<<13)
	}
}

// Bits rounds f to the nearest binary16 number, ties to even, and returns its
// bits. A finite f of 65520 or more in size becomes infinite; NaN stays NaN,
// and keeps its sign and the upper bits of its payload.
func Bits(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits>>16) & 0x8000
	size := bits & 0x7fffffff
	switch {
	case size > 0x7f800000: // NaN: keep it one when its low bits are cut
		return sign | 0x7e00 | uint16(size>>13)&0x1ff
	case size >= 0x477ff000: // 65520, half way from the largest number to 2^16
		return sign | 0x7c00
	case size >= 0x38800000: // 2^-14, the smallest normal number
		odd := size >> 13 & 1
		return sign | uint16((size+0xfff+odd-112<<23)>>13)
	default: // in units of 2^-24; the product is exact
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(size))*0x1p24))
	}
}
