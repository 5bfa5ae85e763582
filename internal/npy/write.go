package npy

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"unsafe"

	"github.com/clipnh/clipnh/internal/float16"
)

// Element is a type that Write takes.
type Element interface {
	bool | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | float32 | float64
}

// dtypeOf returns the element type that stores T.
func dtypeOf[T Element]() DType {
	var zero T
	switch any(zero).(type) {
	case bool:
		return Bool
	case int8:
		return Int8
	case int16:
		return Int16
	case int32:
		return Int32
	case int64:
		return Int64
	case uint8:
		return Uint8
	case uint16:
		return Uint16
	case uint32:
		return Uint32
	case uint64:
		return Uint64
	case float32:
		return Float32
	}
	return Float64
}

// block is how many elements are encoded at a time.
const block = 1 << 14

// Write writes data, row-major and of the given shape, as a .npy file. It
// panics when their sizes differ.
func Write[T Element](w io.Writer, shape []int, data []T) error {
	return write(w, dtypeOf[T](), shape, len(data), func(dst []byte, lo, hi int) ([]byte, error) {
		return binary.Append(dst, binary.LittleEndian, data[lo:hi])
	})
}

// WriteFloat32 is Write for float32.
func WriteFloat32(w io.Writer, shape []int, data []float32) error {
	return write(w, Float32, shape, len(data), func(dst []byte, lo, hi int) ([]byte, error) {
		return AppendFloat32(dst, data[lo:hi]), nil
	})
}

// WriteString writes one text as a scalar of bytes (|S), as scipy does for the
// name of a sparse format. The text must not be empty or end in a zero byte.
func WriteString(w io.Writer, text string) error {
	if text == "" || text[len(text)-1] == 0 {
		return fmt.Errorf("text %q: want one that ends in a character", text)
	}
	return write(w, DType{'S', len(text)}, nil, 1, func(dst []byte, _, _ int) ([]byte, error) {
		return append(dst, text...), nil
	})
}

func write(w io.Writer, dtype DType, shape []int, n int, encode func(dst []byte, lo, hi int) ([]byte, error)) error {
	if (Header{Shape: shape}).Count() != n {
		panic("npy: data does not match the shape")
	}
	if _, err := w.Write(AppendHeader(nil, dtype, shape)); err != nil {
		return err
	}
	return writeBlocks(w, dtype.Size, n, encode)
}

// WriteElements writes the little-endian bytes of data, without a header.
func WriteElements(w io.Writer, data []float32) error {
	return writeBlocks(w, Float32.Size, len(data), func(dst []byte, lo, hi int) ([]byte, error) {
		return AppendFloat32(dst, data[lo:hi]), nil
	})
}

func writeBlocks(w io.Writer, size, n int, encode func(dst []byte, lo, hi int) ([]byte, error)) error {
	buf := make([]byte, 0, min(n, block)*size)
	for lo := 0; lo < n; lo += block {
		var err error
		if buf, err = encode(buf[:0], lo, min(lo+block, n)); err != nil {
			return err
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	return nil
}

// AppendFloat32 appends the little-endian bytes of src.
func AppendFloat32(dst []byte, src []float32) []byte {
	if hostLittle && len(src) > 0 {
		return append(dst, unsafe.Slice((*byte)(unsafe.Pointer(&src[0])), 4*len(src))...)
	}
	n := len(dst)
	dst = append(dst, make([]byte, 4*len(src))...)
	for i, f := range src {
		binary.LittleEndian.PutUint32(dst[n+4*i:], math.Float32bits(f))
	}
	return dst
}

// AppendFloat16 appends the little-endian bytes of src rounded to float16. A
// finite number too large for it is an error.
func AppendFloat16(dst []byte, src []float32) ([]byte, error) {
	for _, f := range src {
		h := float16.Bits(f)
		if h&0x7fff == 0x7c00 && !math.IsInf(float64(f), 0) {
			return dst, fmt.Errorf("value %g does not fit in float16", f)
		}
		dst = binary.LittleEndian.AppendUint16(dst, h)
	}
	return dst, nil
}
