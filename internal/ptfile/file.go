package ptfile

import (
	"fmt"
	"io"
	"slices"
)

// The formats that File.Format names.
const (
	formatZip         = "torch zip"
	formatLegacy      = "torch legacy"
	formatTorchScript = "torchscript"
	formatSafetensors = "safetensors"
)

// File is an open checkpoint. Its methods may be called concurrently, except
// Close.
type File struct {
	path    string
	paths   []string // of the file, or of an index and its shards
	r       io.ReaderAt
	close   func() error
	format  string
	tensors []Tensor
	index   map[string]int // name to position in tensors
	skipped []string       // classes of objects that were left out
}

// Tensor describes one tensor of a File; its values are read by the File's
// methods. Tensors may share a storage, but none has more elements than its
// storage, so its size in bytes is at most the file's.
type Tensor struct {
	Name  string // dotted path, "" when the file is a single tensor
	DType DType
	Shape []int // row-major; empty for a scalar; not to be changed

	view *view
}

// Len returns the number of elements, the product of the shape.
func (t Tensor) Len() int { return elements(t.Shape) }

// Format returns the name of the file's format: "torch zip", "torch legacy", "torchscript" or
// "safetensors".
func (f *File) Format() string { return f.format }

// Paths returns the paths of the files that were opened: one, or an index and its shards.
func (f *File) Paths() []string { return slices.Clone(f.paths) }

// Skipped returns the classes of objects that were left out, such as
// "argparse.Namespace"; at most 16 of each file.
func (f *File) Skipped() []string { return slices.Clone(f.skipped) }

// Tensors returns the tensors in the file's order.
func (f *File) Tensors() []Tensor { return slices.Clone(f.tensors) }

// Lookup returns the tensor of that name.
func (f *File) Lookup(name string) (Tensor, bool) {
	i, ok := f.index[name]
	if !ok {
		return Tensor{}, false
	}
	return f.tensors[i], true
}

// Close closes the file. The values of its tensors can no longer be read.
func (f *File) Close() error { return f.close() }

// readFull fills b from offset at. It is an error if the file ends before that.
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
