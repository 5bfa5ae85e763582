package float16

import (
	"math"
	"testing"
)

// TestFromBits compares every half float with its definition.
func TestFromBits(t *testing.T) {
	for h := range 1 << 16 {
		sign, exp, frac := 1-2*float64(h>>15), h>>10&31, float64(h&1023)
		want := sign * math.Ldexp(1+frac/1024, exp-15)
		switch {
		case exp == 31 && frac == 0:
			want = math.Inf(int(sign))
		case exp == 31:
			if got, want := math.Float32bits(FromBits(uint16(h))), uint32(h>>15)<<31|0xff<<23|uint32(h&1023)<<13; got != want {
				t.Errorf("%#04x is %#x, want the NaN %#x", h, got, want)
			}
			continue
		case exp == 0:
			want = sign * math.Ldexp(frac, -24)
		}
		if got := FromBits(uint16(h)); float64(got) != want || math.Signbit(float64(got)) != (sign < 0) {
			t.Errorf("%#04x is %g, want %g", h, got, want)
		}
	}
}

func TestBitsOfNaN(t *testing.T) {
	for bits, want := range map[uint32]uint16{0x7fc00000: 0x7e00, 0xffc00000: 0xfe00, 0x7f800001: 0x7e00, 0x7fffffff: 0x7fff, 0x7f802000: 0x7e01} {
		if got := Bits(math.Float32frombits(bits)); got != want {
			t.Errorf("NaN %#x became %#04x, want %#04x", bits, got, want)
		}
	}
}

// TestBits rounds every half float, and the numbers half way between two of them.
func TestBits(t *testing.T) {
	for h := range 1 << 16 {
		f := FromBits(uint16(h))
		back := Bits(f)
		if math.IsNaN(float64(f)) {
			if !math.IsNaN(float64(FromBits(back))) {
				t.Errorf("%#04x: NaN became %g", h, FromBits(back))
			}
			continue
		}
		if back != uint16(h) {
			t.Errorf("%#04x = %g became %#04x", h, f, back)
		}
		// Half way to the next number goes to the even one, a hair beyond to
		// the next.
		if h&0x7fff < 0x7bff {
			next := FromBits(uint16(h + 1))
			middle := (f + next) / 2
			if got, want := Bits(middle), uint16(h+h&1); got != want {
				t.Errorf("%g: got %#04x, want %#04x", middle, got, want)
			}
			if got := Bits(math.Nextafter32(middle, next)); got != uint16(h+1) {
				t.Errorf("above %g: got %#04x, want %#04x", middle, got, h+1)
			}
		}
	}
	for f, want := range map[float32]uint16{65519.996: 0x7bff, 65520: 0x7c00, -1e10: 0xfc00, 1e-10: 0, 0x1p-25: 0, 0x1.8p-25: 1} {
		if got := Bits(f); got != want {
			t.Errorf("%g: got %#04x, want %#04x", f, got, want)
		}
	}
}
