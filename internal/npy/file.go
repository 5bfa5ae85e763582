package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"sync"
	"unsafe"

	"github.com/clipnh/clipnh/internal/float16"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/mapping"
)

// File is an array of floats in row-major order that stays on disk. Several goroutines may read it at once.
type File struct {
	Header
	file  *os.File
	start int64       // byte offset of the first element
	info  fs.FileInfo // when it was opened

	mapOnce sync.Once
	mapping *mapping.Mapping // for View; nil if it cannot be mapped

	once     sync.Once
	rowMajor []float32 // all elements, when they lie in Fortran order and one was asked for
	err      error     // of reading them
}

// maxReordered is the most memory that an array in Fortran order may take as
// float32 in row-major order, in bytes: it is read whole.
const maxReordered = 4 << 30

// Open opens a .npy file for reading piece by piece. Its length is checked
// against its header. Elements other than float16, float32 and float64 are
// refused: ReadFile takes those. An array in Fortran order is brought into
// row-major order in memory when the first element is asked for, and refused
// where it takes more than 4 GiB.
func Open(path string) (*File, error) {
	return open(path, func(f *File) error {
		h, n, err := ReadHeader(f.file)
		if err != nil {
			return err
		}
		if h.DType != Float16 && h.DType != Float32 && h.DType != Float64 {
			return fmt.Errorf("elements are %s, want float16, float32 or float64", h.DType)
		}
		f.Header, f.start = h, int64(n)
		if f.reordered() && 4*int64(h.Count()) > maxReordered {
			return hinted{
				fmt.Errorf("%s of shape %s in Fortran order, want at most %d GiB as float32", h.DType, ShapeString(h.Shape), maxReordered>>30),
				"save it in C order: np.save(path, np.ascontiguousarray(array))",
			}
		}
		return nil
	})
}

// OpenRaw opens a headerless dump of little-endian float32, as np.memmap
// writes it. The file's length must be that of the shape.
func OpenRaw(path string, shape []int) (*File, error) {
	return open(path, func(f *File) error {
		f.Header = Header{DType: Float32, Shape: append([]int(nil), shape...)}
		return f.Header.check()
	})
}

// arrayFile is what a file is to be, for messages.
const arrayFile = "a NumPy array (.npy)"

// open opens path, has describe fill in what it holds, and checks its length.
func open(path string, describe func(*File) error) (*File, error) {
	file, err := foreign.Open(path)
	if err != nil {
		return nil, err
	}
	f := &File{file: file}
	if f.info, err = file.Stat(); err == nil {
		if err = describe(f); err == nil {
			err = f.fits(f.info.Size() - f.start)
		}
	}
	if err != nil {
		if errors.Is(err, errMagic) {
			err = foreign.Explain(file, arrayFile, err)
		}
		file.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return f, nil
}

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }
func (h hinted) Hint() string  { return h.hint }

// errChanged is the error of bytes that are not those which were opened.
var errChanged = errors.New("it was changed while it was read")

// Close closes the file, and ends the views of it.
func (f *File) Close() error {
	var err error
	if f.mapping != nil {
		err = f.mapping.Close()
	}
	return errors.Join(err, f.file.Close())
}

// hostLittle says that this machine keeps the least significant byte first.
var hostLittle = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// ReadFloat32 fills dst with the elements from number start on, in row-major
// order. It fails if the array does not have all of them. float64 elements are
// rounded. In addition to dst it needs only a small buffer, for float64; an array in
// Fortran order is converted on the first call and kept, at four bytes an element.
func (f *File) ReadFloat32(dst []float32, start int64) error {
	if err := f.within(start, len(dst)); err != nil || len(dst) == 0 {
		return err
	}
	if f.reordered() {
		if err := f.reorder(); err != nil {
			return err
		}
		copy(dst, f.rowMajor[start:])
		return nil
	}
	if f.DType == Float64 {
		return f.readFloat64(dst, start)
	}
	// The elements are read into the last bytes of dst's own memory and then
	// converted from the first on: each is at least as far along as the place
	// it goes to.
	size := f.DType.Size
	memory := unsafe.Slice((*byte)(unsafe.Pointer(&dst[0])), 4*len(dst))
	stored := memory[len(memory)-size*len(dst):]
	if _, err := f.file.ReadAt(stored, f.start+start*int64(size)); err != nil {
		return fmt.Errorf("read %s: element %d: %w", f.file.Name(), start, noEOF(err))
	}
	switch {
	case size == 2 && f.BigEndian:
		for i := range dst {
			dst[i] = float16.FromBits(binary.BigEndian.Uint16(stored[2*i:]))
		}
	case size == 2:
		float16.Widen(dst, stored)
	case f.BigEndian:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.BigEndian.Uint32(stored[4*i:]))
		}
	case !hostLittle:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(stored[4*i:]))
		}
	}
	return nil
}

// readFloat64 is ReadFloat32 for elements that are wider than the result.
func (f *File) readFloat64(dst []float32, start int64) error {
	order := binary.ByteOrder(binary.LittleEndian)
	if f.BigEndian {
		order = binary.BigEndian
	}
	buf := make([]byte, 8*min(len(dst), block))
	for lo := 0; lo < len(dst); lo += block {
		part := dst[lo:min(lo+block, len(dst))]
		if _, err := f.file.ReadAt(buf[:8*len(part)], f.start+8*(start+int64(lo))); err != nil {
			return fmt.Errorf("read %s: element %d: %w", f.file.Name(), start+int64(lo), noEOF(err))
		}
		for i := range part {
			part[i] = float32(math.Float64frombits(order.Uint64(buf[8*i:])))
		}
	}
	return nil
}

// ReadFloat32 reads all elements of a .npy file of numbers, in row-major
// order, and its shape. A file of floats takes only the memory of the result, or twice
// that if it is in Fortran order; other files also take their own length.
func ReadFloat32(path string) (data []float32, shape []int, err error) {
	f, err := Open(path)
	if err == nil {
		defer f.Close()
		data = make([]float32, f.Count())
		if err := f.ReadFloat32(data, 0); err != nil {
			return nil, nil, err
		}
		return data, f.Shape, nil
	}
	if errors.As(err, new(hinted)) { // of Open's kind, but too large
		return nil, nil, err
	}
	// Either not of Open's kind, or broken, which this finds too.
	a, err := ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	if data, err = a.Float32(); err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, a.Shape, nil
}
