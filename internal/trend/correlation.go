package trend

import (
	"math"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat"
)

// A Correlation is Pearson's r of N pairs of numbers, and how likely one as far
// from zero is where there is none: two-sided, from Student's t with N-2 degrees
// of freedom. P is zero where a float64 holds no number as small; Log10P is
// its logarithm even then.
type Correlation struct {
	R, P, Log10P float64
	N            int
}

// PointBiserial correlates values with a label. R is NaN where it is not defined:
// of fewer than two values, equal values, or equal labels. P is NaN then, and of
// fewer than three values.
func PointBiserial(values []float64, labels []bool) Correlation {
	if len(values) != len(labels) {
		panic("trend: values and labels differ in number")
	}
	numbers := make([]float64, len(labels))
	for i, label := range labels {
		if label {
			numbers[i] = 1
		}
	}
	c := Correlation{R: Pearson(values, numbers), N: len(values)}
	c.P, c.Log10P = Significance(c.R, c.N)
	return c
}

// Pearson is the correlation coefficient of x and y; NaN where either is the same
// throughout, or there are fewer than two.
func Pearson(x, y []float64) float64 {
	if len(x) != len(y) {
		panic("trend: two lists differ in number")
	}
	if constant(x) || constant(y) {
		return math.NaN()
	}
	return min(max(stat.Correlation(x, y, nil), -1), 1)
}

// constant tells equal values apart from those whose differences round away.
func constant(x []float64) bool {
	for _, v := range x {
		if v != x[0] {
			return false
		}
	}
	return true
}

// Significance returns P and Log10P of the correlation r of n pairs of numbers. With t² = r²·(n-2)/(1-r²) Student's two tails
// are
//
//	P = I_{1-r²}((n-2)/2, 1/2)
//
// where I is the regularised incomplete beta function.
func Significance(r float64, n int) (p, log10 float64) {
	if n < 3 || math.IsNaN(r) {
		return math.NaN(), math.NaN()
	}
	// 1-r² by factors: it keeps its digits where r is close to 1.
	a, x := float64(n-2)/2, (1-math.Abs(r))*(1+math.Abs(r))
	if x == 0 {
		return 0, math.Inf(-1)
	}
	const small = 1e-280 // above it a float64 has all its digits
	if p = mathext.RegIncBeta(a, 0.5, x); p > small {
		return p, math.Log10(p)
	}
	log10 = logTail(a, x) / math.Ln10
	return math.Pow(10, log10), log10
}

// logTail is the natural logarithm of I_x(a,1/2), by its power series
//
//	I_x(a,b) = x^a·(1-x)^b/(a·B(a,b))·(1 + Σ_{k≥1} Π_{j<k} x·(a+b+j)/(a+1+j))
//
// all of whose terms are positive, and smaller than x to the power of their place.
func logTail(a, x float64) float64 {
	const b = 0.5
	sum, term := 1.0, 1.0
	for j := 0.0; term > sum*1e-17; j++ {
		term *= x * (a + b + j) / (a + 1 + j)
		sum += term
	}
	beta := logGamma(a) + logGamma(b) - logGamma(a+b)
	return a*math.Log(x) + b*math.Log1p(-x) - math.Log(a) - beta + math.Log(sum)
}

func logGamma(x float64) float64 {
	g, _ := math.Lgamma(x)
	return g
}
