package float16

import (
	"encoding/binary"
	"sync"
)

// Widen writes the numbers whose bits are in src, little-endian, to dst, as FromBits
// does. It panics if src is short. src may be the last 2·len(dst) bytes of the memory of
// dst, so that numbers are converted in place.
func Widen(dst []float32, src []byte) {
	src = src[:2*len(dst)]
	n := widenMost(dst, src)
	widenRef(dst[n:], src[2*n:])
}

// widenRef is Widen in plain Go.
func widenRef(dst []float32, src []byte) {
	if len(dst) == 0 {
		return
	}
	numbers := table()
	for i := range dst {
		dst[i] = numbers[binary.LittleEndian.Uint16(src[2*i:])]
	}
}

// table holds the float32 of every half, by its bits. A look-up takes half the time of
// shifting and testing each value; the table's 256 KiB stay in the second-level cache.
var table = sync.OnceValue(func() *[1 << 16]float32 {
	t := new([1 << 16]float32)
	for h := range t {
		t[h] = FromBits(uint16(h))
	}
	return t
})
