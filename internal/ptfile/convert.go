package ptfile

import (
	"encoding/binary"
	"math"

	"github.com/clipnh/clipnh/internal/float16"
)

// toFloat32 converts the first len(dst) little-endian elements of src, which
// have type d. float64 and integers are rounded to nearest even, everything
// else is exact; a bool is 0 or 1.
func toFloat32(dst []float32, src []byte, d DType) {
	src = src[:len(dst)*d.Size()]
	switch d {
	case Float16:
		float16.Widen(dst, src)
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
