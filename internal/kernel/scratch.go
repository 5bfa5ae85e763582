package kernel

import "unsafe"

// Scratch is the working memory of Run: an area that all workers read, and one
// per worker. It grows to what the largest layer needs and is then reused. The
// zero value is ready. A Scratch must not be used by two Runs at once.
type Scratch struct {
	shared  []float32
	sources []unsafe.Pointer
	workers []*workArea
}

// release forgets the maps and weights of the last Run, so that a Scratch that
// waits for the next does not keep them in memory.
func (s *Scratch) release() {
	clear(s.sources)
	for _, w := range s.workers {
		clear(w.sources)
		w.tile, w.in, w.out = tileArgs{}, winogradIn{}, winogradOut{}
	}
}

// workArea belongs to one worker. The argument blocks of the kernels live
// here because passing them through a table of functions would otherwise
// allocate them at each call.
type workArea struct {
	tile    tileArgs
	in      winogradIn
	out     winogradOut
	work    []float32 // what a transform holds of a tile between its two passes
	waste   []float32 // outputs outside of the map
	sources []unsafe.Pointer
	buf     []float32
}

// newWorkArea returns an area without buf.
func newWorkArea() *workArea {
	return &workArea{work: Alloc(6 * 6 * Lanes), waste: Alloc(4 * Lanes)}
}

// pointers returns room for n pointers.
func (w *workArea) pointers(n int) []unsafe.Pointer {
	if len(w.sources) < n {
		w.sources = make([]unsafe.Pointer, n)
	}
	return w.sources[:n]
}

// sharedFloats returns n floats for all workers, with what the last user left.
func (s *Scratch) sharedFloats(n int) []float32 {
	if len(s.shared) < n {
		s.shared = Alloc(n)
	}
	return s.shared[:n]
}

// pointers returns room for n pointers.
func (s *Scratch) pointers(n int) []unsafe.Pointer {
	if len(s.sources) < n {
		s.sources = make([]unsafe.Pointer, n)
	}
	return s.sources[:n]
}

// grow makes areas for that many workers, with n floats each.
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
