package decomp_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/double"
	"github.com/clipnh/clipnh/internal/par"
)

func TestNorms(t *testing.T) {
	n, s := goldenOV(t).NewNorms(par.NewTeam(2)), read(t, "s.npy")
	pairs := len(read(t, "poly_nh.npy"))
	got := make([]float32, len(s))
	for i, x := range s {
		got[i] = float32(n.Of(i%pairs, float64(x), 1))
	}
	far(t, "norms", got, read(t, "raw_norms_nh.npy"), rounding)
}

// TestNeuronNorms compares a neuron's norms with the goldens, per pair and summed
// over heads, for weights of a model and one from the slices that artefacts hold.
func TestNeuronNorms(t *testing.T) {
	whole, s := goldenOV(t), read(t, "s.npy")
	H, C, O := whole.Heads, whole.Neurons, whole.OutDim
	wantPairs, wantSums := read(t, "raw_norms_nh.npy"), read(t, "raw_norms_n.npy")
	for name, ov := range map[string]*decomp.OV{
		"model": whole, "slices": decomp.OVFromSlices(H, C, O, whole.Value, whole.Out, whole.Bias),
	} {
		pairs, sums := make([]float32, len(wantPairs)), make([]float32, len(wantSums))
		scores := make([]float32, H)
		for n := range C {
			norms := ov.NeuronNorms(n, par.NewTeam(2))
			for b := range len(s) / (H * C) {
				for h := range H {
					scores[h] = s[(b*H+h)*C+n]
					pairs[(b*H+h)*C+n] = float32(norms.Pair(h, scores[h]))
				}
				sums[b*C+n] = float32(norms.Sum(scores))
			}
		}
		far(t, name+" pairs", pairs, wantPairs, rounding)
		far(t, name+" neurons", sums, wantSums, rounding)
	}
}

// TestNormsOfShares compares with explicit contributions, where biases are as large
// as scores and the heads' attention sums to less than one.
func TestNormsOfShares(t *testing.T) {
	const H, C, O = 2, 6, 4
	const D = C / H
	random := rand.New(rand.NewPCG(1, 2))
	draw := func(n int, scale float64) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(scale * random.NormFloat64())
		}
		return x
	}
	value, valueBias, out, outBias := draw(C*C, 1), draw(C, C), draw(O*C, 1), draw(O, C*H)
	p := decomp.NewOV(H, value, valueBias, out, outBias)
	n := p.NewNorms(par.NewTeam(1))
	var got, want []float32
	for pair := range H * C {
		h, neuron := pair/C, pair%C
		for _, share := range []float64{1, 0.7, 0} {
			s, square := random.NormFloat64(), 0.0
			for o := range O {
				r := float64(outBias[o]) / (C * H)
				for d := h * D; d < (h+1)*D; d++ {
					r += float64(out[o*C+d]) * (s*float64(value[d*C+neuron]) + share*float64(valueBias[d])/C)
				}
				square += r * r
			}
			got, want = append(got, float32(n.Of(pair, s, share))), append(want, float32(math.Sqrt(square)))
		}
	}
	far(t, "norms of shares", got, want, weightsOnly)
}

// TestSumsAndDistances compares many images at a time with one, and with contributions that
// are summed.
func TestSumsAndDistances(t *testing.T) {
	const H, C, O, neuron = 5, 10, 7, 3
	random := rand.New(rand.NewPCG(4, 5))
	draw := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(random.NormFloat64())
		}
		return x
	}
	p := decomp.NewOV(H, draw(C*C), draw(C), draw(O*C), draw(O))
	n, means, x := p.NeuronNorms(neuron, par.NewTeam(1)), make([]float64, H), make([]float64, H*double.Images)
	for h := range means {
		means[h] = random.NormFloat64()
	}
	for i, s := range draw(len(x)) {
		x[i] = float64(s)
	}
	var sums, distances [double.Images]float64
	n.SumsAndDistances(&sums, &distances, x, n.Centre(means))
	v := make([]float32, O)
	for i := range sums {
		one, away := make([]float32, H), make([]float64, O)
		for h := range one {
			s := x[h*double.Images+i]
			one[h] = float32(s)
			p.Directions(v, h, neuron, neuron+1, par.NewTeam(1))
			for o, y := range v {
				away[o] += (s - means[h]) * float64(y)
			}
		}
		want := 0.0
		for _, y := range away {
			want += y * y
		}
		if sums[i] != n.Sum(one) || math.Abs(distances[i]-math.Sqrt(want)) > 1e-6*math.Sqrt(want) {
			t.Errorf("image %d: norm %g, want %g; distance %g, want %g", i, sums[i], n.Sum(one), distances[i], math.Sqrt(want))
		}
	}
}
