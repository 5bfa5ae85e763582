package trend

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
)

// oneQuantity sums up one quantity.
func oneQuantity(values ...float32) *Moments {
	m := NewMoments(1)
	m.Add(values, par.NewTeam(1))
	return m
}

// TestWelch compares with SciPy 1.10.1: ttest_ind(a, b, equal_var=False), and t.ppf(0.975, ν).
func TestWelch(t *testing.T) {
	a, b := oneQuantity(1, 2, 3, 4, 10), oneQuantity(2, 2.5, 3, 3.5)
	const p, low, high = 0.47870875459881473, -3.098869865807072, 5.598869865807072 // of a minus b
	if got := WelchP(b, a, 0); math.Abs(got-p) > 1e-12 {
		t.Errorf("p %.8f, want %.8f", got, p)
	}
	pooled := math.Sqrt((a.squares(0) + b.squares(0)) / 7)
	got := WelchInterval(b, a, 0, 0.95)
	if math.Abs(got.Low*pooled-low) > 1e-9 || math.Abs(got.High*pooled-high) > 1e-9 {
		t.Errorf("interval %g to %g, want %g to %g", got.Low*pooled, got.High*pooled, low, high)
	}
	same, moved := oneQuantity(1, 1, 1), oneQuantity(2, 2, 2)
	if WelchP(same, same, 0) != 1 || WelchP(same, moved, 0) != 0 || !math.IsNaN(WelchInterval(same, moved, 0, 0.95).Low) {
		t.Error("of values that never vary")
	}
}

// TestMomentsOf: moments that were summed up elsewhere test as those of the values.
func TestMomentsOf(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	of := func(n int) (*Moments, *Moments) {
		values := make([]float32, n)
		for i := range values {
			values[i] = float32(r.ExpFloat64())
		}
		m := oneQuantity(values...)
		return m, MomentsOf(n, []float64{m.Mean(0)}, []float64{m.squares(0)}, []float64{m.cubes(0)})
	}
	a, a2 := of(40)
	b, b2 := of(300)
	for _, p := range []func(ref, now *Moments, i int) float64{PValue, WelchP, Difference} {
		if want, got := p(a, b, 0), p(a2, b2, 0); math.Abs(got-want) > 1e-9*math.Abs(want) {
			t.Errorf("%g, want %g", got, want)
		}
	}
}

func TestAnyDependence(t *testing.T) {
	got := AnyDependence([]float64{0.01, 0.2, 1})
	for i, want := range []float64{0.01 * 11 / 6, 0.2 * 11 / 6, 1} {
		if math.Abs(got[i]-want) > 1e-15 {
			t.Errorf("q %g, want %g", got[i], want)
		}
	}
}
