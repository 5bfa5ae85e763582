package decomp_test

import (
	"testing"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/testutil"
)

// Tolerances of the manifest: rounding for values that depend on images,
// weightsOnly for values that do not. sum is the project's bound on how closely
// contributions add up to the feature.
const (
	rounding    = 1e-4
	weightsOnly = 1e-5
	sum         = 1e-5
)

func read(t *testing.T, name string) []float32 {
	t.Helper()
	data, _, err := npy.ReadFloat32(testutil.Golden(name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func goldenOV(t *testing.T) *decomp.OV {
	t.Helper()
	ck, err := clip.OpenWith(testutil.Golden("model/tiny_sd_fp32.pt"), clip.Details{})
	if err != nil {
		t.Fatal(err)
	}
	defer ck.Close()
	p, err := ck.OV()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func far(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if err := testutil.Far(got, want, tolerance); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func TestDirectionsAndBias(t *testing.T) {
	p := goldenOV(t)
	far(t, "v", p.AllDirections(par.NewTeam(2)), read(t, "v.npy"), weightsOnly)
	far(t, "b", p.Bias, read(t, "b.npy"), weightsOnly)
}

// TestFromSlices checks that the weights can be rebuilt from what an artefact holds.
func TestFromSlices(t *testing.T) {
	p := goldenOV(t)
	q := decomp.OVFromSlices(p.Heads, p.Neurons, p.OutDim, p.Value, p.Out, p.Bias)
	s := read(t, "s.npy")
	images := len(s) / (p.Heads * p.Neurons)
	for name, ov := range map[string]*decomp.OV{"from weights": p, "from slices": q} {
		features := make([]float32, images*p.OutDim)
		ov.Features(features, make([]float32, images*p.Neurons), s, images, par.NewTeam(1))
		far(t, name, features, read(t, "features.npy"), rounding)
	}
}

func TestContributions(t *testing.T) {
	p := goldenOV(t)
	v, s := p.AllDirections(par.NewTeam(1)), read(t, "s.npy")
	dense, err := npy.OpenRaw(testutil.Golden("interop/contributions.dat"), []int{4, p.Heads, p.Neurons, p.OutDim})
	if err != nil {
		t.Fatal(err)
	}
	defer dense.Close()
	neurons := read(t, "neurons4.npy")
	features := read(t, "features.npy")
	each := p.Heads * p.Neurons
	for i := range 4 {
		scores := s[i*each : (i+1)*each]
		want := make([]float32, each*p.OutDim)
		if err := dense.ReadFloat32(want, int64(i*len(want))); err != nil {
			t.Fatal(err)
		}
		r := make([]float32, len(want))
		p.Contributions(r, scores, v, par.NewTeam(3))
		far(t, "contributions", r, want, rounding)

		R := make([]float32, p.Neurons*p.OutDim)
		p.NeuronContributions(R, scores, v, par.NewTeam(3))
		far(t, "neurons", R, neurons[i*len(R):][:len(R)], rounding)

		for name, parts := range map[string][]float32{"pairs": r, "neurons": R} {
			total := make([]float64, p.OutDim)
			for j, x := range parts {
				total[j%p.OutDim] += float64(x)
			}
			got := make([]float32, p.OutDim)
			for o, x := range total {
				got[o] = float32(x)
			}
			far(t, "sum of "+name, got, features[i*p.OutDim:][:p.OutDim], sum)
		}
	}
}
