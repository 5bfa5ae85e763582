package clip

import (
	"fmt"
	"unsafe"

	"gorgonia.org/tensor"

	"github.com/clipnh/clipnh/internal/kernel"
)

// form says how the values of a node are laid out.
type form struct {
	rank    int
	blocked bool // [B,C,H,W] as a kernel.Map; if not, row-major
}

// activation is a value of a network, float32. Its first axis counts images, and a
// run may use fewer of them than there is memory for. It implements
// gorgonia.Value.
type activation struct {
	form
	shape tensor.Shape // [B,...], of the images in use
	whole kernel.Map   // of all images, if blocked
	used  kernel.Map   // whole, cut to the images in use
	all   []float32    // of all images, if row-major
	rows  []float32    // all, cut to the images in use
}

// newActivation returns an activation of the given shape on data, which has at least
// activationLen floats.
func newActivation(f form, shape tensor.Shape, data []float32) *activation {
	a := &activation{form: f, shape: shape.Clone()}
	if f.blocked {
		a.whole = kernel.MapOn(data, shape[1], shape[0], shape[2], shape[3])
	} else {
		a.all = data[:shape.TotalSize()]
	}
	a.limit(shape[0])
	return a
}

// activationLen is the number of floats that an activation takes.
func activationLen(f form, shape tensor.Shape) int {
	if f.blocked {
		return kernel.MapLen(shape[1], shape[0]*shape[2]*shape[3])
	}
	return shape.TotalSize()
}

// limit sets the number of images in use.
func (a *activation) limit(images int) {
	a.shape[0] = images
	if a.blocked {
		a.used = a.whole.Slice(0, images)
	} else {
		a.rows = a.all[:a.shape.TotalSize()]
	}
}

// images is the number of images in use.
func (a *activation) images() int { return a.shape[0] }

// move puts a blocked activation on the memory of m, a map of the same size.
func (a *activation) move(m kernel.Map) { a.whole, a.used = m, m }

// copyTo writes the images in use to dst from image start on, row-major, pixels
// before channels. Nothing is written to a nil dst.
func (a *activation) copyTo(dst []float32, start int) {
	if dst == nil {
		return
	}
	dst = dst[start*a.shape[1:].TotalSize():]
	if a.blocked {
		a.used.Rows(dst)
	} else {
		copy(dst, a.rows)
	}
}

func (a *activation) floats() []float32 {
	if a.blocked {
		return a.used.Data
	}
	return a.rows
}

// Shape is [B,...] of the images in use.
func (a *activation) Shape() tensor.Shape { return a.shape }

// Size is the number of values.
func (a *activation) Size() int { return a.shape.TotalSize() }

// Data is the memory, []float32.
func (a *activation) Data() any { return a.floats() }

// Dtype is tensor.Float32.
func (a *activation) Dtype() tensor.Dtype { return tensor.Float32 }

// Uintptr is the address of the memory.
func (a *activation) Uintptr() uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(a.floats()))) }

// MemSize is the size of the memory in bytes.
func (a *activation) MemSize() uintptr { return 4 * uintptr(len(a.floats())) }

// Format writes the shape; the values are too many.
func (a *activation) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "float32%v", a.shape) }
