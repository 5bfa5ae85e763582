package lowrank

import (
	"fmt"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/testutil"
)

// Tolerances of the manifest. Those of neurons' singular vectors are larger, because
// close singular values mix their vectors.
const (
	goldenTolerance = 1e-4
	vectorTolerance = 1e-3

	// denseTolerance is for comparing Dense with the factored functions: its input is
	// rounded to float32 with mean and bias included.
	denseTolerance = 2e-5

	goldenTopK = 20
)

// golden holds the golden model's scores, directions and bias shares.
type golden struct {
	scores        Scores
	v, b, biasSum []float32 // [H,C,O], [H,O], [O]
	outDim        int
}

func read(t *testing.T, name string) ([]float32, []int) {
	t.Helper()
	data, shape, err := npy.ReadFloat32(testutil.Golden(name))
	if err != nil {
		t.Fatal(err)
	}
	return data, shape
}

func readBool(t *testing.T, name string) []bool {
	t.Helper()
	a, err := npy.ReadFile(testutil.Golden(name))
	if err != nil {
		t.Fatal(err)
	}
	flags, err := a.Bool()
	if err != nil {
		t.Fatal(err)
	}
	return flags
}

func readGolden(t *testing.T) golden {
	t.Helper()
	s, shape := read(t, "s.npy")
	g := golden{scores: Scores{Images: shape[0], Heads: shape[1], Neurons: shape[2], Data: s}}
	g.v, shape = read(t, "v.npy")
	g.outDim = shape[2]
	g.b, _ = read(t, "b.npy")
	g.biasSum = make([]float32, g.outDim)
	for i, b := range g.b {
		g.biasSum[i%g.outDim] += b
	}
	return g
}

// pairs runs Pairs on every head, [H,C] units in all.
func (g golden) pairs(t *testing.T, team par.Team) *Result {
	t.Helper()
	all := &Result{OutDim: g.outDim}
	for h := range g.scores.Heads {
		r := NewResult(g.scores.Neurons, g.outDim, g.scores.Images, goldenTopK)
		n := r.Units * r.OutDim
		if err := Pairs(r, g.scores, h, g.v[h*n:(h+1)*n], g.b[h*g.outDim:(h+1)*g.outDim], goldenTopK, team); err != nil {
			t.Fatal(err)
		}
		all.Units += r.Units
		all.Kept = r.Kept
		all.Direction = append(all.Direction, r.Direction...)
		all.Mean = append(all.Mean, r.Mean...)
		all.Norms = append(all.Norms, r.Norms...)
		all.State = append(all.State, r.State...)
		all.ScoreMean = append(all.ScoreMean, r.ScoreMean...)
	}
	return all
}

func (g golden) neurons(t *testing.T, index int, team par.Team) *Result {
	t.Helper()
	r := NewResult(g.scores.Neurons, g.outDim, g.scores.Images, goldenTopK)
	if err := Neurons(r, g.scores, 0, g.v, g.biasSum, Options{goldenTopK, index}, team); err != nil {
		t.Fatal(err)
	}
	return r
}

// contributions expands r = s·v + b, [B,H,C,O].
func (g golden) contributions() []float32 {
	H, C, O := g.scores.Heads, g.scores.Neurons, g.outDim
	rows := make([]float32, len(g.scores.Data)*O)
	for i, s := range g.scores.Data {
		pair := i % (H * C)
		for o := range O {
			rows[i*O+o] = float32(float64(s)*float64(g.v[pair*O+o]) + float64(g.b[pair/C*O+o]))
		}
	}
	return rows
}

// neuronContributions sums over heads, [B,C,O].
func (g golden) neuronContributions() []float32 {
	H, C, O := g.scores.Heads, g.scores.Neurons, g.outDim
	pairs := g.contributions()
	rows := make([]float32, g.scores.Images*C*O)
	for b := range g.scores.Images {
		for i := range C * O {
			sum := 0.0
			for h := range H {
				sum += float64(pairs[(b*H+h)*C*O+i])
			}
			rows[b*C*O+i] = float32(sum)
		}
	}
	return rows
}

// alike compares a result with golden files. Where free is set, either sign is
// accepted.
func alike(t *testing.T, r *Result, direction, mean, norms string, free []bool, tolerance float64) {
	t.Helper()
	want, _ := read(t, direction)
	compareDirections(t, direction, r, want, free, tolerance)
	for _, c := range []struct {
		name string
		got  []float32
	}{{mean, r.Mean}, {norms, r.Norms}} {
		want, _ := read(t, c.name)
		if err := testutil.Far(c.got, want, goldenTolerance); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func compareDirections(t *testing.T, name string, r *Result, want []float32, free []bool, tolerance float64) {
	t.Helper()
	got := append([]float32(nil), r.Direction...)
	for u := range r.Units {
		if r.State[u] == Open && free != nil && !free[u] {
			t.Errorf("%s: the sign of unit %d is open, but not in the golden file", name, u)
		}
		if free == nil || !free[u] {
			continue
		}
		dot := float32(0)
		for i := u * r.OutDim; i < (u+1)*r.OutDim; i++ {
			dot += got[i] * want[i]
		}
		if dot < 0 {
			for i := u * r.OutDim; i < (u+1)*r.OutDim; i++ {
				got[i] = -got[i]
			}
		}
	}
	if err := testutil.Far(got, want, tolerance); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

func TestGoldenPairs(t *testing.T) {
	g := readGolden(t)
	free := readBool(t, "pc0_nh_sign_free.npy")
	r := g.pairs(t, par.NewTeam(2))
	alike(t, r, "pc0_nh.npy", "means_nh.npy", "norms_nh.npy", free, goldenTolerance)
	if r.Count(Open) == 0 || r.Count(Null) != 0 || r.Count(Open)+r.Count(Decided) != r.Units {
		t.Errorf("%d open, %d null, %d decided of %d", r.Count(Open), r.Count(Null), r.Count(Decided), r.Units)
	}
	for u, m := range r.ScoreMean {
		sum := 0.0
		for b := range g.scores.Images {
			sum += float64(g.scores.Data[b*r.Units+u])
		}
		if want := float32(sum / float64(g.scores.Images)); m != want {
			t.Errorf("mean score of unit %d: %g, want %g", u, m, want)
		}
	}
}

func TestGoldenNeurons(t *testing.T) {
	g := readGolden(t)
	for index := range 2 {
		pc := fmt.Sprintf("pc%d_n", index)
		r := g.neurons(t, index, par.NewTeam(2))
		alike(t, r, pc+".npy", "means_n.npy", "norms_n.npy", readBool(t, pc+"_sign_free.npy"), vectorTolerance)
	}
}

// TestDenseIsFactored computes directions from explicit contributions, as the
// published code does, and expects the same results, including open signs.
func TestDenseIsFactored(t *testing.T) {
	g := readGolden(t)
	rows := g.contributions()
	f, err := npy.OpenRaw(testutil.Golden("interop/contributions.dat"), []int{4, g.scores.Heads, g.scores.Neurons, g.outDim})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	first := make([]float32, f.Count())
	if err := f.ReadFloat32(first, 0); err != nil {
		t.Fatal(err)
	}
	if err := testutil.Far(rows[:len(first)], first, goldenTolerance); err != nil {
		t.Fatalf("contributions of the first images: %v", err)
	}

	team := par.NewTeam(2)
	for _, c := range []struct {
		name     string
		rows     []float32
		index    int
		factored *Result
		free     string
	}{
		{"pairs", rows, 0, g.pairs(t, team), "pc0_nh_sign_free.npy"},
		{"neurons", g.neuronContributions(), 0, g.neurons(t, 0, team), "pc0_n_sign_free.npy"},
		{"neurons, direction 1", g.neuronContributions(), 1, g.neurons(t, 1, team), "pc1_n_sign_free.npy"},
	} {
		want := c.factored
		r := NewResult(want.Units, want.OutDim, g.scores.Images, goldenTopK)
		if err := Dense(r, c.rows, g.scores.Images, Options{goldenTopK, c.index}, team); err != nil {
			t.Fatal(err)
		}
		tolerance := denseTolerance
		if c.name != "pairs" {
			tolerance = vectorTolerance
		}
		if err := testutil.Far(r.Direction, want.Direction, tolerance); err != nil {
			t.Errorf("%s: direction: %v", c.name, err)
		}
		if err := testutil.Far(r.Mean, want.Mean, denseTolerance); err != nil {
			t.Errorf("%s: mean: %v", c.name, err)
		}
		if err := testutil.Far(r.Norms, want.Norms, denseTolerance); err != nil {
			t.Errorf("%s: norms: %v", c.name, err)
		}
		for u := range r.Units {
			if r.State[u] != want.State[u] && !readBool(t, c.free)[u] {
				t.Errorf("%s: unit %d is in state %d, want %d", c.name, u, r.State[u], want.State[u])
			}
		}
	}
	// A pair's contributions have no second direction.
	r := NewResult(g.scores.Heads*g.scores.Neurons, g.outDim, g.scores.Images, goldenTopK)
	if err := Dense(r, rows, g.scores.Images, Options{goldenTopK, 1}, team); err != nil {
		t.Fatal(err)
	}
	if r.Count(Null) != r.Units {
		t.Errorf("%d of %d pairs have no second direction, want all", r.Count(Null), r.Units)
	}
}
