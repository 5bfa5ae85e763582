package trend

import (
	"context"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/clipnh/clipnh/internal/par"
)

// An Interval is where a difference may lie.
type Interval struct{ Low, High float64 }

// BootstrapOptions say how intervals are found.
type BootstrapOptions struct {
	Replicates int
	Seed       uint64
	Confidence float64 // 0 to 1
}

// ValuesPerReplicate is how many numbers Bootstrap keeps of each quantity and replicate.
const ValuesPerReplicate = 2

// Bootstrap returns an interval for the Difference of each of some quantities, of which
// ref and now have the values in every image, [quantities][B]. Images of both sides are
// drawn again with replacement, the same for all quantities. Each end is the further
// out of two, as either alone falls short on small and skewed samples: that of Efron's
// BCa interval, which covers less where the variance itself is uncertain, and that of
// the studentised interval, d - t·se for the quantiles t of (d* - d)/se*, which covers
// less where both sides are skewed alike. An end is infinite where replicates do not
// bound it. The result depends on the seed, and not on the team. The error is that of
// ctx, if it ends before.
func Bootstrap(ctx context.Context, ref, now [][]float32, o BootstrapOptions, team par.Team) ([]Interval, error) {
	if len(ref) != len(now) {
		panic("trend: two sides of different quantities")
	}
	if len(ref) == 0 || o.Replicates < 1 {
		return nil, nil
	}
	measured := make([]comparison, len(ref))
	for u := range ref {
		measured[u] = newComparison(ref[u], now[u])
	}
	differences, students := make([]float64, len(ref)*o.Replicates), make([]float64, len(ref)*o.Replicates)
	team.For(o.Replicates, func(lo, hi, _ int) {
		weights := [2][]float64{make([]float64, len(ref[0])), make([]float64, len(now[0]))}
		for r := lo; r < hi && ctx.Err() == nil; r++ {
			random := rand.NewPCG(o.Seed, uint64(r))
			draw(weights[0], random)
			draw(weights[1], random)
			for u := range ref {
				at := u*o.Replicates + r
				differences[at], students[at] = measured[u].replicate(weights)
			}
		}
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	intervals := make([]Interval, len(ref))
	team.For(len(ref), func(lo, hi, _ int) {
		for u := lo; u < hi; u++ {
			at, end := u*o.Replicates, (u+1)*o.Replicates
			intervals[u] = measured[u].interval(differences[at:end], students[at:end], (1-o.Confidence)/2)
		}
	})
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

// A comparison is a quantity in the images of both sides.
type comparison struct {
	values            [2][]float32
	about             [2]float64 // their means
	difference, error float64    // d, and its standard error
}

func newComparison(ref, now []float32) comparison {
	c := comparison{values: [2][]float32{ref, now}}
	var weights [2][]float64
	for side, values := range c.values {
		weights[side] = make([]float64, len(values))
		for i, x := range values {
			weights[side][i] = 1
			c.about[side] += float64(x) / float64(len(values))
		}
	}
	c.difference, c.error = c.of(weights)
	return c
}

// of is the difference d of weighted images, and its standard error by the delta
// method: the root of the sum of squares of what each image adds,
//
//	± (x - mean)/(n·s) - d/(2·s²)·((x - mean)² - m₂)/(n + n_ref)
//
// where s is the pooled standard deviation, m₂ the side's mean square, and the sign that
// of the side. Only moments of each side are needed.
func (c *comparison) of(weights [2][]float64) (d, se float64) {
	var mean, m2, m3, m4, n [2]float64
	for side, values := range c.values {
		var s1, s2, s3, s4 float64
		for i, w := range weights[side] {
			x := float64(values[i]) - c.about[side]
			xx := x * x
			s1 += w * x
			s2 += w * xx
			s3 += w * xx * x
			s4 += w * xx * xx
		}
		k := float64(len(values))
		s1, s2, s3, s4 = s1/k, s2/k, s3/k, s4/k
		n[side], mean[side] = k, s1
		m2[side] = max(s2-s1*s1, 0)
		m3[side] = s3 - 3*s1*s2 + 2*s1*s1*s1
		m4[side] = max(s4-4*s1*s3+6*s1*s1*s2-3*s1*s1*s1*s1, 0)
	}
	all, squares := n[0]+n[1], n[0]*m2[0]+n[1]*m2[1]
	d = standardised(c.about[1]-c.about[0]+mean[1]-mean[0], squares, int(all))
	pooled := squares / max(all-2, 1)
	variance, bend := 0.0, -d/(2*pooled*all)
	for side, sign := range []float64{-1, 1} {
		slope := sign / (n[side] * math.Sqrt(pooled))
		part := slope*slope*m2[side] + 2*slope*bend*m3[side] + bend*bend*(m4[side]-m2[side]*m2[side])
		variance += n[side] * part * n[side] / max(n[side]-1, 1)
	}
	return d, math.Sqrt(max(variance, 0))
}

// replicate is the difference of drawn images, and how many of its standard errors it is
// from that of all images.
func (c *comparison) replicate(weights [2][]float64) (d, t float64) {
	d, se := c.of(weights)
	moved := d - c.difference
	switch {
	case moved == 0 || math.IsNaN(moved):
		return d, 0
	case se > 0 && !math.IsInf(d, 0):
		return d, moved / se
	}
	return d, math.Copysign(math.Inf(1), moved)
}

// acceleration is BCa's: a sixth of the skewness of what images add.
func (c *comparison) acceleration() float64 {
	var n, squares float64
	var m2 [2]float64
	for side, values := range c.values {
		for _, x := range values {
			d := float64(x) - c.about[side]
			m2[side] += d * d
		}
		squares += m2[side]
		n += float64(len(values))
		m2[side] /= float64(len(values))
	}
	pooled := squares / max(n-2, 1)
	var sum2, sum3 float64
	for side, sign := range []float64{-1, 1} {
		slope := sign / (float64(len(c.values[side])) * math.Sqrt(pooled))
		for _, x := range c.values[side] {
			d := float64(x) - c.about[side]
			add := slope*d - c.difference/(2*pooled*n)*(d*d-m2[side])
			sum2 += add * add
			sum3 += add * add * add
		}
	}
	return sum3 / (6 * math.Pow(sum2, 1.5))
}

// interval is that with a probability left out at each end. It sorts what it is given.
func (c *comparison) interval(differences, students []float64, tail float64) Interval {
	if !(c.error > 0) || math.IsInf(c.difference, 0) {
		return Interval{c.difference, c.difference}
	}
	slices.Sort(differences)
	slices.Sort(students)
	below := 0.0
	for _, d := range differences {
		switch {
		case d < c.difference:
			below++
		case d == c.difference:
			below += 0.5
		}
	}
	replicates := float64(len(differences))
	bias, skew := distuv.UnitNormal.Quantile(min(max(below, 0.5), replicates-0.5)/replicates), c.acceleration()
	end := func(share, opposite float64) (bca, studentised float64) {
		z := bias + distuv.UnitNormal.Quantile(share)
		at := 1.0
		if skew*z < 1 {
			at = distuv.UnitNormal.CDF(bias + z/(1-skew*z))
		}
		return quantile(differences, at), c.difference - quantile(students, opposite)*c.error
	}
	low, low2 := end(tail, 1-tail)
	high, high2 := end(1-tail, tail)
	return Interval{min(low, low2), max(high, high2)}
}

// quantile is the value at a share of sorted ones, between neighbours in proportion.
func quantile(sorted []float64, share float64) float64 {
	place := share * float64(len(sorted)-1)
	lo := int(place)
	a, b := sorted[lo], sorted[min(lo+1, len(sorted)-1)]
	if part := place - float64(lo); part > 0 && a != b && !math.IsInf(a, 0) {
		return a + (b-a)*part
	}
	return a
}
