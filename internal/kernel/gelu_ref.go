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
