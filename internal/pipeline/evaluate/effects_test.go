package evaluate

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/directions"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestAblateEffects compares the features without all effects of neurons, without the
// significant ones and without the others with those that the goldens' scores and directions
// give, from scores and from the model.
func TestAblateEffects(t *testing.T) {
	read := func(name string) ([]float32, []int) {
		data, shape, err := npy.ReadFloat32(testutil.GoldenViT("gelu/" + name + ".npy"))
		if err != nil {
			t.Fatal(err)
		}
		return data, shape
	}
	features, shape := read("feature")
	scores, _ := read("second_scores")
	v, _ := read("second_directions")
	const top = 3
	layer, dir := 2, t.TempDir()
	o := collecttest.GoldenViT(t, collect.ModePairs, "scores")
	o.NeuronLayer = &layer
	collecttest.Collect(t, o)
	in := func(name string) string { return filepath.Join(dir, name) }
	_, err := directions.SVD(t.Context(), directions.SVDOptions{
		CollectPath: o.SavePath, Neurons: true, TopK: top, Threads: 2, MeanPath: in("means.npy"),
	}, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	_, neurons := pipelinetest.ReadNPY(t, in("means.npy"))
	B, O, N := shape[0], shape[1], neurons[0]
	H := len(scores) / B / N
	want := make([]float64, 3*B*O) // all, significant, insignificant
	for i := range want {
		want[i] = float64(features[i%(B*O)])
	}
	significant, stored := 0, []float32{} // norms, between those of images so that rounding does not matter
	for n := range N {
		effects, norms := make([]float64, B*O), make([]float64, B)
		for o := range O {
			mean := 0.0
			for b := range B {
				for h := range H {
					effects[b*O+o] += float64(scores[(b*H+h)*N+n]) * float64(v[(h*N+n)*O+o])
				}
				mean += effects[b*O+o] / float64(B)
			}
			for b := range B {
				effects[b*O+o] -= mean
				norms[b] += effects[b*O+o] * effects[b*O+o]
			}
		}
		sorted := slices.Sorted(slices.Values(norms)) // their squares
		least := (sorted[B-top] + sorted[B-top+1]) / 2
		stored = append(stored, float32(math.Sqrt(sorted[B-1])), float32(math.Sqrt(least)))
		for b := range B {
			variant := 2
			if norms[b] > least {
				variant, significant = 1, significant+1
			}
			for o := range O {
				want[b*O+o] -= effects[b*O+o]
				want[(variant*B+b)*O+o] -= effects[b*O+o]
			}
		}
	}
	if significant != (top-1)*N {
		t.Fatalf("%d significant effects of %d neurons", significant, N)
	}
	f, err := os.Create(in("norms.npy"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(npy.WriteFloat32(f, []int{N, 2}, stored), f.Close()); err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]source.Options{
		"scores": {ScoresPath: o.SavePath},
		"model":  {Model: o.Model, Details: o.Details, NeuronLayer: &layer, Data: o.Data, Stride: 1, BatchSize: 3},
	} {
		ablate := AblateOptions{
			Options: from, Modes: []string{AblateEffects}, Means: []string{in("means.npy")}, TopImages: 50, FitTop: true,
			Norms: map[string]string{AblateNeurons: in("norms.npy")}, FeaturesPath: in(name + ".npy"), Threads: 2,
		}
		if _, err := Ablate(t.Context(), ablate, pipelinetest.Silent()); err != nil {
			t.Fatal(name, err)
		}
		got, _ := pipelinetest.ReadNPY(t, ablate.FeaturesPath)
		far := 0.0
		for i, x := range want {
			far = max(far, math.Abs(float64(got[i])-x))
		}
		if len(got) != len(want) || far > 1e-4 {
			t.Errorf("%s: %d values, off by up to %g, want %d", name, len(got), far, len(want))
		}
		ablate.Norms = nil
		if bad := testutil.Line(func() error { _, err := Ablate(t.Context(), ablate, pipelinetest.Silent()); return err }(), "{mode} neur_effects", "the norms of neurons are missing"); bad != nil {
			t.Errorf("%s: %v", name, bad)
		}
	}
}
