package jpeg

// coefficients are one block's dequantised DCT coefficients, two to a word.
// Word 8*(u/2) + v is the coefficient of horizontal frequency u, even, and
// vertical frequency v, plus 2^32 times that of u+1. Sums and multiples of such
// words are the same sums and multiples of both halves, as long as no half
// leaves 31 bits, so that one instruction does the work of two.
type coefficients struct {
	words [32]int64
	sum   int32 // of the magnitudes
}

// add sets a coefficient that was zero; at is its place as order gives it.
func (b *coefficients) add(at uint8, v int32) {
	b.words[at>>1&31] += int64(v) << (at & 1 * 32)
	b.sum += max(v, -v)
}

// order maps a zigzag index to a coefficient's place in a block: twice its word
// in coefficients, plus one for the upper half. A damaged run can lead past the
// block's end; like libjpeg, such coefficients fall on the last.
var order = func() (t [128]uint8) {
	for k := range t {
		t[k] = 63
	}
	k := 0
	for diagonal := range 15 {
		for i := range diagonal + 1 {
			v, u := diagonal-i, i
			if diagonal%2 == 1 {
				v, u = u, v
			}
			if v < 8 && u < 8 {
				t[k] = uint8(u/2*16 + v*2 + u%2)
				k++
			}
		}
	}
	return t
}()

// Fixed-point constants of the transform.
const (
	constBits = 13 // fractional bits of the constants
	passBits  = 2  // extra fractional bits between the two passes
	shift1    = constBits - passBits
	shift2    = constBits + passBits + 3

	c0298 = 2446  // 0.298631336
	c0390 = 3196  // 0.390180644
	c0541 = 4433  // 0.541196100
	c0765 = 6270  // 0.765366865
	c0899 = 7373  // 0.899976223
	c1175 = 9633  // 1.175875602
	c1501 = 12299 // 1.501321110
	c1847 = 15137 // 1.847759065
	c1961 = 16069 // 1.961570560
	c2053 = 16819 // 2.053119869
	c2562 = 20995 // 2.562915447
	c3072 = 25172 // 3.072711026
)

// maxSum is a sum of magnitudes up to which nothing leaves its range: as no
// basis function exceeds 1.39, the first pass stays within 16 bits
// (4*1.39*maxSum) and the second within ±2047 (1.39*1.39/8*maxSum).
const maxSum = 5800

// Both halves of a word at once: a half unit of what a shift drops, and a bias
// that makes them positive, so that the shift does not mix them.
const (
	halves = 1<<32 + 1
	low    = 1<<32 - 1

	round1  = (1<<30 + 1<<(shift1-1)) * halves
	biased1 = 1 << (30 - shift1) * halves // what is left of the bias
	mask1   = 1<<(32-shift1) - 1

	round2 = (1<<30 + 1<<29 + 1<<(shift2-1)) * halves // leaves 2048 mod 4096
)

// samples maps a result of the second pass, plus 2048, to its sample.
var samples = func() (t [4096]byte) {
	for i := range t {
		t[i] = byte(max(0, min(i-2048+128, 255)))
	}
	return t
}()

// inverseDCT writes the 8x8 samples of a block to dst, rows stride apart, and
// spoils b.
//
// It is the accurate integer transform of Loeffler, Ligtenberg and Moschytz as
// libjpeg's jidctint.c defines it: columns first, then rows, one rounding at
// the end of each pass, samples clamped. All else is exact integer arithmetic,
// and may be done in any order.
func inverseDCT(dst []byte, stride int, b *coefficients) {
	if b.sum > maxSum {
		inverseDCTWide(dst, stride, b)
		return
	}
	if dc := int32(b.words[0]); max(dc, -dc) == b.sum {
		const round = 1 << (passBits + 2)
		v := samples[((dc<<passBits+round)>>(passBits+3)+2048)&4095]
		for i := range 8 {
			*(*[8]byte)(dst[i*stride:]) = [8]byte{v, v, v, v, v, v, v, v}
		}
		return
	}
	var pairs [4][8]int64 // rows 2i and 2i+1, one in each half, by column
	for i := range 4 {
		x := (*[8]int64)(b.words[8*i:])
		l, r := 2*i, 2*i+1
		if x[1]|x[2]|x[3]|x[4]|x[5]|x[6]|x[7] == 0 {
			if x[0] != 0 {
				left := int64(int32(x[0])) << passBits
				right := (x[0]<<passBits - left) >> 32
				for j := range pairs {
					pairs[j][l], pairs[j][r] = left*halves, right*halves
				}
			}
			continue
		}
		butterfly(x, x[0]+x[4], x[0]-x[4], x[7]+x[3], x[5]+x[1])
		for j := range pairs {
			upper := uint64(x[2*j]+round1) >> shift1 & (mask1 * halves)
			lower := uint64(x[2*j+1]+round1) >> shift1 & (mask1 * halves)
			pairs[j][l&7] = int64(upper&low|lower<<32) - biased1
			pairs[j][r&7] = int64(upper>>32|lower&^low) - biased1
		}
	}
	for j := range pairs {
		x := &pairs[j]
		butterfly(x, x[0]+x[4], x[0]-x[4], x[7]+x[3], x[5]+x[1])
		upper := (*[8]byte)(dst[2*j*stride:])
		lower := (*[8]byte)(dst[(2*j+1)*stride:])
		for c := range 8 {
			s := uint64(x[c]+round2) >> shift2
			upper[c] = samples[s&4095]
			lower[c] = samples[s>>32&4095]
		}
	}
}

// butterfly transforms eight frequencies to eight places of one row or column,
// scaled by 2^constBits. Four sums that two of them enter come from the caller,
// which knows how wide they may be:
//
//	plus = x[0]+x[4], minus = x[0]-x[4], z3 = x[7]+x[3], z4 = x[5]+x[1]
func butterfly(x *[8]int64, plus, minus, z3, z4 int64) {
	z1 := (x[2] + x[6]) * c0541
	t2 := z1 - x[6]*c1847
	t3 := z1 + x[2]*c0765
	plus <<= constBits
	minus <<= constBits
	e0, e3 := plus+t3, plus-t3
	e1, e2 := minus+t2, minus-t2

	z5 := (z3 + z4) * c1175
	z1 = (x[7] + x[1]) * c0899
	z2 := (x[5] + x[3]) * c2562
	z3 = z5 - z3*c1961
	z4 = z5 - z4*c0390
	o0 := x[7]*c0298 - z1 + z3
	o1 := x[5]*c2053 - z2 + z4
	o2 := x[3]*c3072 - z2 + z3
	o3 := x[1]*c1501 - z1 + z4

	x[0], x[7] = e0+o3, e0-o3
	x[1], x[6] = e1+o2, e1-o2
	x[2], x[5] = e2+o1, e2-o1
	x[3], x[4] = e3+o0, e3-o0
}

// inverseDCTWide is inverseDCT for the coefficients of damaged files, which
// overflow. It does what libjpeg-turbo's vector code does: sums that wrap at 16
// bits, or 32 after multiplication, and results that saturate at 16.
func inverseDCTWide(dst []byte, stride int, b *coefficients) {
	var w [8][8]int64 // by v, then u
	constant := true  // no column has more than its v = 0
	for i, word := range b.words {
		left := int64(int32(word))
		w[i%8][i/8*2], w[i%8][i/8*2+1] = left, (word-left)>>32
		constant = constant && (i%8 == 0 || word == 0)
	}
	for u := range 8 {
		var x [8]int64
		for v := range x {
			x[v] = w[v][u]
			if constant {
				x[v] = wrap16(w[0][u] << passBits)
			}
		}
		if !constant {
			wide(&x, shift1)
		}
		for v := range x {
			w[v][u] = x[v]
		}
	}
	for v := range w {
		wide(&w[v], shift2)
		for u, s := range w[v] {
			dst[v*stride+u] = byte(max(0, min(s+128, 255)))
		}
	}
}

func wide(x *[8]int64, shift int) {
	butterfly(x, wrap16(x[0]+x[4]), wrap16(x[0]-x[4]), wrap16(x[7]+x[3]), wrap16(x[5]+x[1]))
	for i, v := range x {
		s := int32(v+1<<(shift-1)) >> shift
		x[i] = int64(max(-1<<15, min(s, 1<<15-1)))
	}
}

func wrap16(v int64) int64 { return int64(int16(v)) }
