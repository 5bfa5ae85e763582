package trend

import (
	"math"
	"testing"
)

func TestSummarize(t *testing.T) {
	for name, tt := range map[string]struct {
		values []float64
		want   Summary
	}{
		"one":  {[]float64{3}, Summary{3, 0, 3, 3, 3}},
		"even": {[]float64{4, 1, 2, 9}, Summary{4, math.Sqrt(9.5), 1, 3, 9}},
		"odd":  {[]float64{5, -1, 2}, Summary{2, math.Sqrt(6), -1, 2, 5}},
	} {
		got := Summarize(tt.values)
		for _, pair := range [][2]float64{{got.Mean, tt.want.Mean}, {got.Deviation, tt.want.Deviation}, {got.Smallest, tt.want.Smallest}, {got.Median, tt.want.Median}, {got.Largest, tt.want.Largest}} {
			if math.Abs(pair[0]-pair[1]) > 1e-12 {
				t.Errorf("%s: %+v, want %+v", name, got, tt.want)
			}
		}
	}
}
