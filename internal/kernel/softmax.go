package kernel

import (
	"math"
	"sync"
)

// Softmax replaces each row of x [rows][cols] by exp(x - max) / sum of
// exp(x - max). Entries of -Inf, as in masks, become zero. A row that contains NaN, or
// only -Inf, becomes NaN.
//
// The exponential has a relative error of at most 1e-6, and is zero where it would be
// below 1e-37.
func Softmax(x []float32, rows, cols int) {
	if rows < 0 || cols < 0 || len(x) < rows*cols {
		panic("kernel: short softmax rows")
	}
	if cols == 0 {
		return
	}
	f := activeFamily()
	l := softmaxAreas.Get().(*softmaxLanes)
	defer softmaxAreas.Put(l)
	for r := range rows {
		f.softmax(x[r*cols:][:cols], l)
	}
}

// softmaxAreas are the lanes of calls that ended: kernels called through a table keep them
// off the stack.
var softmaxAreas = sync.Pool{New: func() any { return new(softmaxLanes) }}

// softmaxLanes are the partial results of a row, and its last values.
type softmaxLanes struct{ top, sum, rest [Lanes]float32 }

// softmax handles one row: whole groups of Lanes in place, the rest in a group padded
// with -Inf, which adds nothing.
func (f *family) softmax(x []float32, l *softmaxLanes) {
	low := float32(math.Inf(-1))
	for i := range Lanes {
		l.top[i], l.sum[i], l.rest[i] = low, 0, low
	}
	whole := len(x) &^ (Lanes - 1)
	copy(l.rest[:], x[whole:])
	f.maxLanes(&x[0], whole, &l.top[0])
	f.maxLanes(&l.rest[0], Lanes, &l.top[0])
	shift := l.top[0]
	for _, v := range l.top[1:] {
		shift = max(shift, v)
	}
	f.expLanes(&x[0], whole, shift, &l.sum[0])
	f.expLanes(&l.rest[0], Lanes, shift, &l.sum[0])
	total := float32(0)
	for _, v := range l.sum {
		total += v
	}
	f.scale(&x[0], whole, 1/total)
	f.scale(&l.rest[0], Lanes, 1/total)
	copy(x[whole:], l.rest[:])
}
