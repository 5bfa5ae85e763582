package ptfile

import (
	"fmt"
	"hash/crc32"
	"slices"
	"sync"

	"github.com/clipnh/clipnh/internal/foreign"
)

// chunkBytes is how much of a storage is read at a time: it stays in the
// second-level cache from the read through the checksum to the conversion.
const chunkBytes = 256 << 10

var chunks = sync.Pool{New: func() any { return new([chunkBytes]byte) }}

// Float32 writes t's elements to dst in row-major order, converted from any
// element type; dst has t.Len() elements. The first read from a zip record
// covers the whole record and verifies its CRC-32; the older torch form and
// safetensors have no checksums. After an error dst's values mean nothing. t
// must come from f.
func (f *File) Float32(t Tensor, dst []float32) error {
	return read(f, t, dst, toFloat32)
}

// Int64 returns t's elements in row-major order; t has an integer type or
// bool. It is meant for the small tensors that configure a model. Checks are
// those of Float32.
func (f *File) Int64(t Tensor) ([]int64, error) {
	switch t.DType {
	case Float16, BFloat16, Float32, Float64:
		return nil, f.tensorError(t, fmt.Errorf("type %s, want integers", t.DType))
	}
	dst := make([]int64, t.Len())
	if err := read(f, t, dst, toInt64); err != nil {
		return nil, err
	}
	return dst, nil
}

func (f *File) tensorError(t Tensor, err error) error {
	name := foreign.Name(t.Name)
	if t.Name == "" {
		name = "the only tensor"
	}
	return fmt.Errorf("%s: %s: %w", f.path, name, err)
}

// read converts t's elements into dst.
func read[T scattered](f *File, t Tensor, dst []T, convert func(dst []T, src []byte, d DType)) error {
	if len(dst) != t.Len() {
		return f.tensorError(t, fmt.Errorf("room for %d elements, want %d for shape %v", len(dst), t.Len(), t.Shape))
	}
	if !slices.Equal(t.Shape, t.view.shape) {
		return f.tensorError(t, fmt.Errorf("read with shape %v, but the file has it with %v", t.Shape, t.view.shape))
	}
	w := scatter[T]{dst: dst, dtype: t.DType, convert: convert}
	w.start(t.view)
	return f.stream(t, w.first, w.end, func(chunk []byte, start int) error {
		w.take(chunk, start)
		return nil
	})
}

// stream hands over elements first to end of t's storage chunk by chunk, or all of it
// while its checksum is unverified. take gets whole elements, the first of which is
// number start of the storage.
func (f *File) stream(t Tensor, first, end int, take func(chunk []byte, start int) error) error {
	s := t.view.store
	size := int64(s.dtype.Size())
	from, to := int64(first)*size, int64(end)*size
	verify := s.checksum && !s.verified.Load()
	if verify {
		from, to = 0, s.bytes()
	}
	source := f.r
	if s.source != nil {
		source = s.source
	}
	buffer := chunks.Get().(*[chunkBytes]byte)
	defer chunks.Put(buffer)
	var sum uint32
	for at := from; at < to; at += chunkBytes {
		chunk := buffer[:min(chunkBytes, to-at)]
		if err := readFull(source, chunk, s.at+at); err != nil {
			return f.tensorError(t, err)
		}
		if verify {
			sum = crc32.Update(sum, crc32.IEEETable, chunk)
		}
		if err := take(chunk, int(at/size)); err != nil {
			return err
		}
	}
	if verify {
		if sum != s.crc {
			return f.tensorError(t, fmt.Errorf("%s: CRC-32 is %08x, want %08x", foreign.Name(s.record), sum, s.crc))
		}
		s.verified.Store(true)
	}
	return nil
}

// scattered are the types that elements are read as: converted, or as the bits that they
// are.
type scattered interface {
	float32 | int64 | uint8 | uint16 | uint32 | uint64
}

// scatter moves consecutive chunks of a storage to the places that a view
// gives their elements in dst. The axes by falling stride form an odometer
// whose position in the storage only grows (view.check), so one pass suffices.
type scatter[T scattered] struct {
	dst     []T
	dtype   DType
	convert func(dst []T, src []byte, d DType)

	axes       []axis
	index      []int // per axis
	first, end int   // storage elements that the view spans
	from, to   int   // where the odometer stands in the storage and in dst
	done       bool

	values []T // a converted chunk
}

// start sets the odometer to the view's first element.
func (w *scatter[T]) start(v *view) {
	w.axes = v.axes()
	w.index = make([]int, len(w.axes))
	w.first, w.end, w.from, w.to = v.offset, v.offset, v.offset, 0
	w.done = len(w.dst) == 0
	if w.done {
		return
	}
	for _, a := range w.axes {
		w.end += a.stride * (a.size - 1)
	}
	w.end++
}

// take moves the elements of a chunk whose first one is storage element start.
func (w *scatter[T]) take(chunk []byte, start int) {
	size := w.dtype.Size()
	end := start + len(chunk)/size
	converted := false
	inner := len(w.axes) - 1
	a := w.axes[inner]
	for !w.done && w.from < end {
		n := min(a.size-w.index[inner], (end-w.from+a.stride-1)/a.stride)
		if a.stride == 1 && a.step == 1 {
			w.convert(w.dst[w.to:w.to+n], chunk[(w.from-start)*size:], w.dtype)
		} else {
			if !converted {
				if w.values == nil {
					w.values = make([]T, end-start)
				}
				w.convert(w.values[:end-start], chunk, w.dtype)
				converted = true
			}
			for i := range n {
				w.dst[w.to+i*a.step] = w.values[w.from-start+i*a.stride]
			}
		}
		w.advance(inner, n)
	}
}

// advance moves the odometer n elements along axis i, which has as many left,
// and carries.
func (w *scatter[T]) advance(i, n int) {
	for ; i >= 0; i, n = i-1, 1 {
		a := w.axes[i]
		w.index[i] += n
		w.from += n * a.stride
		w.to += n * a.step
		if w.index[i] < a.size {
			return
		}
		w.index[i] = 0
		w.from -= a.size * a.stride
		w.to -= a.size * a.step
	}
	w.done = true
}
