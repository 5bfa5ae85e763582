package ptfile

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Copy writes the bytes of t's elements to w, little-endian and row-major, as they are in
// the file. A row-major tensor is streamed; of another, such as a transposed one, all
// elements are in memory. Checks are those of Float32, but that a wrong checksum is found
// after the bytes are written. t must come from f.
func (f *File) Copy(w io.Writer, t Tensor) error {
	axes := t.view.axes()
	if len(axes) == 1 && axes[0].stride == 1 {
		return f.copyRange(w, t, t.view.offset, t.view.offset+t.Len())
	}
	switch t.DType.Size() {
	case 1:
		return copyScattered[uint8](f, w, t)
	case 2:
		return copyScattered[uint16](f, w, t)
	case 4:
		return copyScattered[uint32](f, w, t)
	case 8:
		return copyScattered[uint64](f, w, t)
	}
	panic("ptfile: elements of another size")
}

// copyRange writes elements first to end of t's storage.
func (f *File) copyRange(w io.Writer, t Tensor, first, end int) error {
	size := t.DType.Size()
	return f.stream(t, first, end, func(chunk []byte, start int) error {
		n := len(chunk) / size
		lo, hi := max(first-start, 0), min(end-start, n)
		if lo >= hi {
			return nil
		}
		_, err := w.Write(chunk[lo*size : hi*size])
		return err
	})
}

func copyScattered[T uint8 | uint16 | uint32 | uint64](f *File, w io.Writer, t Tensor) error {
	bits := make([]T, t.Len())
	if err := read(f, t, bits, toBits[T]); err != nil {
		return err
	}
	const group = 1 << 16
	buf := make([]byte, 0, group*t.DType.Size())
	for lo := 0; lo < len(bits); lo += group {
		part := bits[lo:min(lo+group, len(bits))]
		var err error
		if buf, err = binary.Append(buf[:0], binary.LittleEndian, part); err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	return nil
}

// toBits takes the first len(dst) elements of src, which have the size of T, as they are.
func toBits[T uint8 | uint16 | uint32 | uint64](dst []T, src []byte, d DType) {
	size := d.Size()
	for i := range dst {
		var bits uint64
		for b, x := range src[i*size : (i+1)*size] {
			bits |= uint64(x) << (8 * b)
		}
		dst[i] = T(bits)
	}
}
