package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/clipnh/clipnh/internal/float16"
	"github.com/clipnh/clipnh/internal/foreign"
)

// Array is a whole array in memory, its elements as they were stored.
type Array struct {
	Header
	data []byte
}

// fits returns an error unless the elements take exactly size bytes.
func (h Header) fits(size int64) error {
	if h.Bytes() != size {
		return fmt.Errorf("%d bytes of elements, want %d (%s of shape %s)", size, h.Bytes(), h.DType, ShapeString(h.Shape))
	}
	return nil
}

// ReadFile reads a .npy file. It needs as much memory as the file is long; for
// large files see Open and ReadFloat32.
func ReadFile(path string) (*Array, error) {
	file, err := foreign.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	a, err := readAll(file)
	if err != nil {
		if errors.Is(err, errMagic) {
			err = foreign.Explain(file, arrayFile, err)
		}
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return a, nil
}

// readAll reads a file whose length must be what its header asks for, so that no
// memory is taken for another.
func readAll(file *os.File) (*Array, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	h, n, err := ReadHeader(file)
	if err != nil {
		return nil, err
	}
	if err := h.fits(info.Size() - int64(n)); err != nil {
		return nil, err
	}
	a := &Array{h, make([]byte, h.Bytes())}
	if _, err := io.ReadFull(file, a.data); err != nil {
		return nil, noEOF(err)
	}
	return a, nil
}

// Float32 returns the elements in row-major order, as the nearest float32. A
// bool becomes 0 or 1; text is an error. It takes at most four times the
// memory of the stored elements, and twice that in Fortran order.
func (a *Array) Float32() ([]float32, error) {
	if a.DType == Float32 {
		out := make([]float32, a.Count())
		if a.BigEndian {
			for i := range out {
				out[i] = math.Float32frombits(binary.BigEndian.Uint32(a.data[4*i:]))
			}
		} else { // nearly every file: without a call for each element
			for i := range out {
				out[i] = math.Float32frombits(binary.LittleEndian.Uint32(a.data[4*i:]))
			}
		}
		return rowMajor(a.Header, out), nil
	}
	return convert[float32](a)
}

// Float64 returns the elements in row-major order. Integers beyond 2^53 are
// rounded, a bool becomes 0 or 1, text is an error.
func (a *Array) Float64() ([]float64, error) { return convert[float64](a) }

// Int64 returns the elements of an integer or bool array in row-major order.
// Floats, text, and unsigned numbers beyond the largest int64 are errors.
func (a *Array) Int64() ([]int64, error) {
	switch a.DType.Kind {
	case 'i', 'b':
	case 'u':
		if a.DType == Uint64 {
			for i := range a.Count() {
				if u := a.order().Uint64(a.data[8*i:]); u > math.MaxInt64 {
					return nil, fmt.Errorf("element %d is %d, want at most %d", i, u, int64(math.MaxInt64))
				}
			}
		}
	default:
		return nil, fmt.Errorf("elements are %s, want integers", a.DType)
	}
	return convert[int64](a)
}

// Bool returns the elements of a bool array in row-major order.
func (a *Array) Bool() ([]bool, error) {
	if a.DType != Bool {
		return nil, fmt.Errorf("elements are %s, want bool", a.DType)
	}
	out := make([]bool, a.Count())
	for i := range out {
		out[i] = a.data[i] != 0
	}
	return rowMajor(a.Header, out), nil
}

// Strings returns the elements of a text array (S or U) in row-major order,
// without the zero characters that fill them up. It takes at most 24 bytes for
// each stored one, and 16 more in Fortran order.
func (a *Array) Strings() ([]string, error) {
	size := a.DType.Size
	if a.DType.Kind != 'S' && a.DType.Kind != 'U' {
		return nil, fmt.Errorf("elements are %s, want text", a.DType)
	}
	out := make([]string, a.Count())
	for i := range out {
		b := a.data[i*size : (i+1)*size]
		if a.DType.Kind == 'S' {
			out[i] = strings.TrimRight(string(b), "\x00")
			continue
		}
		var text strings.Builder
		for ; len(b) > 0; b = b[4:] {
			text.WriteRune(rune(a.order().Uint32(b)))
		}
		out[i] = strings.TrimRight(text.String(), "\x00")
	}
	return rowMajor(a.Header, out), nil
}

func (a *Array) order() binary.ByteOrder {
	if a.BigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// convert gives every number the type T, in row-major order.
func convert[T float32 | float64 | int64](a *Array) ([]T, error) {
	order, data := a.order(), a.data
	var at func(i int) T
	switch a.DType {
	case Bool:
		at = func(i int) T {
			if data[i] != 0 {
				return 1
			}
			return 0
		}
	case Int8:
		at = func(i int) T { return T(int8(data[i])) }
	case Int16:
		at = func(i int) T { return T(int16(order.Uint16(data[2*i:]))) }
	case Int32:
		at = func(i int) T { return T(int32(order.Uint32(data[4*i:]))) }
	case Int64:
		at = func(i int) T { return T(int64(order.Uint64(data[8*i:]))) }
	case Uint8:
		at = func(i int) T { return T(data[i]) }
	case Uint16:
		at = func(i int) T { return T(order.Uint16(data[2*i:])) }
	case Uint32:
		at = func(i int) T { return T(order.Uint32(data[4*i:])) }
	case Uint64:
		at = func(i int) T { return T(order.Uint64(data[8*i:])) }
	case Float16:
		at = func(i int) T { return T(float16.FromBits(order.Uint16(data[2*i:]))) }
	case Float32:
		at = func(i int) T { return T(math.Float32frombits(order.Uint32(data[4*i:]))) }
	case Float64:
		at = func(i int) T { return T(math.Float64frombits(order.Uint64(data[8*i:]))) }
	default:
		return nil, fmt.Errorf("elements are %s, want numbers", a.DType)
	}
	out := make([]T, a.Count())
	for i := range out {
		out[i] = at(i)
	}
	return rowMajor(a.Header, out), nil
}

// rowMajor returns stored as it is, or, when h says that the first axis runs
// fastest, a reordered copy.
func rowMajor[T any](h Header, stored []T) []T {
	if !h.Fortran || len(h.Shape) < 2 || len(stored) == 0 {
		return stored
	}
	out := make([]T, len(stored))
	place := newOrder(h.Shape)
	for _, x := range stored {
		out[place.at] = x
		place.next()
	}
	return out
}
