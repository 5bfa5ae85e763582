package trend

import (
	"context"
	"errors"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
)

// TestDifference has means 2 and 5, and squares 2 and 8 about them: a pooled
// standard deviation of sqrt(10/4).
func TestDifference(t *testing.T) {
	team := par.NewTeam(2)
	ref, now := NewMoments(2), NewMoments(2)
	ref.Add([]float32{1, 7, 2, 7}, team)
	ref.Add([]float32{3, 7}, team)
	now.Add([]float32{3, 7, 5, 7, 7, 7}, team)
	if got, want := Difference(ref, now, 0), 3/math.Sqrt(2.5); !near(got, want, 1e-14) || ref.N != 3 || ref.Mean(0) != 2 {
		t.Errorf("difference %g, want %g", got, want)
	}
	if got := Difference(ref, now, 1); got != 0 {
		t.Errorf("constants: %g", got)
	}
	fixed := NewMoments(2)
	fixed.Add([]float32{1, 8}, team)
	fixed.Add([]float32{1, 8}, team)
	if got := Difference(ref, fixed, 1); !math.IsInf(got, 1) {
		t.Errorf("constants that moved: %g", got)
	}
}

// TestBootstrap holds that intervals depend on the seed only, lie about the
// difference, and have the width that large samples make them have.
func TestBootstrap(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	const n = 400
	ref, now := [][]float32{make([]float32, n), make([]float32, n)}, [][]float32{make([]float32, n), make([]float32, n)}
	for i := range n {
		ref[0][i], now[0][i] = float32(random.NormFloat64()), float32(random.NormFloat64()+1)
		ref[1][i], now[1][i] = 3, 3
	}
	o := BootstrapOptions{Replicates: 500, Seed: 3, Confidence: 0.95}
	bootstrap := func(o BootstrapOptions, workers int) []Interval {
		t.Helper()
		intervals, err := Bootstrap(t.Context(), ref, now, o, par.NewTeam(workers))
		if err != nil {
			t.Fatal(err)
		}
		return intervals
	}
	got := bootstrap(o, 1)
	for _, workers := range []int{2, 3, 64} {
		if again := bootstrap(o, workers); !slices.Equal(again, got) {
			t.Errorf("%d workers: %v, want %v", workers, again, got)
		}
	}
	other := o
	other.Seed = 4
	if again := bootstrap(other, 1); slices.Equal(again, got) {
		t.Error("another seed gives the same")
	}
	// The difference of two means of n has a standard error of about sqrt(2/n + d²/4n).
	width := got[0].High - got[0].Low
	if want := 2 * 1.96 * math.Sqrt(2.25/n); width < 0.8*want || width > 1.2*want {
		t.Errorf("width %g, want about %g", width, want)
	}
	if got[0].Low > 1 || got[0].High < 1 {
		t.Errorf("interval %v does not hold 1", got[0])
	}
	if got[1] != (Interval{}) {
		t.Errorf("constants: %v", got[1])
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Bootstrap(ended, ref, now, o, par.NewTeam(2)); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: error %v", err)
	}
}

// TestPValue goes through all divisions of twelve values into four and eight: their
// differences have the moments that the p-value is from, and no more are as far out than
// about as many as it says.
func TestPValue(t *testing.T) {
	values := []float64{0.1, 0.2, 0.2, 0.4, 0.5, 0.7, 0.9, 1.1, 1.5, 2.2, 3.1, 5}
	const n, m = 4, 8
	var all []float64
	difference := func(set uint) float64 {
		var sums [2]float64
		for i, x := range values {
			sums[set>>i&1] += x
		}
		return sums[1]/n - sums[0]/m
	}
	for set := uint(0); set < 1<<len(values); set++ {
		if bits.OnesCount(set) == n {
			all = append(all, difference(set))
		}
	}
	var mean, variance, third float64
	for _, d := range all {
		mean += d / float64(len(all))
	}
	for _, d := range all {
		variance += (d - mean) * (d - mean) / float64(len(all))
		third += (d - mean) * (d - mean) * (d - mean) / float64(len(all))
	}
	skew := third / math.Pow(variance, 1.5)
	for _, set := range []uint{0b111100000000, 0b110000000011, 0b000000001111, 0b101000100100} {
		ref, now := NewMoments(1), NewMoments(1)
		for i, x := range values {
			if set>>i&1 == 1 {
				now.Add([]float32{float32(x)}, par.NewTeam(1))
			} else {
				ref.Add([]float32{float32(x)}, par.NewTeam(1))
			}
		}
		d := difference(set)
		got, want := PValue(ref, now, 0), min(1, 2*pearsonTail(d/math.Sqrt(variance), skew))
		if !near(got, want, 1e-5) {
			t.Errorf("division %b: p %g, want %g by the moments of all divisions", set, got, want)
		}
		further := 0.0
		for _, other := range all {
			if d > 0 && other >= d || d < 0 && other <= d {
				further++
			}
		}
		if exact := min(1, 2*further/float64(len(all))); got < exact/2 || got > 2*exact+0.05 {
			t.Errorf("division %b: p %g, but %g of all divisions", set, got, exact)
		}
		if mirrored := PValue(now, ref, 0); !near(mirrored, got, 1e-12) {
			t.Errorf("division %b: p %g, and with sides exchanged %g", set, got, mirrored)
		}
	}
	same := NewMoments(1)
	same.Add([]float32{3, 3}, par.NewTeam(1))
	if p := PValue(same, same, 0); p != 1 {
		t.Errorf("the same: p %g", p)
	}
}

// TestFalseDiscovery has 4/1, 4/2, 4/3 and 4/4 of the ascending p-values, the smallest
// from each on.
func TestFalseDiscovery(t *testing.T) {
	got := FalseDiscovery([]float64{0.01, 0.04, 0.03, 0.005})
	for i, want := range []float64{0.02, 0.04, 0.04, 0.02} {
		if !near(got[i], want, 1e-14) {
			t.Errorf("q %v", got)
		}
	}
	if got := FalseDiscovery([]float64{1, 0.9}); got[0] != 1 || got[1] != 1 {
		t.Errorf("q %v, want 1", got)
	}
}

// skewed are distributions of standard deviation 1, moved by d.
var skewed = map[string]func(r *rand.Rand) float64{
	"normal":      (*rand.Rand).NormFloat64,
	"exponential": (*rand.Rand).ExpFloat64,
	"mostly zero": func(r *rand.Rand) float64 {
		if r.Float64() < 0.8 {
			return 0
		}
		return r.ExpFloat64() / 0.6
	},
}

// TestNothingHasChanged divides one collection, of 4,096 quantities, in two: hardly any
// of them count as changed, though the largest differences stand out from their intervals.
func TestNothingHasChanged(t *testing.T) {
	const quantities, rate, trials = 4096, 0.05, 10
	for name, draw := range skewed {
		for _, n := range [][2]int{{30, 30}, {50, 50}, {50, 300}} {
			r := rand.New(rand.NewPCG(11, uint64(n[1])))
			found := 0
			for range trials {
				var sides [2]*Moments
				for side := range sides {
					sides[side] = NewMoments(quantities)
					row := make([]float32, quantities)
					for range n[side] {
						for i := range row {
							row[i] = float32(draw(r))
						}
						sides[side].Add(row, par.NewTeam(1))
					}
				}
				p := make([]float64, quantities)
				for i := range p {
					p[i] = PValue(sides[0], sides[1], i)
				}
				for _, q := range FalseDiscovery(p) {
					if q <= rate {
						found++
					}
				}
			}
			t.Logf("%s, %v images: %d of %d quantities", name, n, found, trials*quantities)
			if found > trials/2 {
				t.Errorf("%s, %v images: %d quantities of %d count as changed in %d trials", name, n, found, quantities, trials)
			}
		}
	}
}

// TestSomeHaveChanged moves a hundred of a thousand quantities: most of them are found,
// and few others.
func TestSomeHaveChanged(t *testing.T) {
	const quantities, moved, rate, n = 1000, 100, 0.05, 100
	r := rand.New(rand.NewPCG(3, 4))
	ref, now := NewMoments(quantities), NewMoments(quantities)
	row := make([]float32, quantities)
	for _, side := range []*Moments{ref, now} {
		for range n {
			for i := range row {
				row[i] = float32(r.ExpFloat64())
				if side == now && i < moved {
					row[i]++
				}
			}
			side.Add(row, par.NewTeam(1))
		}
	}
	p := make([]float64, quantities)
	for i := range p {
		p[i] = PValue(ref, now, i)
	}
	right, wrong := 0, 0
	for i, q := range FalseDiscovery(p) {
		switch {
		case q <= rate && i < moved:
			right++
		case q <= rate:
			wrong++
		}
	}
	t.Logf("%d of %d found, and %d others", right, moved, wrong)
	if right < moved*95/100 || wrong > 12 {
		t.Errorf("%d of %d found, and %d others; want nearly all, and about %d others", right, moved, wrong, moved*5/95)
	}
}

// TestCoverage counts how often 95 % intervals hold the true difference, of small
// samples.
func TestCoverage(t *testing.T) {
	const trials = 300
	o := BootstrapOptions{Replicates: 400, Confidence: 0.95}
	for name, draw := range skewed {
		for _, n := range [][2]int{{20, 20}, {20, 100}, {50, 50}} {
			for _, difference := range []float64{0, 1} {
				r := rand.New(rand.NewPCG(21, uint64(n[1])))
				held := 0
				for trial := range trials {
					var sides [2][][]float32
					for side := range sides {
						values := make([]float32, n[side])
						for i := range values {
							values[i] = float32(draw(r) + float64(side)*difference)
						}
						sides[side] = [][]float32{values}
					}
					o.Seed = uint64(trial)
					got, err := Bootstrap(t.Context(), sides[0], sides[1], o, par.NewTeam(2))
					if err != nil {
						t.Fatal(err)
					}
					if got[0].Low <= difference && difference <= got[0].High {
						held++
					}
				}
				covered := float64(held) / trials
				t.Logf("%s, %v images, difference %g: %.3f", name, n, difference, covered)
				if covered < 0.87 {
					t.Errorf("%s, %v images, difference %g: intervals hold it %.3f of the time, want about %g", name, n, difference, covered, o.Confidence)
				}
			}
		}
	}
}
