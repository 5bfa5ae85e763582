package kernel

import "unsafe"

// Scratch is the working memory of Run: one area shared by all workers, and one per
// worker. It grows to the size that the largest layer needs, and is reused. The zero
// value is ready to use. A Scratch must not be used by two concurrent Runs.
type Scratch struct {
	shared  []float32
	sources []unsafe.Pointer
	workers []*workArea
}

// release drops the references to the last Run's maps and weights, so that an idle
// Scratch does not keep them in memory.
func (s *Scratch) release() {
	clear(s.sources)
	for _, w := range s.workers {
		clear(w.sources)
		w.tile, w.softmax, w.in, w.out = tileArgs{}, softmaxArgs{}, winogradIn{}, winogradOut{}
	}
}

// workArea is the memory of one worker. The argument structs of the kernels are stored
// here because passing them to functions from a table would otherwise allocate them at
// each call.
type workArea struct {
	tile    tileArgs
	softmax softmaxArgs
	in      winogradIn
	out     winogradOut
	work    []float32 // a tile between the two passes of a transform
	waste   []float32 // receives outputs outside the map
	sources []unsafe.Pointer
	buf     []float32
}

// newWorkArea returns an area without buf.
func newWorkArea() *workArea {
	return &workArea{work: Alloc(6 * 6 * Lanes), waste: Alloc(4 * Lanes)}
}

// pointers returns a slice of n pointers.
func (w *workArea) pointers(n int) []unsafe.Pointer {
	if len(w.sources) < n {
		w.sources = make([]unsafe.Pointer, n)
	}
	return w.sources[:n]
}

// sharedFloats returns n floats shared by all workers, with undefined contents.
func (s *Scratch) sharedFloats(n int) []float32 {
	if len(s.shared) < n {
		s.shared = Alloc(n)
	}
	return s.shared[:n]
}

// pointers returns a slice of n pointers.
func (s *Scratch) pointers(n int) []unsafe.Pointer {
	if len(s.sources) < n {
		s.sources = make([]unsafe.Pointer, n)
	}
	return s.sources[:n]
}

// grow allocates areas for a number of workers, with n floats each.
func (s *Scratch) grow(workers, n int) {
	for len(s.workers) < workers {
		s.workers = append(s.workers, newWorkArea())
	}
	for _, w := range s.workers[:workers] {
		if len(w.buf) < n {
			w.buf = Alloc(n)
		}
	}
}
