package describe

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/unit"
)

// goldenTolerance is what float32 atoms and coefficients, of an ill-conditioned least
// squares problem at worst, may do to a coefficient, relative to the largest.
const goldenTolerance = 1e-4

func golden(t *testing.T, name string) ([]float32, []int) {
	t.Helper()
	data, shape, err := npy.ReadFloat32(testutil.Golden(name))
	if err != nil {
		t.Fatal(err)
	}
	return data, shape
}

// goldenCode is a code of testdata/codes.json, which make_codes.py wrote.
type goldenCode struct {
	Method, Normalize, Unit string
	Words                   []int32
	Coefficients            []float64
	Residual                float64
}

// TestGolden compares codes with those of an independent script in NumPy, SciPy and
// scikit-learn.
func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/codes.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []goldenCode
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	pairs, shape := golden(t, "pc0_nh.npy")
	neurons, _ := golden(t, "pc0_n.npy")
	H, C, O := shape[0], shape[1], shape[2]
	compared := map[string]int{}
	for _, method := range []Method{Nearest, NonNegative, TextSpan} {
		for _, by := range []omp.Normalization{omp.Rows, omp.None} {
			wanted := slices.DeleteFunc(slices.Clone(all), func(g goldenCode) bool { return g.Method != method.String() || g.Normalize != by.String() })
			shape, rows := unit.Shape{H, C}, pairs
			if method == TextSpan {
				shape, rows = unit.Shape{C}, neurons
			}
			b := Batch{Count: len(wanted)}
			var factors []float32
			for _, g := range wanted {
				at, err := shape.Find([]string{g.Unit})
				if err != nil {
					t.Fatal(err)
				}
				b.Rows = append(b.Rows, rows[at[0]*O:][:O]...)
				if method == TextSpan {
					factors = append(factors, contributions(t, at[0])...)
				}
			}
			if method == TextSpan {
				b.Rank = len(factors) / b.Count / O
				b.Factors = func(first, n int) []float32 { return factors[first*b.Rank*O:][:n*b.Rank*O] }
			}
			for _, threads := range []int{1, 3} {
				codes, err := goldenCoder(t, method, by, threads).Code(context.Background(), b, nil)
				if err != nil {
					t.Fatal(err)
				}
				for i, g := range wanted {
					support, coefficients := codes.Code(i)
					compare(t, g, support, coefficients, float64(codes.Residuals[i]))
					compared[g.Method]++
				}
			}
		}
	}
	for _, method := range []Method{Nearest, NonNegative, TextSpan} {
		if n := compared[method.String()]; n < 200 {
			t.Errorf("%s: %d codes compared, want 200 or more", method, n)
		}
	}
}

func goldenCoder(t *testing.T, method Method, by omp.Normalization, threads int) *Coder {
	t.Helper()
	atoms, shape := golden(t, "text/words.npy")
	omp.Normalize(atoms, shape[0], shape[1], by)
	c, err := New(method, atoms, shape[0], shape[1], omp.Options{Atoms: 8, Team: par.NewTeam(threads)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// contributions returns those of a golden neuron on every image, centred, [B,O].
func contributions(t *testing.T, neuron int) []float32 {
	t.Helper()
	s, shape := golden(t, "s.npy")
	v, vShape := golden(t, "v.npy")
	B, H, C, O := shape[0], shape[1], shape[2], vShape[2]
	r, mean := make([]float64, B*O), make([]float64, O)
	for b := range B {
		for h := range H {
			for o := range O {
				x := float64(s[(b*H+h)*C+neuron]) * float64(v[(h*C+neuron)*O+o])
				r[b*O+o] += x
				mean[o] += x / float64(B)
			}
		}
	}
	centred := make([]float32, len(r))
	for i := range r {
		centred[i] = float32(r[i] - mean[i%O])
	}
	return centred
}

func compare(t *testing.T, g goldenCode, support []int32, coefficients []float32, residual float64) {
	t.Helper()
	byWord := map[int32]float64{}
	for j, w := range support {
		byWord[w] = float64(coefficients[j])
	}
	most := 0.0
	for _, c := range g.Coefficients {
		most = max(most, math.Abs(c))
	}
	for j, w := range g.Words {
		c, found := byWord[w]
		if !found || math.Abs(c-g.Coefficients[j]) > goldenTolerance*most {
			t.Fatalf("%s, %s, %s: words %v %v, want %v %v", g.Method, g.Normalize, g.Unit, support, coefficients, g.Words, g.Coefficients)
		}
	}
	if len(support) != len(g.Words) || math.Abs(residual-g.Residual) > goldenTolerance {
		t.Fatalf("%s, %s, %s: %d words and residual %g, want %d and %g", g.Method, g.Normalize, g.Unit, len(support), residual, len(g.Words), g.Residual)
	}
}
