package ptfile

import (
	"encoding/binary"
	"math"
	"sync"
)

// toFloat32 converts the first len(dst) little-endian elements of src, which
// have type d. float64 and integers are rounded to nearest even, everything
// else is exact; a bool is 0 or 1.
func toFloat32(dst []float32, src []byte, d DType) {
	src = src[:len(dst)*d.Size()]
	switch d {
	case Float16:
		table := halfTable()
		for i := range dst {
			dst[i] = table[binary.LittleEndian.Uint16(src[2*i:])]
		}
	case BFloat16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
		}
	case Float32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case Float64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
		}
	default:
		for i := range dst {
			dst[i] = float32(integer(src, i, d))
		}
	}
}

// toInt64 converts the first len(dst) little-endian integers or bools of src.
func toInt64(dst []int64, src []byte, d DType) {
	for i := range dst {
		dst[i] = integer(src, i, d)
	}
}

// integer is element i of src, an array of integers or bools.
func integer(src []byte, i int, d DType) int64 {
	switch d {
	case Int8:
		return int64(int8(src[i]))
	case Uint8:
		return int64(src[i])
	case Int16:
		return int64(int16(binary.LittleEndian.Uint16(src[2*i:])))
	case Int32:
		return int64(int32(binary.LittleEndian.Uint32(src[4*i:])))
	case Int64:
		return int64(binary.LittleEndian.Uint64(src[8*i:]))
	case Bool:
		if src[i] != 0 {
			return 1
		}
		return 0
	}
	panic("ptfile: not an integer type")
}

// halfTable holds the float32 of every half, by its bits. A look-up takes half
// the time of shifting and testing each value; the table's 256 KiB stay in the
// second-level cache.
var halfTable = sync.OnceValue(func() *[1 << 16]float32 {
	table := new([1 << 16]float32)
	for h := range table {
		table[h] = halfToFloat32(uint16(h))
	}
	return table
})

// halfToFloat32 widens IEEE half precision exactly; NaN keeps its payload.
//
// A normal half is its exponent and mantissa shifted by the 13 mantissa bits
// that float32 has more, and its exponent rebiased from 15 to 127.
func halfToFloat32(h uint16) float32 {
	const (
		shift  = 23 - 10
		rebias = (127 - 15) << 23
		normal = 0x0400 // the smallest normal half
		inf    = 0x7c00
	)
	sign, magnitude := uint32(h)>>15<<31, uint32(h)&0x7fff
	switch {
	case magnitude >= inf:
		return math.Float32frombits(sign | magnitude<<shift | 0xff<<23)
	case magnitude >= normal:
		return math.Float32frombits(sign | (magnitude<<shift + rebias))
	default: // a multiple of the smallest half, 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(magnitude)/(1<<24)))
	}
}
