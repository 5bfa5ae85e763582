package kernel

import (
	"math"
	"unsafe"
)

// maxLanesRef updates maxima in plain Go: lanes[i%Lanes] = max(lanes[i%Lanes], x[i]).
func maxLanesRef(x *float32, n int, lanes *float32) {
	l := (*[Lanes]float32)(unsafe.Pointer(lanes))
	for i, v := range unsafe.Slice(x, n) {
		l[i%Lanes] = max(l[i%Lanes], v)
	}
}

// expLanesRef replaces x[i] by exp(x[i] - shift) and adds it to
// lanes[i%Lanes], in plain Go.
func expLanesRef(x *float32, n int, shift float32, lanes *float32) {
	l := (*[Lanes]float32)(unsafe.Pointer(lanes))
	v := unsafe.Slice(x, n)
	for i, a := range v {
		e := float32(math.Exp(float64(a - shift)))
		v[i] = e
		l[i%Lanes] += e
	}
}

// scaleRef multiplies every x[i] by a number, in plain Go.
func scaleRef(x *float32, n int, by float32) {
	v := unsafe.Slice(x, n)
	for i := range v {
		v[i] *= by
	}
}

// softmaxArgs are the arguments of a kernel that replaces the values of one pixel by
// their softmax:
//
//	top = max of x[b,l]; b in 0..blocks, l in 0..Lanes
//	x[b,l] = exp(x[b,l] - top) / sum of exp(x[b,l] - top)
//
// The offset is in bytes. Values of -Inf become zero, unless all are -Inf; a NaN makes all
// NaN.
type softmaxArgs struct {
	x      unsafe.Pointer // the pixel in block 0
	block  int            // offset of the next block
	blocks int            // at least 1
}

// softmaxPixelRef replaces the values of one pixel by their softmax, in plain Go.
func softmaxPixelRef(t *softmaxArgs) {
	var top, sum [Lanes]float32
	for l := range top {
		top[l] = float32(math.Inf(-1))
	}
	for b := range t.blocks {
		maxLanesRef((*float32)(unsafe.Add(t.x, b*t.block)), Lanes, &top[0])
	}
	shift := top[0]
	for _, v := range top[1:] {
		shift = max(shift, v)
	}
	for b := range t.blocks {
		expLanesRef((*float32)(unsafe.Add(t.x, b*t.block)), Lanes, shift, &sum[0])
	}
	total := float32(0)
	for _, v := range sum {
		total += v
	}
	for b := range t.blocks {
		scaleRef((*float32)(unsafe.Add(t.x, b*t.block)), Lanes, 1/total)
	}
}
