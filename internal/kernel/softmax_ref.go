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
