package float16

import (
	"math"
	"testing"
)

// TestNarrow takes every half float back to its bits.
func TestNarrow(t *testing.T) {
	var all []float32
	for h := range 1 << 16 {
		all = append(all, FromBits(uint16(h)))
	}
	got := make([]uint16, len(all)+1)
	Narrow(got, all)
	for h, f := range all {
		if got[h] != uint16(h) && !math.IsNaN(float64(f)) {
			t.Fatalf("%g: %#04x, want %#04x", f, got[h], h)
		}
	}
}
