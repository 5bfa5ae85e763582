package trend

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/clipnh/clipnh/internal/par"
)

// Moments are sums over images of many quantities at once, such as the scores
// of all pairs, each about a value of its own close to its mean, so that
// variances keep their digits.
type Moments struct {
	N                      int
	about, sum, sum2, sum3 []float64
}

// NewMoments returns the moments of n quantities without an image.
func NewMoments(n int) *Moments {
	return &Moments{about: make([]float64, n), sum: make([]float64, n), sum2: make([]float64, n), sum3: make([]float64, n)}
}

// Add adds the quantities of images, [B,n].
func (m *Moments) Add(values []float32, team par.Team) {
	n := len(m.sum)
	if n == 0 {
		return
	}
	first := m.N == 0
	team.For(n, func(lo, hi, _ int) {
		for rows := values; len(rows) > 0; rows = rows[n:] {
			if first && len(rows) == len(values) {
				for i := lo; i < hi; i++ {
					m.about[i] = float64(rows[i])
				}
			}
			for i := lo; i < hi; i++ {
				d := float64(rows[i]) - m.about[i]
				m.sum[i] += d
				m.sum2[i] += d * d
				m.sum3[i] += d * d * d
			}
		}
	})
	m.N += len(values) / n
}

// Mean is that of quantity i.
func (m *Moments) Mean(i int) float64 { return m.about[i] + m.sum[i]/float64(m.N) }

// squares is the sum of squared differences from the mean.
func (m *Moments) squares(i int) float64 {
	return max(m.sum2[i]-m.sum[i]*m.sum[i]/float64(m.N), 0)
}

// cubes is the sum of cubed differences from the mean.
func (m *Moments) cubes(i int) float64 {
	n, mean := float64(m.N), m.sum[i]/float64(m.N)
	return m.sum3[i] - 3*mean*m.sum2[i] + 2*n*mean*mean*mean
}

// Difference is how far quantity i has moved from the reference, in pooled
// standard deviations:
//
//	(mean - mean_ref) / sqrt((Σ(x-mean)² + Σ(x_ref-mean_ref)²) / (n + n_ref - 2))
//
// It is zero where both means are the same, and infinite where values that never
// vary have moved.
func Difference(ref, now *Moments, i int) float64 {
	return standardised(now.Mean(i)-ref.Mean(i), ref.squares(i)+now.squares(i), ref.N+now.N)
}

func standardised(moved, squares float64, n int) float64 {
	if moved == 0 {
		return 0
	}
	return moved / math.Sqrt(squares/float64(max(n-2, 1)))
}

// PValue is how likely means as different as those of quantity i are, either way, where
// both collections are a random division of all N images. The first three moments of
// the difference over all divisions,
//
//	0,  S₂·(1/n + 1/n_ref),  S₃·(1/n² - 1/n_ref²)
//
// with the k-statistics S₂ and S₃ of all images, give the Pearson type III distribution
// that it is compared with. Unlike Student's t, this allows for skewed quantities and
// collections of different sizes; heavier tails than its own make it too small. It is 1 where both means are the same.
func PValue(ref, now *Moments, i int) float64 {
	moved := now.Mean(i) - ref.Mean(i)
	if moved == 0 {
		return 1
	}
	n, m := float64(now.N), float64(ref.N)
	N := n + m
	// Sums about the mean of all images, from which the sides' means are a and b.
	a, b := moved*m/N, -moved*n/N
	qa, qb := now.squares(i), ref.squares(i)
	squares := qa + n*a*a + qb + m*b*b
	cubes := now.cubes(i) + 3*a*qa + n*a*a*a + ref.cubes(i) + 3*b*qb + m*b*b*b
	variance := squares / (N - 1) * (1/n + 1/m)
	third := cubes * N / max((N-1)*(N-2), 1) * (1/n/n - 1/m/m)
	z, skew := moved/math.Sqrt(variance), third/math.Pow(variance, 1.5)
	if skew < 0 {
		z, skew = -z, -skew
	}
	return min(1, 2*pearsonTail(z, skew))
}

// pearsonTail is the probability that a variable of mean 0, variance 1 and a skewness of
// at least 0, of Pearson's type III, is as far out as z on z's side. It is that of a
// gamma variable x with x = k + z·√k and k = 4/skew².
func pearsonTail(z, skew float64) float64 {
	const normal = 1e-3 // below it, the normal distribution to all digits that matter
	if skew < normal {
		return distuv.UnitNormal.Survival(math.Abs(z))
	}
	k := 4 / (skew * skew)
	x := max(k+z*math.Sqrt(k), 0)
	if z > 0 {
		return mathext.GammaIncRegComp(k, x)
	}
	return mathext.GammaIncReg(k, x)
}

// FalseDiscovery returns for each of some p-values the smallest rate of false
// discoveries at which it counts as one among them all: Benjamini and Hochberg's
//
//	q_(k) = min over j ≥ k of p_(j)·m/j
//
// of m values in ascending order. Of the quantities with q at most some rate, no more
// than that share is expected to have moved by chance, where tests are independent or
// positively dependent.
func FalseDiscovery(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	q, least := make([]float64, len(p)), 1.0
	for k := len(p); k > 0; k-- {
		i := order[k-1]
		least = min(least, p[i]*float64(len(p))/float64(k))
		q[i] = least
	}
	return q
}
