package ptfile

import (
	"io"
	"slices"
)

// The formats that File.Format names.
const (
	FormatZip         = "torch zip"
	FormatLegacy      = "torch legacy"
	FormatTorchScript = "torchscript"
	FormatSafetensors = "safetensors"
)

// Tensor describes one tensor of a File; its values are read by the File's
// methods. Tensors may share a storage, but none has more elements than its
// storage, so its size in bytes is at most the file's.
type Tensor struct {
	Name  string // dotted path, "" when the file is a single tensor
	DType DType
	Shape []int // row-major; empty for a scalar; not to be changed

	view  *view
	place *place // nil in a file without containers, and where the file is a single tensor
}

// place is where a value stands in the tree of containers: its key in the one above.
type place struct {
	above *place
	key   string
	named bool // the key is a string; else it is a number, as of a list
}

// Keys are the keys that lead to the tensor, from the outermost dict, or attributes
// of modules. It reports false where there are none: lists, tuples and numbers are on
// the way, as in the state of an optimizer, or the file is a single tensor.
func (t Tensor) Keys() ([]string, bool) {
	if t.place == nil {
		return []string{t.Name}, t.Name != ""
	}
	var keys []string
	for at := t.place; at != nil; at = at.above {
		if !at.named {
			return nil, false
		}
		keys = append(keys, at.key)
	}
	slices.Reverse(keys)
	return keys, true
}

// Len is the number of elements, the product of the shape.
func (t Tensor) Len() int { return elements(t.Shape) }

// Rows returns the part of t from row lo up to row hi of its first axis. It panics if t has
// no axis or not so many rows.
func (t Tensor) Rows(lo, hi int) Tensor {
	if len(t.Shape) == 0 || lo < 0 || hi < lo || hi > t.Shape[0] {
		panic("ptfile: rows outside a tensor")
	}
	part := *t.view
	part.shape = append([]int{hi - lo}, t.Shape[1:]...)
	part.offset += lo * part.strides[0]
	t.Shape, t.view = part.shape, &part
	return t
}

// readFull fills b from offset at; a file that ends before is an error.
func readFull(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == io.EOF {
		return incomplete("the file ends at byte %d, want at least %d", at+int64(n), at+int64(len(b)))
	}
	return err
}

// HasKeys reports whether Keys are there.
func (t Tensor) HasKeys() bool {
	_, ok := t.Keys()
	return ok
}
