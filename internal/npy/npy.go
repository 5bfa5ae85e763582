// Package npy reads and writes NumPy's array files: .npy, one array, and .npz,
// a zip archive of them; and the headerless .dat dumps of np.memmap.
//
// A Header describes how an array is stored: its element type, byte order, axis
// order and shape. An Array is a whole array in memory, read by ReadFile or
// from an Archive and converted on demand. A File is an array that stays on
// disk, of any size, and is read piece by piece.
//
// The layout of a .npy file, as numpy/lib/format.py defines it:
//
//	offset  bytes  content
//	0       6      "\x93NUMPY"
//	6       2      version: 1 0, 2 0 or 3 0
//	8       2      length of the text that follows, little-endian; 4 bytes from version 2 on
//	10, 12         text: a Python dict literal with the keys descr, fortran_order
//	               and shape, filled up with spaces and ended by a newline
//	then           the elements
//
// We write version 1.0, little-endian, in row-major (C) order. We read all
// three versions, both byte and both axis orders, and refuse Python objects,
// records and complex numbers. A file must hold exactly the bytes its header
// declares, and this is checked before anything is allocated.
package npy

import (
	"fmt"
	"math"
	"strconv"
)

// DType is an element type: a kind letter of NumPy's and a size in bytes.
type DType struct {
	Kind byte // 'b' bool, 'i' signed, 'u' unsigned, 'f' float, 'S' bytes, 'U' UTF-32 text
	Size int  // bytes per element; a 'U' element has Size/4 characters
}

// The element types of numbers.
var (
	Bool    = DType{'b', 1}
	Int8    = DType{'i', 1}
	Int16   = DType{'i', 2}
	Int32   = DType{'i', 4}
	Int64   = DType{'i', 8}
	Uint8   = DType{'u', 1}
	Uint16  = DType{'u', 2}
	Uint32  = DType{'u', 4}
	Uint64  = DType{'u', 8}
	Float16 = DType{'f', 2}
	Float32 = DType{'f', 4}
	Float64 = DType{'f', 8}
)

// String names the type as NumPy does: float32, int64, bool, S3.
func (d DType) String() string {
	switch d.Kind {
	case 'b':
		return "bool"
	case 'i':
		return "int" + strconv.Itoa(8*d.Size)
	case 'u':
		return "uint" + strconv.Itoa(8*d.Size)
	case 'f':
		return "float" + strconv.Itoa(8*d.Size)
	case 'U':
		return "U" + strconv.Itoa(d.Size/4)
	}
	return string(d.Kind) + strconv.Itoa(d.Size)
}

// Header describes an array: how many elements of which type, and in which
// order they lie.
type Header struct {
	DType     DType
	BigEndian bool  // each element's bytes, most significant first
	Fortran   bool  // the first axis runs fastest (column-major)
	Shape     []int // empty for a scalar
}

// Count is the number of elements, 1 for a scalar.
func (h Header) Count() int {
	n := 1
	for _, d := range h.Shape {
		n *= d
	}
	return n
}

// Row is the number of elements below one index of the first axis: the
// product of the others.
func (h Header) Row() int {
	if len(h.Shape) == 0 {
		return 1
	}
	return Header{Shape: h.Shape[1:]}.Count()
}

// Bytes is the number of bytes that the elements take.
func (h Header) Bytes() int64 { return int64(h.Count()) * int64(h.DType.Size) }

// ShapeString writes a shape as 1000x48x3072, and that of a scalar as
// "scalar".
func ShapeString(shape []int) string {
	if len(shape) == 0 {
		return "scalar"
	}
	var b []byte
	for i, d := range shape {
		if i > 0 {
			b = append(b, 'x')
		}
		b = strconv.AppendInt(b, int64(d), 10)
	}
	return string(b)
}

// maxDims is NumPy's own limit on the number of axes.
const maxDims = 32

// check returns an error when h's dimensions are negative, too many, or so
// large that the sizes derived from them could overflow. A zero dimension does
// not excuse the others, as in NumPy.
func (h Header) check() error {
	if len(h.Shape) > maxDims {
		return fmt.Errorf("%d axes, want at most %d", len(h.Shape), maxDims)
	}
	limit := math.MaxInt / max(h.DType.Size, 1)
	for _, d := range h.Shape {
		if d < 0 {
			return fmt.Errorf("shape %s: negative dimension", ShapeString(h.Shape))
		}
		if d > 0 {
			limit /= d
		}
		if limit == 0 {
			return fmt.Errorf("shape %s: more bytes than can be counted", ShapeString(h.Shape))
		}
	}
	return nil
}
