package trend

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// statisticsRounding is that of the incomplete beta function, whose exponent is
// some hundreds: a p-value keeps that many digits less than a float64.
const statisticsRounding = 1e-11

func near(got, want, tolerance float64) bool {
	return got == want || math.Abs(got-want) <= tolerance*max(math.Abs(got), math.Abs(want))
}

// TestAgainstSciPy compares with testdata/make_statistics.py.
func TestAgainstSciPy(t *testing.T) {
	data, err := os.ReadFile("testdata/statistics.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Cases []struct {
			Values []float64
			Labels []bool
			R, P   float64
			Log10P *float64 `json:"log10_p"`
		}
		X, Y    []float64
		Pearson float64
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	for _, c := range want.Cases {
		got := PointBiserial(c.Values, c.Labels)
		if got.N != len(c.Values) || !near(got.R, c.R, 1e-13) || !near(got.P, c.P, 10*statisticsRounding*max(1, -got.Log10P)) {
			t.Errorf("n %d: %+v, want r %g, p %g", len(c.Values), got, c.R, c.P)
		}
		if c.Log10P != nil && !near(got.Log10P, *c.Log10P, statisticsRounding) {
			t.Errorf("n %d: log10 p %.17g, want %.17g", len(c.Values), got.Log10P, *c.Log10P)
		}
	}
	if got := Pearson(want.X, want.Y); !near(got, want.Pearson, 1e-13) {
		t.Errorf("Pearson %g, want %g", got, want.Pearson)
	}
}

// TestByHand checks what can be worked out on paper: values 1, 2, 3, 6 with labels
// on the last two have means 1.5 and 4.5, r = 3/(2·sqrt(14/4)), and two degrees
// of freedom, where the two tails are 1 - |r|.
func TestByHand(t *testing.T) {
	r := 1.5 / math.Sqrt(3.5)
	got := PointBiserial([]float64{1, 2, 3, 6}, []bool{false, false, true, true})
	if !near(got.R, r, 1e-14) || !near(got.P, 1-r, 1e-13) || !near(got.Log10P, math.Log10(1-r), 1e-13) {
		t.Errorf("%+v, want r %g, p %g", got, r, 1-r)
	}
	perfect := PointBiserial([]float64{0, 0, 5, 5}, []bool{false, false, true, true})
	if !near(perfect.R, 1, 1e-15) || perfect.P > 1e-7 {
		t.Errorf("a perfect one: %+v", perfect)
	}
}

func TestUndefined(t *testing.T) {
	for name, c := range map[string]Correlation{
		"none":         PointBiserial(nil, nil),
		"one":          PointBiserial([]float64{1}, []bool{true}),
		"equal labels": PointBiserial([]float64{1, 2, 3}, []bool{true, true, true}),
		"equal values": PointBiserial([]float64{.1, .1, .1}, []bool{true, false, true}),
	} {
		if !math.IsNaN(c.R) || !math.IsNaN(c.P) || !math.IsNaN(c.Log10P) {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if c := PointBiserial([]float64{1, 2}, []bool{true, false}); !near(c.R, -1, 1e-15) || !math.IsNaN(c.P) {
		t.Errorf("two: %+v", c)
	}
}

// TestPearsonFarFromZero correlates values whose differences are small beside
// their mean.
func TestPearsonFarFromZero(t *testing.T) {
	x, y := []float64{1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 5}, []float64{2, 1, 4, 3}
	if got, want := Pearson(x, y), 3.5/math.Sqrt(8.75*5); !near(got, want, 1e-14) {
		t.Errorf("got %.17g, want %.17g", got, want)
	}
}

// TestLogTailMeets holds that the series and the incomplete beta function agree
// where both have digits.
func TestLogTailMeets(t *testing.T) {
	for _, n := range []int{5, 50, 500, 5000} {
		for _, r := range []float64{0.3, 0.6, 0.9} {
			p, log10 := Significance(r, n)
			if p < 1e-250 {
				continue
			}
			if got := logTail(float64(n-2)/2, (1-r)*(1+r)) / math.Ln10; !near(got, log10, 1e-10) {
				t.Errorf("n %d, r %g: series %.15g, function %.15g", n, r, got, log10)
			}
		}
	}
}

func TestSum(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const K, O = 5, 7
	v, b, scores := make([]float32, K*O), make([]float32, K*O), make([]float32, 20)
	for _, x := range [][]float32{v, b, scores} {
		for i := range x {
			x[i] = float32(random.NormFloat64())
		}
	}
	pairs := []int{3, 17, 0, 9, 4}
	want := 0.0
	for o := range O {
		sum := 0.0
		for k, p := range pairs {
			sum += float64(scores[p])*float64(v[k*O+o]) + float64(b[k*O+o])
		}
		want += sum * sum
	}
	if got := NewSum(pairs, v, b).Norm(scores); !near(got, math.Sqrt(want), 1e-13) {
		t.Errorf("length %g, want %g", got, math.Sqrt(want))
	}
}
