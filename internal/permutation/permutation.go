// Package permutation tests whether any of very many quantities goes with the groups
// of images, and which.
//
// A Design has the groups of some images, as they are and permuted. The correlation of
// a quantity with a contrast, one group against the rest, is point-biserial: Pearson's
// r with an indicator. If groups have nothing to do with any of the quantities, every
// permutation is as likely as what was observed. So the largest correlation among all
// quantities, permutation by permutation, says how large one is by chance among as many
// as were tried, whatever their dependence: the max-statistic. Of several designs,
// whose numbers of images differ, correlations are compared by the probability that
// Student's t gives them (trend.Significance).
//
// Source: Westfall and Young, Resampling-Based Multiple Testing (1993).
package permutation

import (
	"math"
	"math/rand/v2"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/trend"
)

// Permuted returns n random orders of groups. They depend on the seed and the stream
// only, so that designs can have permutations of their own.
func Permuted(groups []int, n int, seed, stream uint64) [][]int {
	random := rand.New(rand.NewPCG(seed, stream))
	all := make([][]int, n)
	for p := range all {
		all[p] = append([]int(nil), groups...)
		random.Shuffle(len(groups), func(i, j int) { all[p][i], all[p][j] = all[p][j], all[p][i] })
	}
	return all
}

// A Design is how N images are grouped, as they are and permuted.
type Design struct {
	N         int
	Contrasts []int // of each, the group that is held against the rest

	permutations int
	columns      []float32 // indicators, centred and of length 1, [N, contrasts·permutations]
	largest      []float32 // |r| among all quantities so far, [contrasts·permutations]
	products     []float32 // scratch
}

// NewDesign returns the design of images with these groups, 0 to G-1, of which each has
// an image and at least one other has too. Of two groups there is one contrast, of
// more one for each.
func NewDesign(groups []int, permuted [][]int) *Design {
	last := 0
	for _, g := range groups {
		last = max(last, g)
	}
	d := &Design{N: len(groups), permutations: len(permuted)}
	for g := range last + 1 {
		if last != 1 || g == 0 {
			d.Contrasts = append(d.Contrasts, g)
		}
	}
	width := len(d.Contrasts) * len(permuted)
	d.columns, d.largest = make([]float32, d.N*width), make([]float32, width)
	for c, g := range d.Contrasts {
		k := 0.0
		for _, of := range groups {
			if of == g {
				k++
			}
		}
		n := float64(d.N)
		length := math.Sqrt(k * (n - k) / n) // of the centred indicator
		in, out := float32((1-k/n)/length), float32(-k/n/length)
		for p, order := range permuted {
			for i, of := range order {
				at := &d.columns[i*width+c*len(permuted)+p]
				if *at = out; of == g {
					*at = in
				}
			}
		}
	}
	return d
}

// Width is how many indicators a design has, one for each contrast and permutation.
func (d *Design) Width() int { return len(d.largest) }

// Add takes note of the largest correlations that units quantities have with permuted
// groups. values [N,units] are finite; they become standardised. A quantity that is
// the same on all images correlates with nothing.
func (d *Design) Add(values []float32, units int, team par.Team) {
	d.standardise(values, units, team)
	width := len(d.largest)
	if len(d.products) < units*width {
		d.products = make([]float32, units*width)
	}
	kernel.Sgemm(1, kernel.Dense(values, d.N, units).T(), kernel.Dense(d.columns, d.N, width), 0, kernel.Dense(d.products, units, width), team)
	team.For(width, func(lo, hi, _ int) {
		for u := range units {
			for i, r := range d.products[u*width+lo : u*width+hi] {
				if r = max(r, -r); r > d.largest[lo+i] {
					d.largest[lo+i] = r
				}
			}
		}
	})
}

// standardise subtracts the mean of each column of values [N,units] and makes its length
// 1, or 0 where it is constant.
func (d *Design) standardise(values []float32, units int, team par.Team) {
	team.For(units, func(lo, hi, _ int) {
		sum, square := make([]float64, hi-lo), make([]float64, hi-lo)
		for i := range d.N {
			for j, x := range values[i*units+lo : i*units+hi] {
				sum[j] += float64(x)
			}
		}
		for i := range d.N {
			for j, x := range values[i*units+lo : i*units+hi] {
				y := float64(x) - sum[j]/float64(d.N)
				square[j] += y * y
			}
		}
		for i := range d.N {
			row := values[i*units+lo : i*units+hi]
			for j, x := range row {
				mean := sum[j] / float64(d.N)
				row[j] = 0
				if length := math.Sqrt(square[j]); length > roundedAway*math.Abs(mean) {
					row[j] = float32((float64(x) - mean) / length)
				}
			}
		}
	})
}

// roundedAway is how small a spread is, beside the mean, that only float32's rounding
// makes.
const roundedAway = 1e-7

// rounding bounds the error of the correlations of Add, so that an observed grouping
// that is permuted into itself counts as just as large.
const rounding = 1e-5

// A Family is a set of designs whose quantities are all tested together.
type Family struct {
	least []float64 // log10 of the smallest probability of each permutation
}

// NewFamily puts designs together, which have as many permutations as each other, as
// far as quantities have been added to them.
func NewFamily(designs []*Design) *Family {
	f := &Family{}
	for _, d := range designs {
		if f.least == nil {
			f.least = make([]float64, d.permutations)
		}
		for i, r := range d.largest {
			if _, log10 := trend.Significance(min(float64(r), 1), d.N); log10 < f.least[i%d.permutations] {
				f.least[i%d.permutations] = log10
			}
		}
	}
	return f
}

// P is the probability that any quantity of the family has a correlation as
// significant as r of n images by chance,
//
//	(1 + permutations whose most significant correlation is as significant) / (1 + permutations)
//
// and 1 where r is NaN. It only grows as quantities are added.
func (f *Family) P(r float64, n int) float64 {
	_, log10 := trend.Significance(max(math.Abs(r)-rounding, 0), n)
	if math.IsNaN(log10) {
		return 1
	}
	count := 1
	for _, least := range f.least {
		if least <= log10 {
			count++
		}
	}
	return float64(count) / float64(1+len(f.least))
}

// Least is the smallest |r| of n images for which P is at most level; 2 if there is
// none.
func (f *Family) Least(level float64, n int) float64 {
	lo, hi := 0.0, 1+rounding
	if f.P(hi, n) > level {
		return 2
	}
	for hi-lo > 1e-9 {
		if mid := (lo + hi) / 2; f.P(mid, n) > level {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}
