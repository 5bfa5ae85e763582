package kernel

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/clipnh/clipnh/internal/kernel/cpu"
)

// random returns n normal values with the given seed.
func random(seed uint64, n int, scale float64) []float32 {
	r := rand.New(rand.NewPCG(seed, 17))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64() * scale)
	}
	return x
}

// eachLevel runs a test once per supported level.
func eachLevel(t *testing.T, body func(t *testing.T)) {
	for _, l := range cpu.Supported() {
		t.Run(l.String(), func(t *testing.T) {
			defer cpu.Force(l)()
			body(t)
		})
	}
}

// relativeError returns max|got-want| / max|want|, or +Inf if one value is NaN and the
// other is not.
func relativeError(got, want []float32) float64 {
	worst, top := 0.0, 0.0
	for i, w := range want {
		g := float64(got[i])
		if math.IsNaN(g) != math.IsNaN(float64(w)) {
			return math.Inf(1)
		}
		worst = max(worst, math.Abs(g-float64(w)))
		top = max(top, math.Abs(float64(w)))
	}
	if top == 0 {
		return worst
	}
	return worst / top
}
