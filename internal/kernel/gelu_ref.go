package kernel

import (
	"math"
	"unsafe"
)

// geluSlope is the slope of the sigmoid that approximates the normal distribution in
// QuickGELU.
const geluSlope = 1.702

// quickGELURef is QuickGELU in plain Go:
//
//	x[i] = x[i] / (1 + exp(-1.702 x[i]))
func quickGELURef(x *float32, n int) {
	v := unsafe.Slice(x, n)
	for i, a := range v {
		v[i] = float32(float64(a) / (1 + math.Exp(-geluSlope*float64(a))))
	}
}

// geluRef is GELU, x times the normal distribution's integral up to x, in plain Go, by
// the integral Q beyond |x|:
//
//	x[i] = max(x[i], 0) - |x[i]| Q(|x[i]|)
func geluRef(x *float32, n int) {
	v := unsafe.Slice(x, n)
	for i, a := range v {
		size := math.Abs(float64(a))
		v[i] = float32(max(float64(a), 0) - size*0.5*math.Erfc(size/math.Sqrt2))
	}
}
