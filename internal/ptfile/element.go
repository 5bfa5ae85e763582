package ptfile

import (
	"encoding/binary"
	"math"

	"github.com/clipnh/clipnh/internal/float16"
)

// IsFloat reports whether elements are floating-point numbers.
func (d DType) IsFloat() bool { return d == Float16 || d == BFloat16 || d == Float32 || d == Float64 }

// Value is the number that the bytes of one element are. It panics unless d is a
// floating-point type.
func (d DType) Value(b []byte) float64 {
	switch d {
	case Float16:
		return float64(float16.FromBits(binary.LittleEndian.Uint16(b)))
	case BFloat16:
		return float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16))
	case Float32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case Float64:
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	panic("ptfile: not a floating-point type")
}

// Put writes x to the bytes of one element, rounded to nearest even, to float32 first
// where the type is shorter. What is too large becomes infinite. It panics unless d is a
// floating-point type.
func (d DType) Put(b []byte, x float64) {
	switch d {
	case Float16:
		binary.LittleEndian.PutUint16(b, float16.Bits(float32(x)))
	case BFloat16:
		binary.LittleEndian.PutUint16(b, bfloat16Bits(float32(x)))
	case Float32:
		binary.LittleEndian.PutUint32(b, math.Float32bits(float32(x)))
	case Float64:
		binary.LittleEndian.PutUint64(b, math.Float64bits(x))
	default:
		panic("ptfile: not a floating-point type")
	}
}

// Round is x as an element of the type can hold it.
func (d DType) Round(x float64) float64 {
	var b [8]byte
	d.Put(b[:], x)
	return d.Value(b[:])
}

// bfloat16Bits rounds f to the nearest bfloat16, ties to even. NaN stays NaN.
func bfloat16Bits(f float32) uint16 {
	bits := math.Float32bits(f)
	if f != f {
		return uint16(bits>>16) | 0x40 // keep it one when its low bits are cut
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}
