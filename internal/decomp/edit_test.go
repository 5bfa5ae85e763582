package decomp_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
)

// randomPool has H heads, C neurons and O dimensions, with biases as large as weights.
func randomPool(random *rand.Rand, H, C, O int) *decomp.OV {
	draw := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(random.NormFloat64())
		}
		return x
	}
	return decomp.NewOV(H, draw(C*C), draw(C), draw(O*C), draw(O))
}

// TestEditedPool compares the features of an edited pool with explicit contributions
// (α·s + (1-α)·m)·v + b, where weights are rounded coarsely: at the mean scores nothing
// moves, however they are.
func TestEditedPool(t *testing.T) {
	const H, C, O = 2, 6, 4
	random := rand.New(rand.NewPCG(3, 4))
	p := randomPool(random, H, C, O)
	factors, means, scores := make([]float64, H*C), make([]float64, H*C), make([]float32, H*C)
	for u := range factors {
		factors[u] = []float64{1, 0, 0.5, -2}[u%4]
		means[u] = random.NormFloat64()
		scores[u] = float32(random.NormFloat64())
	}
	features := func(p *decomp.OV, scores []float32) []float32 {
		dst := make([]float32, O)
		p.Features(dst, make([]float32, C), scores, 1, par.NewTeam(1))
		return dst
	}
	edited := p.EditedValue(factors, func(x float64) float64 { return x })
	v := p.AllDirections(par.NewTeam(1))
	want := make([]float32, O)
	for o := range O {
		sum := 0.0
		for u, a := range factors {
			sum += (a*float64(scores[u])+(1-a)*means[u])*float64(v[u*O+o]) + float64(p.Bias[u/C*O+o])
		}
		want[o] = float32(sum)
	}
	far(t, "features", features(p.Edited(edited, p.BiasChange(edited, means)), scores), want, weightsOnly)

	coarse := p.EditedValue(factors, func(x float64) float64 { return math.Round(4*x) / 4 })
	atMean := make([]float32, H*C)
	for u, m := range means {
		atMean[u] = float32(m)
	}
	far(t, "features at the means", features(p.Edited(coarse, p.BiasChange(coarse, means)), atMean), features(p, atMean), weightsOnly)

	for i, w := range edited {
		if row, n := i/C, i%C; factors[row/(C/H)*C+n] == 1 && w != p.Value[i] {
			t.Errorf("weight %d of a pair of factor 1 is %g, want %g", i, w, p.Value[i])
		}
	}
	ones := make([]float64, H*C)
	for u := range ones {
		ones[u] = 1
	}
	for o, x := range p.BiasChange(p.EditedValue(ones, math.Trunc), means) {
		if x != 0 {
			t.Errorf("nothing is edited, and dimension %d of the bias changes by %g", o, x)
		}
	}
}

// TestMeanScores recovers mean scores from the golden means, group by group, and tells
// those of another pool.
func TestMeanScores(t *testing.T) {
	p := goldenOV(t)
	rows, s := read(t, "means_nh.npy"), read(t, "s.npy")
	pairs, O := p.Heads*p.Neurons, p.OutDim
	asked, want := make([]bool, pairs), make([]float32, pairs)
	for u := range asked {
		asked[u] = u%3 > 0
	}
	images := len(s) / pairs
	for i, x := range s {
		if asked[i%pairs] {
			want[i%pairs] += x / float32(images)
		}
	}
	const group = 77 // of rows, which divides no head
	recovered := func(p *decomp.OV) *decomp.MeanScores {
		m := p.NewMeanScores(asked)
		for lo := 0; lo < pairs; lo += group {
			m.Add(lo, rows[lo*O:min(lo+group, pairs)*O], par.NewTeam(2))
		}
		return m
	}
	m := recovered(p)
	got := make([]float32, pairs)
	for u, x := range m.Scores {
		got[u] = float32(x)
	}
	far(t, "mean scores", got, want, rounding)
	if misfit := m.Misfit(); misfit > 1e-5 {
		t.Errorf("misfit %g of the pool's own means", misfit)
	}
	other := randomPool(rand.New(rand.NewPCG(5, 6)), p.Heads, p.Neurons, O)
	if misfit := recovered(other).Misfit(); misfit < 0.1 {
		t.Errorf("misfit %g of another pool's means", misfit)
	}
}

// TestUnitDirections compares them with v, over the heads' edges, and has zero for a pair
// without a direction.
func TestUnitDirections(t *testing.T) {
	p := randomPool(rand.New(rand.NewPCG(7, 8)), 2, 6, 4)
	factors := make([]float64, 12)
	for u := range factors {
		factors[u] = 1
	}
	factors[7] = 0
	p = p.Edited(p.EditedValue(factors, func(x float64) float64 { return x }), nil)
	v, got := p.AllDirections(par.NewTeam(1)), make([]float32, 8*4)
	p.UnitDirections(got, 3, par.NewTeam(2))
	for i, x := range got {
		u := 3 + i/4
		length := decomp.Norm(v[u*4 : u*4+4])
		if want := float64(v[u*4+i%4]) / max(length, 1e-30); math.Abs(float64(x)-want) > 1e-6 || (u == 7) != (length == 0) {
			t.Errorf("pair %d, dimension %d: %g, want %g", u, i%4, x, want)
		}
	}
}
