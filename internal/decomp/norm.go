package decomp

import "math"

// Norm is the Euclidean norm, summed in float64.
func Norm(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}
