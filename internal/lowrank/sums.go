package lowrank

// Sums are sums of float32 values, one sum per unit. They do not depend on the order
// of the values, or on how the values are split among Sums that are merged later. So
// each of several machines can sum a part of the images, and the total has the same
// bits.
//
// A value is split into a multiple of 2^-20 and a remainder, which is rounded to a
// multiple of 2^-52. Sums of these parts are exact in float64 while they stay below
// 2^33 and 2, which holds for up to four million images with values below 2048.
// Larger sums are rounded as usual.
type Sums struct {
	High, Low []float64 // [U]; the sum is High + Low
}

// NewSums returns sums of zero for a number of units.
func NewSums(units int) Sums { return Sums{make([]float64, units), make([]float64, units)} }

// Adding and subtracting 1.5 times 2^52 of a unit rounds to multiples of the unit.
const (
	toHigh = 1.5 * (1 << 32) // 2^-20
	toLow  = 1.5             // 2^-52
)

// Add adds a value to the sum of unit u.
func (s Sums) Add(u int, value float32) {
	v := float64(value)
	high := v + toHigh - toHigh
	s.High[u] += high
	s.Low[u] += v - high + toLow - toLow
}

// Merge adds other sums of the same units.
func (s Sums) Merge(other Sums) {
	for u := range s.High {
		s.High[u] += other.High[u]
		s.Low[u] += other.Low[u]
	}
}

// Of returns the sum of unit u.
func (s Sums) Of(u int) float64 { return s.High[u] + s.Low[u] }

// sumOf returns the sum of values, computed as in Sums.
func sumOf(values []float32) float64 {
	s := Sums{make([]float64, 1), make([]float64, 1)}
	for _, v := range values {
		s.Add(0, v)
	}
	return s.Of(0)
}
