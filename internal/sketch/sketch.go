// Package sketch sums up the values of many units, such as the scores of pairs, over any
// number of images, in memory that does not grow with that number: exact sums of the first
// three powers, and counts of values in cells of a fixed grid, from which quantiles follow.
//
// Sums and counts are integers. So they do not depend on the order of the images, on the
// number of threads, or on how images are split among Sets that are merged later.
//
// The grid has Cells cells: CellsPerOctave between 2^k and 2^(k+1) for values and their
// negatives, as DDSketch and HDR histograms have, and one for values near zero. A quantile
// is found to the width of its cell: an eighth of its size at most, or 2^-13 near zero.
//
// Source: Masson, Rim and Lee, DDSketch, PVLDB 12 (2019), for quantiles of merged counts.
package sketch

import (
	"math"
	"math/big"
	"math/bits"

	"github.com/clipnh/clipnh/internal/par"
)

const (
	// Limit bounds values: those of a Set are below it in magnitude, so that sums of
	// MaxInt32 images fit.
	Limit = 1 << maxExponent

	// CellsPerOctave is how many cells there are from a power of two to the next.
	CellsPerOctave = 1 << fractionBits

	// Cells is how many cells a unit has.
	Cells = 2*perSign + 1

	minExponent  = -14 // values below 2^minExponent are near zero
	maxExponent  = 11
	fractionBits = 3
	perSign      = (maxExponent - minExponent) << fractionBits
	nearZero     = perSign // the number of that cell

	// Of float32: the exponent's bias and where its bits begin.
	exponentBias = 127
	mantissaBits = 23
	firstBits    = uint32(exponentBias+minExponent) << mantissaBits // of 2^minExponent
)

// Values are rounded to multiples of 2^-pointBits, and powers are sums of integers: of x in
// two words, of x² in three and of x³ in four, in two's complement, the low word first.
const (
	pointBits = 52
	first     = 0
	second    = 2
	third     = 5
	words     = 9
)

// A Set sums up the values of units over images.
type Set struct {
	Units  int
	Images int
	Powers []uint64 // [U,9], sums of x, x² and x³
	Counts []uint32 // [U,Cells], of values, cells in ascending order
}

// New returns a Set of units without images.
func New(units int) *Set {
	if units < 1 {
		panic("sketch: no units")
	}
	return &Set{Units: units, Powers: make([]uint64, units*words), Counts: make([]uint32, units*Cells)}
}

// OutOfRange returns the index of the first value that a Set cannot take, NaN included, or
// -1.
func OutOfRange(values []float32) int {
	for i, x := range values {
		if !(x < Limit && x > -Limit) {
			return i
		}
	}
	return -1
}

// unitGroup is how many units' sums and counts stay in the cache for all images of a batch.
const unitGroup = 64

// Add adds the values of more images, [b,U]. It panics on values that are OutOfRange.
func (s *Set) Add(values []float32, team par.Team) {
	images := len(values) / s.Units
	if len(values) != images*s.Units || s.Images > math.MaxInt32-images || OutOfRange(values) >= 0 {
		panic("sketch: values of wrong size")
	}
	team.For((s.Units+unitGroup-1)/unitGroup, func(first, end, _ int) {
		for lo := first * unitGroup; lo < min(end*unitGroup, s.Units); lo += unitGroup {
			hi := min(lo+unitGroup, s.Units)
			for b := range images {
				for u, x := range values[b*s.Units+lo : b*s.Units+hi] {
					u += lo
					s.Counts[u*Cells+cellOf(x)]++
					addPowers(s.Powers[u*words:(u+1)*words], x)
				}
			}
		}
	})
	s.Images += images
}

// Merge adds another Set of the same units.
func (s *Set) Merge(other *Set) {
	if other.Units != s.Units || s.Images > math.MaxInt32-other.Images {
		panic("sketch: sets of different sizes")
	}
	for u := range s.Units {
		a, b := s.Powers[u*words:(u+1)*words], other.Powers[u*words:(u+1)*words]
		sum(a[first:second], b[first:second])
		sum(a[second:third], b[second:third])
		sum(a[third:], b[third:])
	}
	for i, n := range other.Counts {
		s.Counts[i] += n
	}
	s.Images += other.Images
}

// sum adds b to a, which has as many words.
func sum(a, b []uint64) {
	var carry uint64
	for i := range a {
		a[i], carry = bits.Add64(a[i], b[i], carry)
	}
}

// cellOf is the number of a value's cell.
func cellOf(x float32) int {
	b := math.Float32bits(x)
	size := b &^ (1 << 31)
	if size < firstBits {
		return nearZero
	}
	i := int((size-firstBits)>>(mantissaBits-fractionBits)) + 1
	if b != size {
		return nearZero - i
	}
	return nearZero + i
}

// edges are the ends of a cell, the lower one first.
func edges(cell int) (lo, hi float64) {
	at := func(i int) float64 { // where cell i above zero begins
		return float64(math.Float32frombits(firstBits + uint32(i-1)<<(mantissaBits-fractionBits)))
	}
	switch i := cell - nearZero; {
	case i > 0:
		return at(i), at(i + 1)
	case i < 0:
		return -at(1 - i), -at(-i)
	}
	return -at(1), at(1)
}

// addPowers adds x, x² and x³ to the sums of a unit.
func addPowers(p []uint64, x float32) {
	fixed := int64(math.RoundToEven(float64(x) * (1 << pointBits)))
	size := uint64(max(fixed, -fixed)) // below 2^63
	sign := uint64(fixed >> 63)

	var carry uint64
	p[0], carry = bits.Add64(p[0], uint64(fixed), 0)
	p[1], _ = bits.Add64(p[1], sign, carry)

	high, low := bits.Mul64(size, size)
	p[2], carry = bits.Add64(p[2], low, 0)
	p[3], carry = bits.Add64(p[3], high, carry)
	p[4] += carry

	c1, c0 := bits.Mul64(low, size)
	c2, mid := bits.Mul64(high, size)
	c1, carry = bits.Add64(c1, mid, 0)
	c2 += carry
	// Of a negative value: its complement, and one.
	p[5], carry = bits.Add64(p[5], c0^sign, sign&1)
	p[6], carry = bits.Add64(p[6], c1^sign, carry)
	p[7], carry = bits.Add64(p[7], c2^sign, carry)
	p[8], _ = bits.Add64(p[8], sign, carry)
}

// integer is the number that words in two's complement stand for.
func integer(w []uint64) *big.Int {
	n := new(big.Int)
	for i := len(w) - 1; i >= 0; i-- {
		n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(w[i]))
	}
	if w[len(w)-1]>>63 == 1 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(64*len(w))))
	}
	return n
}

// Sum is the sum of unit u's values, rounded once. It has the bits of lowrank.Sums, where
// those are exact.
func (s *Set) Sum(u int) float64 {
	x, _ := new(big.Float).SetInt(integer(s.powers(u)[first:second])).Float64()
	return math.Ldexp(x, -pointBits)
}

func (s *Set) powers(u int) []uint64 { return s.Powers[u*words : (u+1)*words] }

// Moments are the mean of unit u's values and the sums of the second and third powers of
// their differences from it, each rounded once:
//
//	m₂ = Σx² - (Σx)²/n
//	m₃ = Σx³ - 3·Σx·Σx²/n + 2·(Σx)³/n²
//
// They are zero without images.
func (s *Set) Moments(u int) (mean, squares, cubes float64) {
	if s.Images == 0 {
		return 0, 0, 0
	}
	p, n := s.powers(u), big.NewInt(int64(s.Images))
	a, b, c := integer(p[first:second]), integer(p[second:third]), integer(p[third:])
	square := new(big.Int).Mul(a, a)
	m2 := new(big.Int).Mul(n, b)
	m2.Sub(m2, square)
	// n²·m₃ = n·(n·Σx³ - 3·Σx·Σx²) + 2·(Σx)³
	m3 := new(big.Int).Mul(n, c)
	m3.Sub(m3, new(big.Int).Mul(big.NewInt(3), new(big.Int).Mul(a, b)))
	m3.Mul(m3, n).Add(m3, square.Mul(square, a).Lsh(square, 1))
	over := func(x, by *big.Int, point int) float64 {
		f, _ := new(big.Rat).SetFrac(x, by).Float64()
		return math.Ldexp(f, -point)
	}
	return over(a, n, pointBits), over(m2, n, 2*pointBits), over(m3, new(big.Int).Mul(n, n), 3*pointBits)
}

// Quantile is about the value that a share p of unit u's values, 0 to 1, lies below: of the n
// values in order, number p·(n-1) from 0, between two of them where that is no whole number,
// as if the values of a cell were spread evenly over it. It is zero without images.
//
// Its distance from the quantile of the values is below the width of the cells of the two:
// an eighth of their size at most, or 2^-13 about zero.
func (s *Set) Quantile(u int, p float64) float64 {
	if s.Images == 0 {
		return 0
	}
	rank := p*float64(s.Images-1) + 0.5
	below := 0.0
	last := 0.0
	for cell, n := range s.Counts[u*Cells : (u+1)*Cells] {
		if n == 0 {
			continue
		}
		lo, hi := edges(cell)
		if rank <= below+float64(n) {
			return lo + (rank-below)/float64(n)*(hi-lo)
		}
		below, last = below+float64(n), hi
	}
	return last
}
