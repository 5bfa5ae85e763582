package float16

import (
	"encoding/binary"
	"math"
	"testing"
	"unsafe"
)

// TestWiden converts every half, NaN with its payload, at each length and unaligned, with
// guard values behind the result.
func TestWiden(t *testing.T) {
	const guard = -12345.5
	all := make([]byte, 1+2<<16)[1:]
	for h := range 1 << 16 {
		binary.LittleEndian.PutUint16(all[2*h:], uint16(h))
	}
	check := func(first, n int) {
		got := make([]float32, n+8)
		for i := range got {
			got[i] = guard
		}
		Widen(got[:n], all[2*first:])
		for i, v := range got {
			want := float32(guard)
			if i < n {
				want = FromBits(uint16(first + i))
			}
			if math.Float32bits(v) != math.Float32bits(want) {
				t.Fatalf("%d halves from %#04x: %d became %#08x, want %#08x", n, first, i, math.Float32bits(v), math.Float32bits(want))
			}
		}
	}
	check(0, 1<<16)
	for n := range 40 {
		check(0x7be0, n)
	}
}

// TestWidenInPlace converts halves in the last bytes of the result's own memory.
func TestWidenInPlace(t *testing.T) {
	for n := 1; n < 50; n++ {
		dst := make([]float32, n)
		bytes := unsafe.Slice((*byte)(unsafe.Pointer(&dst[0])), 4*n)
		for i := range n {
			binary.LittleEndian.PutUint16(bytes[2*n+2*i:], Bits(float32(i)))
		}
		Widen(dst, bytes[2*n:])
		for i, v := range dst {
			if v != float32(i) {
				t.Fatalf("%d halves: %d became %g", n, i, v)
			}
		}
	}
}
