package ptfile

import (
	"fmt"
	"io"
)

// The formats that File.Format names.
const (
	formatZip         = "torch zip"
	formatLegacy      = "torch legacy"
	formatTorchScript = "torchscript"
	formatSafetensors = "safetensors"
)

// Tensor describes one tensor of a File; its values are read by the File's
// methods. Tensors may share a storage, but none has more elements than its
// storage, so its size in bytes is at most the file's.
type Tensor struct {
	Name  string // dotted path, "" when the file is a single tensor
	DType DType
	Shape []int // row-major; empty for a scalar; not to be changed

	view *view
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
		return fmt.Errorf("the file ends at byte %d, want at least %d", at+int64(n), at+int64(len(b)))
	}
	return err
}
