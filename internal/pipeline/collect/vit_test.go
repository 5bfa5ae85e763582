package collect

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// goldenViT are the options that collect the golden images through the golden vision
// transformer.
func goldenViT(t testing.TB, mode, file string) Options {
	return Options{
		Model: testutil.GoldenViT("vit_sd32.pt"), Details: model.Details{Heads: 4, Activation: clip.GELU},
		Data: dataset.Options{Kind: dataset.Images, Path: testutil.GoldenViT("images")}, Stride: 1,
		BatchSize: 3, Threads: 2, Mode: mode, SavePath: filepath.Join(t.TempDir(), file),
	}
}

func readGoldenViT(t testing.TB, name string) ([]float32, []int) {
	t.Helper()
	data, shape, err := npy.ReadFloat32(testutil.GoldenViT("gelu/" + name + ".npy"))
	if err != nil {
		t.Fatal(err)
	}
	return data, shape
}

// TestCollectResidual compares the first-order parts of image files with the goldens, in
// a folder as they are and in a dense file.
func TestCollectResidual(t *testing.T) {
	for mode, golden := range map[string]string{ModeHeads: "first_heads", ModeMLPs: "first_mlps", ModeTokens: "first_tokens"} {
		want, shape := readGoldenViT(t, golden)
		for _, file := range []string{mode, mode + ".npy"} {
			o := goldenViT(t, mode, file)
			o.WrittenOut, o.DType = true, npy.Float32
			result := run(t, o)
			if !slices.Equal(result.Shape, shape) || result.Kind != mode {
				t.Errorf("%s: %s %v, want %s %v", file, result.Kind, result.Shape, mode, shape)
			}
			path := o.SavePath
			if !artefact.IsDense(path) {
				path = filepath.Join(path, mode+".npy")
			}
			got, gotShape := pipelinetest.ReadNPY(t, path)
			if err := testutil.Far(got, want, pipelinetest.Rounding); err != nil || !slices.Equal(gotShape, shape) {
				t.Errorf("%s: %v %v", file, gotShape, err)
			}
		}
	}
}

// TestCollectLayerPairs compares the scores of pairs and their contributions with the
// goldens, and repairs a damaged chunk to the bytes that it had.
func TestCollectLayerPairs(t *testing.T) {
	layer := 2
	o := goldenViT(t, ModePairs, "scores")
	o.NeuronLayer = &layer
	run(t, o)
	want, shape := readGoldenViT(t, "second_scores") // [B,P,H,N]
	scores := filepath.Join(o.SavePath, artefact.ScoresFile)
	got, gotShape := pipelinetest.ReadNPY(t, scores)
	if err := testutil.Far(got, want, pipelinetest.Rounding); err != nil || !slices.Equal(gotShape, []int{shape[0], shape[1] * shape[2], shape[3]}) {
		t.Errorf("scores %v: %v", gotShape, err)
	}
	s, err := (artefact.Reader{}).Scores(o.SavePath, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := artefact.LayersOf(s.Artefact).Pair(4*128+7, s.OV.Neurons); got != "l4h0n7" {
		t.Errorf("pair 4*128+7 is %s, want l4h0n7", got)
	}
	directions, _ := readGoldenViT(t, "second_directions")
	if err := testutil.Far(s.OV.AllDirections(par.NewTeam(1)), directions, pipelinetest.Rounding); err != nil {
		t.Errorf("directions: %v", err)
	}

	dense := goldenViT(t, ModeNeurons, "neurons.npy")
	dense.NeuronLayer = &layer
	run(t, dense)
	own, ownShape := readGoldenViT(t, "second_own")
	got, gotShape = pipelinetest.ReadNPY(t, dense.SavePath)
	if err := testutil.Far(got, own, pipelinetest.Rounding); err != nil || !slices.Equal(gotShape, ownShape) {
		t.Errorf("contributions %v: %v", gotShape, err)
	}

	repair := RepairOptions{Model: testutil.GoldenViT("vit_sd32.pt"), DataPath: testutil.GoldenViT("images"), BatchSize: 2, Threads: 1}
	repairs(t, scores, o.SavePath, repair)
}

// TestCollectFeatures holds that image features go with the scores of pairs that are a part
// of them, that a collection without gets them when it is collected again, and that they can be
// repaired and have the bytes of their own mode.
func TestCollectFeatures(t *testing.T) {
	layer := 2
	o := goldenViT(t, ModePairs, "scores")
	o.NeuronLayer = &layer
	run(t, o)
	folder := filepath.Join(o.SavePath, artefact.FeaturesFolder)
	file := filepath.Join(folder, artefact.FeaturesFile)
	want, shape := readGoldenViT(t, "feature")
	got, gotShape := pipelinetest.ReadNPY(t, file)
	if err := testutil.Far(got, want, pipelinetest.Rounding); err != nil || !slices.Equal(gotShape, shape) {
		t.Errorf("features %v: %v", gotShape, err)
	}

	s, err := (artefact.Reader{}).WholeScores(o.SavePath, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	B, O, each := s.Images, s.OV.OutDim, s.OV.Heads*s.OV.Neurons
	scores, values, rest, pairs := make([]float32, B*each), make([]float32, B*s.OV.Inner()), make([]float32, B*O), make([]float32, B*O)
	if err := errors.Join(s.Read(scores, 0), s.Rest(rest, values, scores, 0, B, par.NewTeam(1))); err != nil {
		t.Fatal(err)
	}
	s.OV.Features(pairs, values, scores, B, par.NewTeam(1))
	for i := range rest {
		rest[i] += pairs[i]
	}
	if err := testutil.Far(rest, want, pipelinetest.Rounding); err != nil {
		t.Errorf("pairs and the rest: %v", err)
	}

	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if _, err := (artefact.Reader{}).WholeScores(o.SavePath, nil); !errors.Is(err, artefact.ErrNoFeatures) || !errors.Is(err, cache.ErrMissing) {
		t.Errorf("without features: %v", err)
	}
	if again := run(t, o); !again.Complete {
		t.Error("a collection without features is not complete otherwise")
	}
	if after, err := os.ReadFile(file); err != nil || !bytes.Equal(after, before) {
		t.Errorf("features that were added have other bytes, %v", err)
	}
	repairs(t, file, folder, RepairOptions{Model: testutil.GoldenViT("vit_sd32.pt"), DataPath: testutil.GoldenViT("images"), BatchSize: 2, Threads: 1})

	alone := goldenViT(t, ModeFeatures, "alone")
	run(t, alone)
	if of, err := os.ReadFile(filepath.Join(alone.SavePath, artefact.FeaturesFile)); err != nil || !bytes.Equal(of, before) {
		t.Errorf("the mode %s has other bytes, %v", ModeFeatures, err)
	}
}

// TestCollectVerifiesFeatures holds that the checksums of the features are compared with those
// of the scores.
func TestCollectVerifiesFeatures(t *testing.T) {
	layer := 2
	o := goldenViT(t, ModePairs, "scores")
	o.NeuronLayer, o.Verify = &layer, true
	run(t, o)
	run(t, o) // they are sound
	file := filepath.Join(o.SavePath, artefact.FeaturesFolder, artefact.FeaturesFile)
	spoil(t, file)
	var damaged *artefact.Error
	if _, err := Run(t.Context(), o, pipelinetest.Silent()); !errors.As(err, &damaged) || damaged.Damaged == nil || damaged.Path != filepath.Dir(file) {
		t.Errorf("with %s spoilt: %v", file, err)
	}
}

// spoil changes a byte of a file, and returns the bytes that it had.
func spoil(t *testing.T, file string) []byte {
	t.Helper()
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	spoilt := slices.Clone(whole)
	spoilt[len(spoilt)-5] ^= 1
	if err := os.WriteFile(file, spoilt, 0o600); err != nil {
		t.Fatal(err)
	}
	return whole
}

// repairs spoils a byte of a file of a collection, and holds that a repair restores it.
func repairs(t *testing.T, file, path string, o RepairOptions) {
	t.Helper()
	whole := spoil(t, file)
	a, err := cache.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Repair(t.Context(), a, o, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	if repaired, err := os.ReadFile(file); err != nil || !bytes.Equal(repaired, whole) {
		t.Errorf("repaired to other bytes, %v", err)
	}
}

// TestCollectOtherFamily refuses what a model of the family does not have.
func TestCollectOtherFamily(t *testing.T) {
	layer, last := 2, 4
	for _, test := range []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"no layer", func(o *Options) {}, "want the layer whose neurons to look at, {neuron-layer} 0 to 3"},
		{"the last layer", func(o *Options) { o.NeuronLayer = &last }, "{neuron-layer} 4: want a layer before the last of 5, 0 to 3"},
		{"a layer of heads", func(o *Options) { o.Mode, o.NeuronLayer = ModeHeads, &layer }, "{neuron-layer} is for pairs"},
		{"attention", func(o *Options) { o.Mode = ModeAttention }, "vision transformer (ViT), want a CLIP-ResNet"},
		{"another block", func(o *Options) { o.Mode, o.NeuronLayer = ModeLens, &layer }, "want a CLIP-ResNet"},
		{"a ResNet's layer", func(o *Options) { *o = goldenImages(t, "scores"); o.NeuronLayer = &layer }, "{neuron-layer} 2: the image tower is a CLIP-ResNet"},
		{"a ResNet's MLPs", func(o *Options) { *o = goldenImages(t, "mlps"); o.Mode = ModeMLPs }, "is a CLIP-ResNet, want a vision transformer"},
	} {
		o := goldenViT(t, ModePairs, "refused")
		test.change(&o)
		_, err := Run(t.Context(), o, pipelinetest.Silent())
		if bad := testutil.Line(err, test.want); bad != nil {
			t.Errorf("%s: %v", test.name, bad)
		}
		if _, err := os.Stat(o.SavePath); err == nil {
			t.Errorf("%s: left %s", test.name, o.SavePath)
		}
	}
}

// TestCollectViTSameBytes holds that threads and batches of several leave the bytes of
// every mode of a vision transformer alone.
func TestCollectViTSameBytes(t *testing.T) {
	layer := 1
	for _, mode := range []string{ModePairs, ModeNeurons, ModeHeads, ModeMLPs, ModeTokens, ModeClass} {
		for _, mean := range []bool{false, true} {
			var want []byte
			for _, threads := range []int{1, 3} {
				o := goldenViT(t, mode, "out.npy")
				o.Mean, o.Threads, o.BatchSize = mean, threads, 2*threads
				if KeepsScores(mode) {
					o.NeuronLayer = &layer
				}
				run(t, o)
				got, err := os.ReadFile(o.SavePath)
				if err != nil {
					t.Fatal(err)
				}
				if want == nil {
					want = got
				}
				if !bytes.Equal(got, want) {
					t.Errorf("%s, mean %v: other bytes with %d threads", mode, mean, threads)
				}
			}
		}
	}
}
