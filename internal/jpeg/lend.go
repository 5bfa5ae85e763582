package jpeg

import (
	"math/bits"
	"sync"
)

// Planes and pixels of a photo take some 50 MB. A program that reads one after the other
// would be given new memory each time, and its collector would find the old late. So they
// are lent: planes are given back after decoding, pixels by those who call Image.Release.
// What is not used for a while is freed.

// lendable is how many bytes are worth it.
const lendable = 1 << 18

// lent are slices, *[]byte, by the bits of their length: of images of one size, each fits.
var lent [64]sync.Pool

// borrow returns n bytes that are zero.
func borrow(n int) []byte {
	if n >= lendable {
		if b, _ := lent[bits.Len(uint(n))].Get().(*[]byte); b != nil && cap(*b) >= n {
			s := (*b)[:n]
			clear(s)
			return s
		}
	}
	return make([]byte, n)
}

// giveBack takes bytes that nobody uses any more.
func giveBack(b []byte) {
	if cap(b) >= lendable {
		lent[bits.Len(uint(cap(b)))].Put(&b)
	}
}
