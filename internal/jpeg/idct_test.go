package jpeg

import (
	"math"
	"math/rand/v2"
	"testing"
)

// transform is the inverse DCT by its definition, in float64.
func transform(c *[8][8]int32) (s [8][8]float64) {
	scale := func(k int) float64 {
		if k == 0 {
			return math.Sqrt(1.0 / 8)
		}
		return math.Sqrt(2.0 / 8)
	}
	for y := range 8 {
		for x := range 8 {
			for v := range 8 {
				for u := range 8 {
					s[y][x] += float64(c[v][u]) * scale(u) * scale(v) *
						math.Cos(float64((2*x+1)*u)*math.Pi/16) * math.Cos(float64((2*y+1)*v)*math.Pi/16)
				}
			}
		}
	}
	return s
}

// roundingOfPasses is how far the integer transform may be from the real one:
// half a unit at the end, and what the first pass and the constants round off.
const roundingOfPasses = 0.6

func randomBlock(r *rand.Rand, c *[8][8]int32) (b coefficients) {
	for k := range 64 {
		at := order[k]
		v, u := at>>1&7, at>>4*2+at&1
		if r.IntN(64) > k {
			c[v][u] = int32(r.NormFloat64() * 400 / float64(1+k))
		}
		b.add(at, c[v][u])
	}
	return b
}

// TestInverseDCT holds both ways through the transform to its definition, and
// to each other.
func TestInverseDCT(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 3000 {
		var c [8][8]int32
		b := randomBlock(r, &c)
		if n%10 == 0 { // only the mean
			c = [8][8]int32{0: {0: c[0][0]}}
			b = coefficients{}
			b.add(0, c[0][0])
		}
		if b.sum > maxSum {
			t.Fatalf("block %d: sum %d is not what this test is about", n, b.sum)
		}
		var narrow, wide [64]byte
		again := b
		inverseDCTWide(wide[:], 8, &again)
		inverseDCT(narrow[:], 8, &b)
		if narrow != wide {
			t.Fatalf("block %d: packed %v, one by one %v", n, narrow, wide)
		}
		for y, row := range transform(&c) {
			for x, want := range row {
				want = max(0, min(want+128, 255))
				if got := float64(narrow[8*y+x]); math.Abs(got-want) > roundingOfPasses {
					t.Fatalf("block %d at %d,%d: got %g, want %g", n, x, y, got, want)
				}
			}
		}
	}
}

// TestPixel compares the packed sums with libjpeg's formula, for all colours
// of every third luma and chroma.
func TestPixel(t *testing.T) {
	clamp := func(v int) byte { return byte(max(0, min(v, 255))) }
	for y := 0; y < 256; y += 3 {
		for cb := 0; cb < 256; cb += 3 {
			for cr := 0; cr < 256; cr += 3 {
				b, r := cb-128, cr-128
				want := [3]byte{
					clamp(y + (91881*r+32768)>>16),
					clamp(y + (-22554*b-46802*r+32768)>>16),
					clamp(y + (116130*b+32768)>>16),
				}
				var got [3]byte
				got[0], got[1], got[2] = pixel(byte(y), byte(cb), byte(cr))
				if got != want {
					t.Fatalf("y %d cb %d cr %d: got %v, want %v", y, cb, cr, got, want)
				}
			}
		}
	}
}

// TestTriangle compares the filters that work on four columns at once with
// their definition, for every width around and beyond four.
func TestTriangle(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for n := 3; n < 40; n++ {
		near, far := make([]byte, n), make([]byte, n)
		for i := range near {
			near[i], far[i] = byte(r.Uint32()), byte(r.Uint32())
			if r.IntN(3) == 0 {
				near[i], far[i] = 255, 255
			}
		}
		got1, got2 := make([]byte, 2*n), make([]byte, 2*n)
		across(got1, near)
		both(got2, near, far)
		for i := range 2 * n {
			side := max(0, min(i/2-1+i%2*2, n-1))
			sum := func(i int) int { return 3*int(near[i]) + int(far[i]) }
			want1 := byte((3*int(near[i/2]) + int(near[side]) + 1 + i%2) >> 2)
			want2 := byte((3*sum(i/2) + sum(side) + 8 - i%2) >> 4)
			if got1[i] != want1 || got2[i] != want2 {
				t.Fatalf("width %d, column %d: got %d and %d, want %d and %d", n, i, got1[i], got2[i], want1, want2)
			}
		}
	}
}
