package rank

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestRank(t *testing.T) {
	negativeZero := float32(math.Copysign(0, -1))
	for _, test := range []struct {
		values []float32
		want   []float64
	}{
		{nil, nil},
		{[]float32{7}, []float64{1}},
		{[]float32{3, -1, 2}, []float64{3, 1, 2}},
		{[]float32{2, 1, 2, 2, 5}, []float64{3, 1, 3, 3, 5}},
		{[]float32{0, negativeZero, -1e-40, 1e-40}, []float64{2.5, 2.5, 1, 4}},
		{[]float32{math.MaxFloat32, -math.MaxFloat32, 0}, []float64{3, 1, 2}},
	} {
		var r Ranker
		got := make([]float64, len(test.values))
		r.Rank(got, test.values)
		if !slices.Equal(got, test.want) {
			t.Errorf("ranks of %v: %v, want %v", test.values, got, test.want)
		}
	}
}

func TestTop(t *testing.T) {
	var r Ranker
	values := []float32{1, 3, 3, -2, 5, 3}
	if got, want := r.Top(values, 3), []int{4, 1, 2}; !slices.Equal(got, want) {
		t.Errorf("top %v, want %v: of equal values the earlier one first", got, want)
	}
	if got := r.Top(values, 10); len(got) != len(values) {
		t.Errorf("%d of %d values", len(got), len(values))
	}
}

// TestCorrelation compares with the formula for values without ties,
// 1 - 6·Σd²/(n(n²-1)).
func TestCorrelation(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const n = 57
	x, y := make([]float64, n), make([]float64, n)
	for i, p := range random.Perm(n) {
		x[i] = float64(i + 1)
		y[i] = float64(p + 1)
	}
	squares := 0.0
	for i := range x {
		squares += (x[i] - y[i]) * (x[i] - y[i])
	}
	if got, want := Correlation(x, y), 1-6*squares/(n*(n*n-1)); math.Abs(got-want) > 1e-12 {
		t.Errorf("correlation %g, want %g", got, want)
	}
	if got := Correlation(x, x); got != 1 {
		t.Errorf("correlation with itself %g, want 1", got)
	}
	if got := Correlation(x, slices.Repeat([]float64{(n + 1) / 2}, n)); got != 0 {
		t.Errorf("correlation with equal values %g, want 0", got)
	}
}

// TestAUC compares with a count of pairs.
func TestAUC(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	values := make([]float32, 80)
	for i := range values {
		values[i] = float32(random.IntN(25)) // with ties
	}
	positives := random.Perm(len(values))[:13]
	higher, pairs := 0.0, 0.0
	for _, i := range positives {
		for j := range values {
			if slices.Contains(positives, j) {
				continue
			}
			pairs++
			if values[i] > values[j] {
				higher++
			} else if values[i] == values[j] {
				higher += 0.5
			}
		}
	}
	var r Ranker
	ranks := make([]float64, len(values))
	r.Rank(ranks, values)
	if got, want := AUC(ranks, positives), higher/pairs; math.Abs(got-want) > 1e-12 {
		t.Errorf("AUC %g, want %g", got, want)
	}
	if got := AUC(ranks, nil); got != 0.5 {
		t.Errorf("AUC without positives %g, want 0.5", got)
	}
}

func TestQuantile(t *testing.T) {
	sorted := []float64{1, 2, 4, 8}
	for share, want := range map[float64]float64{0: 1, 0.5: 3, 0.25: 1.75, 1: 8} {
		if got := Quantile(sorted, share); math.Abs(got-want) > 1e-12 {
			t.Errorf("quantile %g: %g, want %g", share, got, want)
		}
	}
	if got := Quantile(nil, 0.5); !math.IsNaN(got) {
		t.Errorf("quantile of nothing %g, want NaN", got)
	}
}
