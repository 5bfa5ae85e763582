package evaluate

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
)

// outRounding is the manifest's tolerance for the features that later steps
// make.
const outRounding = 2e-4

// fromScores, fromDense, fromSummed and fromModel are the golden images from
// every kind of source, without labels.
func fromScores(t testing.TB) source.Options {
	return source.Options{ScoresPath: pipelinetest.GoldenScores(t)}
}

func fromDense(t testing.TB) source.Options {
	path, shape := pipelinetest.GoldenDense(t, false)
	return source.Options{ScoresPath: path, Shape: shape}
}

func fromSummed(t testing.TB) source.Options {
	path, shape := pipelinetest.GoldenDense(t, true)
	return source.Options{ScoresPath: path, Shape: shape}
}

func fromModel(t testing.TB) source.Options {
	return source.Options{
		Model: pipelinetest.TinyModel(), BatchSize: 5, Stride: 1,
		Data: dataset.Options{Kind: dataset.Images, Path: testutil.Golden("dataset")},
	}
}

// goldenAccuracy is what accuracy.json says of a variant.
type goldenAccuracy struct {
	Correct        int     `json:"correct"`
	Images         int     `json:"images"`
	Predictions    []int   `json:"preds"`
	SmallestMargin float64 `json:"smallest_margin"`
}

func readAccuracy(t testing.TB, name string) goldenAccuracy {
	t.Helper()
	data, err := os.ReadFile(testutil.Golden("accuracy.json"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]goldenAccuracy{}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	a, ok := all[name]
	if !ok || a.SmallestMargin < 1e-5 {
		t.Fatalf("accuracy.json: %s: %+v, want a clear margin", name, a)
	}
	return a
}

// checkAccuracy compares a variant on the golden images in their order.
func checkAccuracy(t *testing.T, got VariantScore, golden string) {
	t.Helper()
	want := readAccuracy(t, golden)
	if got.Correct != want.Correct || !slices.Equal(got.Predictions, want.Predictions) {
		t.Errorf("%s: %d correct, predictions %v, want %d, %v", golden, got.Correct, got.Predictions, want.Correct, want.Predictions)
	}
	if top1 := float64(want.Correct) / float64(want.Images); got.Top1 != top1 || got.Top5 < got.Top1 || got.Top5 > 1 {
		t.Errorf("%s: top-1 %g, top-5 %g, want top-1 %g", golden, got.Top1, got.Top5, top1)
	}
}

func checkFeatures(t *testing.T, path, golden string) {
	t.Helper()
	got, shape := pipelinetest.ReadNPY(t, path)
	want, wantShape := pipelinetest.ReadGolden(t, golden)
	if !slices.Equal(shape, wantShape) {
		t.Fatalf("%s: shape %v, want %v", path, shape, wantShape)
	}
	if err := testutil.Far(got, want, outRounding); err != nil {
		t.Errorf("%s: %v", golden, err)
	}
}

// TestEvaluateNeedsSomethingToDo holds that images without labels give
// features, are told to, and are refused where no features are asked for.
func TestEvaluateNeedsSomethingToDo(t *testing.T) {
	o := AblateOptions{Options: fromModel(t), Modes: []string{AblateSink}, ClassesPath: testutil.Golden("text/zeroshot.npy"), Threads: 1}
	if _, err := Ablate(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "accuracy needs labels, and "+o.Data.Path+" has none as {dataset} images") {
		t.Errorf("error %v, want one that asks for a path", err)
	}
	o.FeaturesPath = filepath.Join(t.TempDir(), "features.npy")
	say, said := pipelinetest.Heard()
	r, err := Ablate(context.Background(), o, say)
	if err != nil {
		t.Fatal(err)
	}
	if r.Labelled || !strings.Contains(said.String(), "accuracy needs labels") {
		t.Errorf("labelled %v, said %q", r.Labelled, said.String())
	}
}

// TestEvaluateDenseLabels holds that the rows of dense contributions get the
// labels of their images, skipped ones left out, and only of those images.
func TestEvaluateDenseLabels(t *testing.T) {
	data := pipelinetest.LabelledFolder(t)
	broken := filepath.Join(data.Path, "val", "c3", "00000.png")
	if err := os.WriteFile(broken, []byte("not an image"), 0o666); err != nil {
		t.Fatal(err)
	}
	c := collecttest.GoldenImages(t, "reprs.npy")
	c.Data = data
	dense := collecttest.Collect(t, c).Path
	raw, err := npy.Open(dense)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]float32, raw.Count())
	if err := raw.ReadFloat32(all, 0); err != nil {
		t.Fatal(err)
	}
	raw.Close()
	foreign := filepath.Join(t.TempDir(), "reprs.dat")
	if err := os.WriteFile(foreign, npy.AppendFloat32(nil, all), 0o666); err != nil {
		t.Fatal(err)
	}
	run := func(images source.Options) (*ReconstructResult, error) {
		images.Data = data
		return Reconstruct(context.Background(), ReconstructOptions{
			Options: images, Means: testutil.Golden("means_nh.npy"), PCs: []string{testutil.Golden("pc0_nh.npy")},
			ClassesPath: testutil.Golden("text/zeroshot.npy"), Threads: 2,
		}, pipelinetest.Silent())
	}
	r, err := run(source.Options{ScoresPath: dense})
	if err != nil {
		t.Fatal(err)
	}
	if want := readAccuracy(t, "reconstruct_nh_pc0"); r.Images != want.Images || r.Variants[0].Correct != want.Correct || r.Baseline.Correct != want.Correct {
		t.Errorf("%d images, %+v, want %d correct", r.Images, r.Variants[0], want.Correct)
	}
	// Without a manifest nothing says that an image was skipped.
	if _, err := run(source.Options{ScoresPath: foreign, Shape: raw.Shape}); err == nil || !strings.Contains(err.Error(), "48 rows") {
		t.Errorf("error %v, want one about the number of rows", err)
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	if _, err := run(source.Options{ScoresPath: dense}); err == nil || !strings.Contains(err.Error(), "images") {
		t.Errorf("error %v, want one about the images", err)
	}
	if r, err = run(source.Options{ScoresPath: foreign, Shape: raw.Shape}); err != nil || r.Variants[0].Correct != readAccuracy(t, "reconstruct_nh_pc0").Correct {
		t.Errorf("foreign file: %+v, %v", r, err)
	}
}

// TestEvaluateSkips holds that an image that cannot be read is named, and that
// Strict stops at it.
func TestEvaluateSkips(t *testing.T) {
	o := AblateOptions{
		Options: fromModel(t), Modes: []string{AblateSink}, Threads: 2, FeaturesPath: filepath.Join(t.TempDir(), "f.npy"),
	}
	o.Data.Path = pipelinetest.Spoiled(t)
	r, err := Ablate(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	_, shape := pipelinetest.ReadNPY(t, o.FeaturesPath)
	if len(r.Skipped) == 0 || shape[0] != r.Images {
		t.Errorf("%d skipped, %d images, features %v", len(r.Skipped), r.Images, shape)
	}
	o.Strict = true
	if _, err := Ablate(context.Background(), o, pipelinetest.Silent()); err == nil {
		t.Error("an image that cannot be read was passed over")
	}
}

// TestEvaluateInterrupted holds that nothing is written when the run is ended.
func TestEvaluateInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for name, images := range map[string]source.Options{"scores": fromScores(t), "dense": fromDense(t), "model": fromModel(t)} {
		path := filepath.Join(t.TempDir(), "f.npy")
		_, err := Reconstruct(ctx, ReconstructOptions{
			Options: images, Means: testutil.Golden("means_nh.npy"), PCs: []string{testutil.Golden("pc0_nh.npy")},
			FeaturesPath: path, Threads: 1,
		}, pipelinetest.Silent())
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s: features were written", name)
		}
	}
}

// readBytes returns the elements of a .npy file as they are stored.
func readBytes(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, n, err := npy.ReadHeader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return data[n:]
}
