package npy

// reordered says whether elements lie in another order than the row-major one:
// with one axis that is longer than 1 both are the same.
func (f *File) reordered() bool {
	long := 0
	for _, d := range f.Shape {
		if d > 1 {
			long++
		}
	}
	return f.Fortran && long > 1
}

// reorder reads all elements into memory, once.
func (f *File) reorder() error {
	f.once.Do(func() {
		stored := Header{DType: f.DType, BigEndian: f.BigEndian, Shape: []int{f.Count()}}
		part := &File{Header: stored, file: f.file, start: f.start}
		out := make([]float32, f.Count())
		buf := make([]float32, min(len(out), block))
		place := newOrder(f.Shape)
		for at := 0; at < len(out); at += len(buf) {
			buf = buf[:min(len(buf), len(out)-at)]
			if f.err = part.ReadFloat32(buf, int64(at)); f.err != nil {
				return
			}
			for _, x := range buf {
				out[place.at] = x
				place.next()
			}
		}
		f.rowMajor = out
	})
	return f.err
}

// order walks the elements of a shape as they lie in Fortran order, and says
// where each is in row-major order.
type order struct {
	at     int
	shape  []int
	index  []int
	stride []int // of each axis in row-major order
}

func newOrder(shape []int) *order {
	o := &order{shape: shape, index: make([]int, len(shape)), stride: make([]int, len(shape))}
	n := 1
	for axis := len(shape) - 1; axis >= 0; axis-- {
		o.stride[axis] = n
		n *= shape[axis]
	}
	return o
}

func (o *order) next() {
	for axis, d := range o.shape {
		o.index[axis]++
		o.at += o.stride[axis]
		if o.index[axis] < d {
			return
		}
		o.at -= o.stride[axis] * d
		o.index[axis] = 0
	}
}
