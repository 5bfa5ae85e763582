package trend

import (
	"slices"

	"gonum.org/v1/gonum/stat"
)

// A Summary says how numbers are spread. Deviation is that of the numbers themselves, with
// N in the denominator, so that one number has one. The median of an even number of them
// is the mean of the middle two.
type Summary struct {
	Mean      float64 `json:"mean"`
	Deviation float64 `json:"standard_deviation"`
	Smallest  float64 `json:"smallest"`
	Median    float64 `json:"median"`
	Largest   float64 `json:"largest"`
}

// Summarize summarizes finite numbers, of which there must be one or more.
func Summarize(values []float64) Summary {
	if len(values) == 0 {
		panic("trend: no values to summarize")
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	mean, deviation := stat.PopMeanStdDev(values, nil)
	return Summary{mean, deviation, sorted[0], sorted[(n-1)/2]/2 + sorted[n/2]/2, sorted[n-1]}
}
