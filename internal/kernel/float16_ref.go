package kernel

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// float16ToFloat32Ref converts half floats in plain Go.
func float16ToFloat32Ref(dst *float32, src *byte, n int) {
	d, s := unsafe.Slice(dst, n), unsafe.Slice(src, 2*n)
	for i := range d {
		d[i] = fromHalf(binary.LittleEndian.Uint16(s[2*i:]))
	}
}

// fromHalf converts one half float: 1 sign bit, 5 bits of exponent biased by
// 15, 10 bits of fraction.
func fromHalf(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp, frac := uint32(h>>10&31), uint32(h&1023)
	switch exp {
	case 0: // zero or subnormal: frac * 2^-24
		v := float32(frac) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 31: // infinite or NaN, made quiet as the processor does
		if frac != 0 {
			frac |= 1 << 9
		}
		return math.Float32frombits(sign | 255<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}

// bfloat16ToFloat32Ref converts bfloat16 values in plain Go.
func bfloat16ToFloat32Ref(dst *float32, src *byte, n int) {
	d, s := unsafe.Slice(dst, n), unsafe.Slice(src, 2*n)
	for i := range d {
		d[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(s[2*i:])) << 16)
	}
}

// float32ToFloat16Ref converts to half floats in plain Go.
func float32ToFloat16Ref(dst *byte, src *float32, n int) {
	d := unsafe.Slice(dst, 2*n)
	for i, v := range unsafe.Slice(src, n) {
		binary.LittleEndian.PutUint16(d[2*i:], toHalf(v))
	}
}

// toHalf converts to one half float.
func toHalf(v float32) uint16 {
	bits := math.Float32bits(v)
	sign := uint16(bits >> 16 & 0x8000)
	bits &= 1<<31 - 1
	switch {
	case bits > 255<<23: // NaN keeps the top of its payload
		return sign | 0x7e00 | uint16(bits>>13&0x1ff)
	case bits >= (127+16)<<23: // 65536 and above
		return sign | 0x7c00
	case bits < (127-14)<<23: // below the smallest normal half: a multiple of 2^-24
		// Adding 0.5 leaves the multiple in the low bits, rounded by the
		// addition itself to the nearest even.
		sum := math.Float32frombits(bits) + 0.5
		return sign | uint16(math.Float32bits(sum)-126<<23)
	}
	bits -= (127 - 15) << 23
	bits += 0xfff + bits>>13&1 // ties to even; a carry moves into the exponent
	return sign | uint16(bits>>13)
}
