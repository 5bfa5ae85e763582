package trend

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// MomentsOf returns the moments of n images from the means of quantities, and the sums of
// the second and third powers of their differences from these.
func MomentsOf(n int, means, squares, cubes []float64) *Moments {
	return &Moments{N: n, about: means, sum: make([]float64, len(means)), sum2: squares, sum3: cubes}
}

// variance is that of the mean of quantity i, estimated.
func (m *Moments) variance(i int) float64 {
	n := float64(m.N)
	return m.squares(i) / max(n-1, 1) / n
}

// welch returns the difference of the means of quantity i, its standard error, and the
// degrees of freedom that Welch and Satterthwaite give it:
//
//	ν = (v + v_ref)² / (v²/(n-1) + v_ref²/(n_ref-1))
func welch(ref, now *Moments, i int) (moved, deviation, freedom float64) {
	v, w := now.variance(i), ref.variance(i)
	moved, deviation = now.Mean(i)-ref.Mean(i), math.Sqrt(v+w)
	freedom = (v + w) * (v + w) / (v*v/float64(max(now.N-1, 1)) + w*w/float64(max(ref.N-1, 1)))
	return moved, deviation, freedom
}

// WelchP is how likely means as different as those of quantity i are, either way, where
// both collections have one mean: of Welch's t. It needs no equal variances, and it needs
// means that are about normal, as those of many images are; of skewed quantities and
// collections of very different sizes it is too small, where PValue is not.
func WelchP(ref, now *Moments, i int) float64 {
	moved, deviation, freedom := welch(ref, now, i)
	switch {
	case moved == 0:
		return 1
	case !(deviation > 0):
		return 0 // values that never vary, and have moved
	}
	t := moved / deviation
	return mathext.RegIncBeta(freedom/2, 0.5, freedom/(freedom+t*t))
}

// WelchInterval bounds the Difference of quantity i with a confidence, such as 0.95: the
// difference of means by Welch's t, over the pooled standard deviation as if that were
// known. It is NaN where values never vary.
func WelchInterval(ref, now *Moments, i int, confidence float64) Interval {
	moved, deviation, freedom := welch(ref, now, i)
	if !(deviation > 0) {
		return Interval{math.NaN(), math.NaN()}
	}
	// The t that is exceeded with probability 1-confidence: x = ν/(ν+t²) is a quantile of a
	// beta distribution.
	x := mathext.InvRegIncBeta(freedom/2, 0.5, 1-confidence)
	reach := math.Sqrt(freedom*(1-x)/x) * deviation
	at := func(moved float64) float64 {
		return standardised(moved, ref.squares(i)+now.squares(i), ref.N+now.N)
	}
	return Interval{at(moved - reach), at(moved + reach)}
}

// AnyDependence makes rates of false discoveries of FalseDiscovery those of Benjamini and
// Yekutieli, which hold however tests depend on one another:
//
//	q · Σ 1/j, j = 1..m, at most 1
//
// of all m quantities.
func AnyDependence(q []float64) []float64 {
	harmonic := 0.0
	for j := len(q); j > 0; j-- {
		harmonic += 1 / float64(j)
	}
	held := make([]float64, len(q))
	for i, x := range q {
		held[i] = min(1, x*harmonic)
	}
	return held
}
