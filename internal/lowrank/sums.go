package lowrank

// Sums are the sums of float32 values, one for each of any number of units. They
// do not depend on the order in which the values come, nor on how these are
// shared out among Sums that are added up afterwards: so a part of the images can
// be summed up on each of many machines, and the whole has the same bits.
//
// A value is cut into a multiple of 2^-20 and the rest, a multiple of 2^-52 but
// for what is smaller still. Sums of either are exact in float64 while they stay
// below 2^33 and 2, which takes more than four million images of values below
// 2048. Beyond, they are rounded as any sum is.
type Sums struct {
	High, Low []float64 // [U]; a sum is the two added
}

// NewSums returns the sums of no values.
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

// sumOf is the sum of values as Sums have it.
func sumOf(values []float32) float64 {
	s := Sums{make([]float64, 1), make([]float64, 1)}
	for _, v := range values {
		s.Add(0, v)
	}
	return s.Of(0)
}
