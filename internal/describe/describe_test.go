package describe

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/par"
)

func TestParseMethod(t *testing.T) {
	for i, name := range Methods() {
		if m, err := ParseMethod(name); err != nil || m != Method(i) || m.String() != name {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
	if _, err := ParseMethod("lasso"); err == nil || !strings.Contains(err.Error(), "want omp, nearest, nonneg, textspan") {
		t.Errorf("error %v, want one that names the methods", err)
	}
}

// random returns n vectors of some dimensions.
func random(seed uint64, n, dims int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n*dims)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func newCoder(t testing.TB, m Method, atoms []float32, words, dims, most int) *Coder {
	t.Helper()
	c, err := New(m, atoms, words, dims, omp.Options{Atoms: most, Team: par.NewTeam(2)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestNonNegativeIsOptimal holds the conditions of non-negative least squares: the
// residual is orthogonal to the words taken, which have positive coefficients.
func TestNonNegativeIsOptimal(t *testing.T) {
	const words, dims, count, K = 400, 24, 60, 10
	atoms, rows := random(1, words, dims), random(2, count, dims)
	omp.Normalize(atoms, words, dims, omp.Rows)
	c := newCoder(t, NonNegative, atoms, words, dims, K)
	codes, err := c.Code(context.Background(), Batch{Count: count, Rows: rows}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range count {
		support, coefficients := codes.Code(i)
		rest := make([]float64, dims)
		for o := range rest {
			rest[o] = float64(rows[i*dims+o])
		}
		for j, w := range support {
			if coefficients[j] <= 0 || slices.Index(support, w) != j {
				t.Fatalf("direction %d: words %v with coefficients %v", i, support, coefficients)
			}
			for o := range rest {
				rest[o] -= float64(coefficients[j]) * float64(atoms[int(w)*dims+o])
			}
		}
		for _, w := range support {
			if p := dot(atoms[int(w)*dims:][:dims], rest); p > 1e-4 || p < -1e-4 {
				t.Errorf("direction %d: the residual has a product of %g with word %d", i, p, w)
			}
		}
		if len(support) < K && codes.Stops[i] == omp.Full {
			t.Errorf("direction %d: %d words, and it says that it is full", i, len(support))
		}
	}
}

// TestTies takes the first of equal words, and none for a direction that is zero or
// away from all words.
func TestTies(t *testing.T) {
	atoms := []float32{0, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0} // words 0 and 1, 2 and 3 alike
	rows := []float32{2, 1, 0, 0, 0, 0, -1, -1, 0}
	for method, want := range map[Method][3][]int32{
		Nearest:     {{2, 3}, nil, nil},
		NonNegative: {{2, 0}, nil, nil},
		TextSpan:    {{2, 0}, nil, {0, 2}},
	} {
		b := Batch{Count: 3, Rows: rows}
		if method == TextSpan {
			b.Factors, b.Rank = func(first, n int) []float32 { return rows[first*3:][:n*3] }, 1
		}
		codes, err := newCoder(t, method, atoms, 4, 3, 2).Code(context.Background(), b, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range want {
			if support, _ := codes.Code(i); !slices.Equal(support, w) && len(support)+len(w) > 0 {
				t.Errorf("%s: direction %d: words %v, want %v", method, i, support, w)
			}
		}
	}
}

// TestTextSpanOfPairs holds that TextSpan of rank one is matching pursuit.
func TestTextSpanOfPairs(t *testing.T) {
	const words, dims, count = 300, 20, 40
	atoms, rows := random(3, words, dims), random(4, count, dims)
	omp.Normalize(atoms, words, dims, omp.Rows)
	for i := range count {
		scaleTo(rows[i*dims:][:dims], slices.Clone(rows[i*dims:][:dims]))
	}
	var codes [2]*omp.Codes
	for i, b := range []Batch{{Count: count, Rows: rows}, {Count: count, Rows: rows, Factors: func(first, n int) []float32 { return rows[first*dims:][:n*dims] }, Rank: 1}} {
		var err error
		if codes[i], err = newCoder(t, TextSpan, atoms, words, dims, 6).Code(context.Background(), b, nil); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(codes[0].Support, codes[1].Support) {
		t.Error("other words than those of matching pursuit")
	}
}

// TestCovariances compares a factor's square with the covariance written out.
func TestCovariances(t *testing.T) {
	const H, C, B, O = 3, 4, 11, 5
	scores, directions := random(5, B*H, C), random(6, H, O)
	for b := range B {
		scores[b*H*C+2*C+1] = 2 * scores[b*H*C+1] // head 2 of neuron 1 repeats head 0
	}
	c := NewCovariances(H, C)
	c.Add(scores[:4*H*C], par.NewTeam(2))
	c.Add(scores[4*H*C:], par.NewTeam(1))
	factor := make([]float32, H*O)
	for n := range C {
		c.Factor(factor, n, directions)
		var r [B][O]float64
		var mean [O]float64
		for b := range B {
			for h := range H {
				for o := range O {
					r[b][o] += float64(scores[(b*H+h)*C+n]) * float64(directions[h*O+o])
				}
			}
			for o := range O {
				mean[o] += r[b][o] / B
			}
		}
		for p := range O {
			for q := range O {
				want, got := 0.0, 0.0
				for b := range B {
					want += (r[b][p] - mean[p]) * (r[b][q] - mean[q]) / B
				}
				for h := range H {
					got += float64(factor[h*O+p]) * float64(factor[h*O+q])
				}
				if d := got - want; d > 1e-5 || d < -1e-5 {
					t.Fatalf("neuron %d: covariance [%d,%d] %g, want %g", n, p, q, got, want)
				}
			}
		}
	}
}

func TestErrors(t *testing.T) {
	atoms := random(7, 10, 3)
	for _, m := range []Method{Nearest, NonNegative} {
		c := newCoder(t, m, atoms, 10, 3, 2)
		if _, err := c.Code(context.Background(), Batch{Count: 2, Rows: []float32{1, 0, 0, 1e10, 0, 0}}, nil); err == nil || !strings.Contains(err.Error(), "signal 1: norm 1e+10") {
			t.Errorf("%s: error %v, want one that names the norm", m, err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := c.Code(ctx, Batch{Count: 1, Rows: []float32{1, 0, 0}}, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, want context.Canceled", m, err)
		}
		last := 0
		if _, err := c.Code(context.Background(), Batch{Count: 2, Rows: random(8, 2, 3)}, func(done int) { last = done }); err != nil || last != 4 {
			t.Errorf("%s: progress ends with %d, %v, want 4", m, last, err)
		}
	}
	if _, err := New(Nearest, atoms, 10, 3, omp.Options{Atoms: 11}); err == nil {
		t.Error("11 of 10 words were taken")
	}
}
