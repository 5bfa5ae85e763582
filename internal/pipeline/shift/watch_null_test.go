package shift

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/sketch"
	"github.com/clipnh/clipnh/internal/trend"
)

// syntheticScores of images share factors, so that pairs depend on one another, and half of
// the pairs are skewed, as sums over ReLUs are.
func syntheticScores(images, pairs int, r *rand.Rand) []float32 {
	const factors = 8
	values, f := make([]float32, images*pairs), make([]float64, factors)
	for b := range images {
		for i := range f {
			f[i] = r.NormFloat64()
		}
		for p := range pairs {
			x := 0.7*f[p%factors] + 0.7*r.NormFloat64()
			if p%2 == 1 {
				x = math.Exp(x / 2)
			}
			values[b*pairs+p] = float32(x)
		}
	}
	return values
}

// split returns the moments of the first n rows of a random order and of the others, each
// by its sketch, as of two summaries. The pairs that shifted names are raised in the first.
func split(values []float32, pairs, n int, by float32, shifted func(pair int) bool, r *rand.Rand) (of [2]*trend.Moments) {
	team := par.NewTeam(1)
	sides := [2]*sketch.Set{sketch.New(pairs), sketch.New(pairs)}
	row := make([]float32, pairs)
	for i, b := range r.Perm(len(values) / pairs) {
		copy(row, values[b*pairs:(b+1)*pairs])
		side := 0
		if i < n {
			side = 1
			for p := range row {
				if shifted(p) {
					row[p] += by
				}
			}
		}
		sides[side].Add(row, team)
	}
	return [2]*trend.Moments{momentsOf(sides[0]), momentsOf(sides[1])}
}

const nullSplits = 200

// TestNullSplits draws 200 random splits of one collection and holds the stated rate of false
// discoveries: without a shift every discovery is false, so that the share of splits with
// one is the realised rate. Of 200 splits at a true rate of 5 %, more than 9 % have one
// with a probability below 1 %.
func TestNullSplits(t *testing.T) {
	const images, pairs, rate, most = 300, 120, 0.05, 0.09
	r := rand.New(rand.NewPCG(16, 2))
	values := syntheticScores(images, pairs, r)
	none := func(int) bool { return false }
	for _, test := range []struct {
		name      string
		test      string
		dependent bool
		n         int
		held      bool
	}{
		{"permutation, halves", TestPermutation, false, images / 2, true},
		{"permutation, a tenth", TestPermutation, false, images / 10, true},
		{"permutation, a tenth, by", TestPermutation, true, images / 10, true},
		{"welch, halves", TestWelch, false, images / 2, true},
		{"welch, a tenth", TestWelch, false, images / 10, false}, // which trend.WelchP says
	} {
		o := WatchOptions{Test: test.test, Dependent: test.dependent, FalseDiscovery: rate}
		with := 0
		for range nullSplits {
			for _, c := range ranked(split(values, pairs, test.n, 0, none, r), pairs, o) {
				if c.Changed {
					with++
					break
				}
			}
		}
		realised := float64(with) / nullSplits
		t.Logf("%s: %d of %d null splits with a discovery, %.1f %% at a rate of %.0f %%", test.name, with, nullSplits, 100*realised, 100*rate)
		if test.held && realised > most {
			t.Errorf("%s: %.1f %%, want at most %.0f %%", test.name, 100*realised, 100*most)
		}
	}
}

// TestFalseAmongTrue: with a tenth of the pairs shifted, the mean share of false ones among
// discoveries is the stated rate at most, and most shifts are found.
func TestFalseAmongTrue(t *testing.T) {
	const images, pairs, rate = 300, 120, 0.05
	r := rand.New(rand.NewPCG(16, 3))
	values := syntheticScores(images, pairs, r)
	shifted := func(p int) bool { return p%10 == 0 }
	for _, test := range []string{TestPermutation, TestWelch} {
		share, found := 0.0, 0
		const splits = 60
		for range splits {
			changed, wrong := 0, 0
			for p, c := range ranked(split(values, pairs, images/2, 0.6, shifted, r), pairs, WatchOptions{Test: test, FalseDiscovery: rate}) {
				if c.Changed {
					changed++
					if shifted(p) {
						found++
					} else {
						wrong++
					}
				}
			}
			share += float64(wrong) / max(float64(changed), 1) / splits
		}
		power := float64(found) / splits / (pairs / 10)
		t.Logf("%s: %.1f %% of discoveries are false at a rate of %.0f %%; %.0f %% of shifts are found", test, 100*share, 100*rate, 100*power)
		if share > 1.5*rate || power < 0.8 {
			t.Errorf("%s: %.1f %% false and %.0f %% found, want at most %.1f %%, and 80 %% or more", test, 100*share, 100*power, 150*rate)
		}
	}
}
