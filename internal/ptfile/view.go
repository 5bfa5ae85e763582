package ptfile

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"sync/atomic"
)

// maxDims bounds a tensor's number of dimensions; torch's own bound is 64.
const maxDims = 64

// storage is a flat array of elements in the file.
type storage struct {
	source   io.ReaderAt // of a shard; nil for the file itself
	record   string      // name of the zip record, "" elsewhere
	dtype    DType
	elements int   // checked: elements*dtype.Size() bytes lie in the file
	at       int64 // file offset of the first element
	checksum bool  // there is a CRC-32 to verify
	crc      uint32
	verified atomic.Bool // the CRC-32 was found right
}

// bytes is the storage's length in the file.
func (s *storage) bytes() int64 { return int64(s.elements) * int64(s.dtype.Size()) }

// view places a tensor in a storage: the element at index (i, j, ...) is
// element offset + i*strides[0] + j*strides[1] + ... of the storage.
type view struct {
	store   *storage
	shape   []int
	strides []int // in elements
	offset  int   // in elements
}

// check reports a view that does not lie inside its storage or meets an
// element twice. So a tensor never has more elements than its storage, and
// walking its axes by falling stride walks the storage forwards.
func (v *view) check() error {
	if len(v.shape) != len(v.strides) || len(v.shape) > maxDims {
		return fmt.Errorf("%d dimensions and %d strides, want equally many and at most %d", len(v.shape), len(v.strides), maxDims)
	}
	empty := false
	for i, d := range v.shape {
		if d < 0 || d > math.MaxInt32 {
			return fmt.Errorf("dimension %d is %d, want 0..%d", i, d, math.MaxInt32)
		}
		if v.strides[i] < 0 {
			return fmt.Errorf("stride %d is %d, want none below 0", i, v.strides[i])
		}
		empty = empty || d == 0
	}
	if v.offset < 0 || v.offset > v.store.elements {
		return fmt.Errorf("offset %d into a storage of %d elements", v.offset, v.store.elements)
	}
	if empty {
		return nil
	}
	beyond := func() error {
		return fmt.Errorf("shape %s, strides %s, offset %d reach beyond the storage of %d elements",
			brackets(v.shape), brackets(v.strides), v.offset, v.store.elements)
	}
	twice := func() error {
		return fmt.Errorf("shape %s with strides %s meets an element twice", brackets(v.shape), brackets(v.strides))
	}
	room := v.store.elements - v.offset - 1 // elements after the first
	if room < 0 {
		return beyond()
	}
	for i, d := range v.shape {
		if d == 1 {
			continue
		}
		if v.strides[i] == 0 {
			return twice()
		}
		if v.strides[i] > room/(d-1) {
			return beyond()
		}
		room -= v.strides[i] * (d - 1)
	}
	span := 0 // from first to last element of the axes within
	for _, a := range slices.Backward(v.axes()) {
		if a.stride <= span {
			return twice()
		}
		span += a.stride * (a.size - 1)
	}
	return nil
}

// brackets writes numbers as [2 3], the first few of many.
func brackets[T any](list []T) string {
	const most = 8
	if len(list) > most {
		return fmt.Sprintf("%v...", list[:most])
	}
	return fmt.Sprint(list)
}

// axis is a dimension as a walk through the storage meets it.
type axis struct {
	size   int
	stride int // to the next element in the storage
	step   int // to the next element of the row-major tensor
}

// axes returns the tensor's dimensions by falling stride, without those of
// size 1; there is at least one. Neighbours that are one longer axis both in
// the storage and in the tensor are merged, so that a contiguous tensor has a
// single axis.
func (v *view) axes() []axis {
	all := make([]axis, 0, len(v.shape))
	step := 1
	for i := len(v.shape) - 1; i >= 0; i-- {
		if v.shape[i] != 1 {
			all = append(all, axis{v.shape[i], v.strides[i], step})
		}
		step *= v.shape[i]
	}
	slices.Reverse(all)
	slices.SortStableFunc(all, func(a, b axis) int { return cmp.Compare(b.stride, a.stride) })
	merged := all[:0]
	for _, a := range all {
		if n := len(merged); n > 0 && merged[n-1].stride == a.stride*a.size && merged[n-1].step == a.step*a.size {
			a.size *= merged[n-1].size
			merged = merged[:n-1]
		}
		merged = append(merged, a)
	}
	if len(merged) == 0 {
		merged = append(merged, axis{1, 1, 1})
	}
	return merged
}

// contiguous returns the strides of a row-major tensor.
func contiguous(shape []int) []int {
	strides := make([]int, len(shape))
	step := 1
	for i := len(shape) - 1; i >= 0; i-- {
		strides[i] = step
		step *= shape[i]
	}
	return strides
}

// elements is the product of shape.
func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
