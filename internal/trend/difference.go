package trend

import (
	"context"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"

	"github.com/clipnh/clipnh/internal/par"
)

// Moments are sums over images of many quantities at once, such as the scores
// of all pairs, each about a value of its own close to its mean, so that
// variances keep their digits.
type Moments struct {
	N                int
	about, sum, sum2 []float64
}

// NewMoments returns the moments of n quantities without an image.
func NewMoments(n int) *Moments {
	return &Moments{about: make([]float64, n), sum: make([]float64, n), sum2: make([]float64, n)}
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

// An Interval is where a difference may lie.
type Interval struct{ Low, High float64 }

// BootstrapOptions say how intervals are found.
type BootstrapOptions struct {
	Replicates int
	Seed       uint64
	Confidence float64 // 0 to 1
}

// Bootstrap returns an interval for the Difference of each of some quantities,
// of which ref and now have the values in every image, [quantities][B]. Images
// of both sides are drawn again with replacement, the same for all quantities,
// and the interval is between the percentiles of what comes out. The result
// depends on the seed, and not on the team. The error is that of ctx, if it ends
// before.
func Bootstrap(ctx context.Context, ref, now [][]float32, o BootstrapOptions, team par.Team) ([]Interval, error) {
	if len(ref) != len(now) {
		panic("trend: two sides of different quantities")
	}
	if len(ref) == 0 || o.Replicates < 1 {
		return nil, nil
	}
	found := make([]float64, len(ref)*o.Replicates)
	about := make([]float64, len(ref))
	for u := range ref {
		about[u] = float64(ref[u][0])
	}
	team.For(o.Replicates, func(lo, hi, _ int) {
		weights := [2][]float64{make([]float64, len(ref[0])), make([]float64, len(now[0]))}
		for r := lo; r < hi && ctx.Err() == nil; r++ {
			random := rand.NewPCG(o.Seed, uint64(r))
			draw(weights[0], random)
			draw(weights[1], random)
			for u := range ref {
				m0, q0 := weighted(ref[u], weights[0], about[u])
				m1, q1 := weighted(now[u], weights[1], about[u])
				found[u*o.Replicates+r] = standardised(m1-m0, q0+q1, len(ref[u])+len(now[u]))
			}
		}
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	intervals := make([]Interval, len(ref))
	tail := (1 - o.Confidence) / 2
	for u := range intervals {
		all := found[u*o.Replicates : (u+1)*o.Replicates]
		slices.Sort(all)
		intervals[u] = Interval{quantile(all, tail), quantile(all, 1-tail)}
	}
	return intervals, nil
}

// draw makes weights how often each of as many images is drawn.
func draw(weights []float64, random *rand.PCG) {
	clear(weights)
	for range weights {
		at, _ := bits.Mul64(random.Uint64(), uint64(len(weights)))
		weights[at]++
	}
}

// weighted is the mean about a value, and the sum of squared differences from it.
func weighted(values []float32, weights []float64, about float64) (mean, squares float64) {
	var sum, sum2 float64
	for i, w := range weights {
		d := float64(values[i]) - about
		sum += w * d
		sum2 += w * d * d
	}
	n := float64(len(values))
	return sum / n, max(sum2-sum*sum/n, 0)
}

// quantile is the value at a share of sorted ones, between neighbours in
// proportion.
func quantile(sorted []float64, share float64) float64 {
	place := share * float64(len(sorted)-1)
	lo := int(place)
	a, b := sorted[lo], sorted[min(lo+1, len(sorted)-1)]
	if a == b { // perhaps infinite
		return a
	}
	return a + (b-a)*(place-float64(lo))
}
