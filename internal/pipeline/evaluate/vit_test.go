package evaluate

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/directions"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestEvaluateViT takes pairs of a vision transformer out of features of which they are a
// part, and rebuilds them, from scores and from the model, and compares the features with
// those that the goldens give.
func TestEvaluateViT(t *testing.T) {
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
	B, O := shape[0], shape[1]
	pairs := len(scores) / B

	layer, dir := 2, t.TempDir()
	o := collecttest.GoldenViT(t, collect.ModePairs, "scores")
	o.NeuronLayer = &layer
	collecttest.Collect(t, o)
	in := func(name string) string { return filepath.Join(dir, name) }
	_, err := directions.SVD(t.Context(), directions.SVDOptions{
		CollectPath: o.SavePath, TopK: 3, Threads: 2, OutPath: in("pc0.npy"), MeanPath: in("means.npy"),
	}, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	var all []string // of neurons: 8 centred images have rank 7
	for i := range B - 1 {
		svd := directions.SVDOptions{CollectPath: o.SavePath, Neurons: true, TopK: B, PC: i, Threads: 2, OutPath: in(fmt.Sprintf("pc%d-n.npy", i))}
		if i == 0 {
			svd.MeanPath = in("means-n.npy")
		}
		if _, err := directions.SVD(t.Context(), svd, pipelinetest.Silent()); err != nil {
			t.Fatal(err)
		}
		all = append(all, svd.OutPath)
	}
	without := append([]float32{}, features...)
	for _, u := range []int{3*128 + 5, 7, 128 + 7, 2*128 + 7, 3*128 + 7, 4*128 + 7, 5*128 + 7, 6*128 + 7, 7*128 + 7} {
		mean := float32(0)
		for b := range B {
			mean += scores[b*pairs+u] / float32(B)
		}
		for i := range without {
			b, o := i/O, i%O
			without[i] -= (scores[b*pairs+u] - mean) * v[u*O+o]
		}
	}
	for name, from := range map[string]source.Options{
		"scores": {ScoresPath: o.SavePath},
		"model":  {Model: o.Model, Details: o.Details, NeuronLayer: &layer, Data: o.Data, Stride: 1, BatchSize: 3},
	} {
		ablate := AblateOptions{
			Options: from, Modes: []string{AblatePairs}, Means: []string{in("means.npy")},
			Units: []string{"l3h3n5", "l2n7"}, FeaturesPath: in(name + "-ablated.npy"), Threads: 2,
		}
		if _, err := Ablate(t.Context(), ablate, pipelinetest.Silent()); err != nil {
			t.Fatal(name, err)
		}
		if got, _ := pipelinetest.ReadNPY(t, ablate.FeaturesPath); testutil.Far(got, without, pipelinetest.Rounding) != nil {
			t.Errorf("%s: without units: %v", name, testutil.Far(got, without, pipelinetest.Rounding))
		}
		rebuild := ReconstructOptions{Options: from, Means: in("means.npy"), PCs: []string{in("pc0.npy")}, FeaturesPath: in(name + "-rebuilt.npy"), Threads: 2}
		if _, err := Reconstruct(t.Context(), rebuild, pipelinetest.Silent()); err != nil {
			t.Fatal(name, err)
		}
		if got, _ := pipelinetest.ReadNPY(t, rebuild.FeaturesPath); testutil.Far(got, features, pipelinetest.Rounding) != nil {
			t.Errorf("%s: rebuilt from components: %v", name, testutil.Far(got, features, pipelinetest.Rounding))
		}
		rebuild.Means, rebuild.PCs, rebuild.FeaturesPath = in("means-n.npy"), all, in(name+"-neurons.npy")
		if _, err := Reconstruct(t.Context(), rebuild, pipelinetest.Silent()); err != nil {
			t.Fatal(name, err)
		}
		if got, _ := pipelinetest.ReadNPY(t, rebuild.FeaturesPath); testutil.Far(got, features, pipelinetest.Rounding) != nil {
			t.Errorf("%s: neurons rebuilt from all components: %v", name, testutil.Far(got, features, pipelinetest.Rounding))
		}
		ablate.Modes = []string{AblateSink}
		_, err := Ablate(t.Context(), ablate, pipelinetest.Silent())
		want := "which collected scores do not have"
		if name == "model" {
			want = "want a CLIP-ResNet, with an attention pool"
		}
		if bad := testutil.Line(err, "{mode} zero_sink", want); bad != nil {
			t.Errorf("%s: %v", name, bad)
		}
	}
	_, err = Ablate(t.Context(), AblateOptions{
		Options: source.Options{ScoresPath: o.SavePath}, Modes: []string{AblatePairs}, Means: []string{in("means.npy")}, Units: []string{"h3n5"}, FeaturesPath: in("x.npy"),
	}, pipelinetest.Silent())
	if bad := testutil.Line(err, "a pair, l3h0n0 to l4h3n127"); bad != nil {
		t.Error(bad)
	}
	if s, err := (artefact.Reader{}).Scores(o.SavePath, nil); err != nil || s.Whole() {
		t.Errorf("pairs of a layer are not whole features, %v", err)
	} else {
		s.Close()
	}
}

// TestActivationsViT replaces activations of a vision transformer's neurons by their means, and
// compares the features with those of PyTorch that edit's weights are compared with.
func TestActivationsViT(t *testing.T) {
	const edits = "../edit/testdata/" // made by vit_goldens.py there, the first edit by mean
	means, _ := pipelinetest.ReadNPY(t, edits+"vit_means.npy")
	want, shape := pipelinetest.ReadNPY(t, edits+"vit_features.npy")
	want = want[:len(want)/shape[0]]
	whole, _, err := npy.ReadFloat32(testutil.GoldenViT("gelu/feature.npy"))
	if err != nil {
		t.Fatal(err)
	}
	const T = 37
	rows := make([]float32, len(means)*T)
	for i := range rows { // other numbers at each token, of the same mean
		rows[i] = means[i/T] + float32(i%T-T/2)/100
	}
	dir, layer, of := t.TempDir(), 2, collecttest.GoldenViT(t, collect.ModePairs, "scores")
	o := AblateOptions{
		Options: source.Options{Model: of.Model, Details: of.Details, NeuronLayer: &layer, Data: of.Data, Stride: 1, BatchSize: 3},
		Modes:   []string{AblateActivations}, Means: []string{filepath.Join(dir, "means.npy")}, Threads: 2, FeaturesPath: filepath.Join(dir, "features.npy"),
		Writer: artefact.Writer{Store: new(cache.Store), Restart: true},
	}
	var file bytes.Buffer
	if err := errors.Join(npy.WriteFloat32(&file, []int{len(means), T}, rows), os.WriteFile(o.Means[0], file.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		units  []string
		except bool
		want   []float32
	}{{[]string{"l2n5", "l2n7"}, false, want}, {allNeurons(len(means)), true, whole}} {
		o.Units, o.Except = c.units, c.except
		if _, err := Ablate(t.Context(), o, pipelinetest.Silent()); err != nil {
			t.Fatal(err)
		}
		got, _ := pipelinetest.ReadNPY(t, o.FeaturesPath)
		if bad := testutil.Far(got, c.want, pipelinetest.Rounding); bad != nil {
			t.Errorf("without %d neurons, except %v: %v", len(c.units), c.except, bad)
		}
	}
	of.NeuronLayer = &layer
	collecttest.Collect(t, of)
	o.Model, o.ScoresPath = "", of.SavePath
	if _, err := Ablate(t.Context(), o, pipelinetest.Silent()); testutil.Line(err, "{mode} neur_acts", "which collected scores do not have") != nil {
		t.Errorf("of scores: %v", err)
	}
}

func allNeurons(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("l2n%d", i))
	}
	return names
}
