package npy

import (
	"math"
	"testing"
)

func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		f := FromHalf(uint16(h))
		back := ToHalf(f)
		if math.IsNaN(float64(f)) {
			if !math.IsNaN(float64(FromHalf(back))) {
				t.Errorf("%#04x: NaN became %g", h, FromHalf(back))
			}
			continue
		}
		if back != uint16(h) {
			t.Errorf("%#04x = %g became %#04x", h, f, back)
		}
		// Half way to the next number goes to the even one, a hair beyond to
		// the next.
		if h&0x7fff < 0x7bff {
			next := FromHalf(uint16(h + 1))
			middle := (f + next) / 2
			if got, want := ToHalf(middle), uint16(h+h&1); got != want {
				t.Errorf("%g: got %#04x, want %#04x", middle, got, want)
			}
			if got := ToHalf(math.Nextafter32(middle, next)); got != uint16(h+1) {
				t.Errorf("above %g: got %#04x, want %#04x", middle, got, h+1)
			}
		}
	}
	for f, want := range map[float32]uint16{65519.996: 0x7bff, 65520: 0x7c00, -1e10: 0xfc00, 1e-10: 0, 0x1p-25: 0, 0x1.8p-25: 1} {
		if got := ToHalf(f); got != want {
			t.Errorf("%g: got %#04x, want %#04x", f, got, want)
		}
	}
}
