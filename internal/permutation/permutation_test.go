package permutation

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/trend"
)

type golden struct {
	Groups, Contrasts []int
	Values            [][]float32
	Permuted          [][]int
	R, P              [][]float64
}

// flat copies rows into one slice.
func flat(rows [][]float32) []float32 { return slices.Concat(rows...) }

// testdata/golden.py made the values with NumPy, and has its own permutations and its own
// Student's t.
func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []golden
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	designs := make([]*Design, len(cases))
	for i, c := range cases {
		designs[i] = NewDesign(c.Groups, c.Permuted)
		if !slices.Equal(designs[i].Contrasts, c.Contrasts) {
			t.Fatalf("contrasts %v, want %v", designs[i].Contrasts, c.Contrasts)
		}
		designs[i].Add(flat(c.Values), len(c.Values[0]), par.NewTeam(2))
	}
	family, small := NewFamily(designs), 0
	for i, c := range cases {
		for u := range c.R {
			for k, g := range c.Contrasts {
				values, in := make([]float64, len(c.Groups)), make([]bool, len(c.Groups))
				for b, row := range c.Values {
					values[b], in[b] = float64(row[u]), c.Groups[b] == g
				}
				r := trend.PointBiserial(values, in).R
				if math.Abs(r-c.R[u][k]) > 1e-12 {
					t.Errorf("design %d, unit %d, group %d: r %g, want %g", i, u, g, r, c.R[u][k])
				}
				if p := family.P(r, designs[i].N); p != c.P[u][k] {
					t.Errorf("design %d, unit %d, group %d: P %g, want %g", i, u, g, p, c.P[u][k])
				} else if p <= 0.05 {
					small++
				}
			}
		}
	}
	if small == 0 {
		t.Error("no unit goes with a group, want some")
	}
}

// Units may be added in pieces, by any number of workers.
func TestAddInPieces(t *testing.T) {
	const n, units = 17, 23
	random := rand.New(rand.NewPCG(1, 1))
	groups, values := make([]int, n), make([]float32, n*units)
	for i := range groups {
		groups[i] = i % 3
	}
	for i := range values {
		values[i] = float32(random.NormFloat64())
	}
	permuted := Permuted(groups, 40, 7, 1)
	whole, pieces := NewDesign(groups, permuted), NewDesign(groups, permuted)
	whole.Add(slices.Clone(values), units, par.NewTeam(1))
	for lo := 0; lo < units; lo += 5 {
		k := min(5, units-lo)
		var part []float32
		for i := range n {
			part = append(part, values[i*units+lo:i*units+lo+k]...)
		}
		pieces.Add(part, k, par.NewTeam(3))
	}
	if !slices.Equal(whole.largest, pieces.largest) {
		t.Error("the largest correlations depend on how units are added")
	}
	if family := NewFamily([]*Design{whole}); math.Abs(family.P(family.Least(0.05, n), n)-0.05) > 0.05 || family.P(family.Least(0.05, n)-1e-6, n) <= 0.05 {
		t.Errorf("r of at least %g has P %g", family.Least(0.05, n), family.P(family.Least(0.05, n), n))
	}
}

// A quantity that is the same on all images, or nearly so, correlates with nothing.
func TestConstant(t *testing.T) {
	groups := []int{0, 1, 0, 1, 1}
	d := NewDesign(groups, Permuted(groups, 20, 1, 1))
	d.Add([]float32{3, 1, 3, 1, 3, 1, 3, 1, math.Nextafter32(3, 4), 1}, 2, par.NewTeam(1))
	if r := slices.Max(d.largest); r != 0 {
		t.Errorf("a constant correlates by %g", r)
	}
}

func TestPermuted(t *testing.T) {
	groups := []int{0, 0, 1, 2, 2, 2, 1}
	a, b, other := Permuted(groups, 5, 3, 4), Permuted(groups, 5, 3, 4), Permuted(groups, 5, 3, 5)
	same := true
	for p := range a {
		if !slices.Equal(a[p], b[p]) {
			t.Error("the same seed gives other orders")
		}
		same = same && slices.Equal(a[p], other[p])
		sorted := slices.Sorted(slices.Values(a[p]))
		if want := slices.Sorted(slices.Values(groups)); !slices.Equal(sorted, want) {
			t.Errorf("groups %v, want an order of %v", a[p], want)
		}
	}
	if same {
		t.Error("another stream gives the same orders")
	}
}
