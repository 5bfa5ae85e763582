package evaluate

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/directions"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestAblateGolden compares every mode with the goldens, from every source that
// has what it needs.
func TestAblateGolden(t *testing.T) {
	for _, test := range []struct {
		mode, mask, means, golden string
		sources                   map[string]func(testing.TB) source.Options
	}{
		{AblatePairs, "mask_nh", "means_nh", "ablate_neur_head_reprs", map[string]func(testing.TB) source.Options{"scores": fromScores, "dense": fromDense, "model": fromModel}},
		{AblateNeurons, "mask_n", "means_n", "ablate_neur_reprs", map[string]func(testing.TB) source.Options{"scores": fromScores, "dense": fromDense, "summed": fromSummed, "model": fromModel}},
		{AblateNeurons, "mask_n", "means_nh", "ablate_neur_reprs", map[string]func(testing.TB) source.Options{"scores, pairs' means": fromScores, "summed, pairs' means": fromDense}},
		{AblateActivations, "mask_n", "means_acts", "ablate_neur_acts", map[string]func(testing.TB) source.Options{"model": fromModel}},
		{AblateSink, "", "", "zero_sink", map[string]func(testing.TB) source.Options{"model": fromModel}},
	} {
		for name, source := range test.sources {
			t.Run(test.mode+" from "+name, func(t *testing.T) {
				o := AblateOptions{Options: source(t), Modes: []string{test.mode}, Threads: 2, FeaturesPath: filepath.Join(t.TempDir(), "f.npy")}
				if test.mask != "" {
					o.MaskPath, o.Means = testutil.Golden(test.mask+".npy"), []string{testutil.Golden(test.means + ".npy")}
				}
				r, err := Ablate(context.Background(), o, pipelinetest.Silent())
				if err != nil {
					t.Fatal(err)
				}
				checkFeatures(t, o.FeaturesPath, "out/"+test.golden+".npy")
				if test.mask != "" {
					keep := pipelinetest.GoldenBools(t, test.mask+".npy")
					if v := r.Variants[0]; v.Kept != countTrue(keep) || v.Units != len(keep) {
						t.Errorf("kept %d of %d, want %d of %d", v.Kept, v.Units, countTrue(keep), len(keep))
					}
				}
			})
		}
	}
}

// TestAblateAccuracy compares predictions and counts with the goldens.
func TestAblateAccuracy(t *testing.T) {
	data := pipelinetest.LabelledFolder(t)
	for _, test := range []struct{ mode, mask, means string }{
		{AblatePairs, "mask_nh", "means_nh"}, {AblateNeurons, "mask_n", "means_n"},
	} {
		for name, classes := range map[string]string{"npy": "text/zeroshot.npy", "pt": "text/zeroshot_fp32.pt"} {
			o := AblateOptions{
				Options: fromScores(t), Modes: []string{test.mode}, Threads: 2, ClassesPath: testutil.Golden(classes),
				MaskPath: testutil.Golden(test.mask + ".npy"), Means: []string{testutil.Golden(test.means + ".npy")},
			}
			o.Data = data
			r, err := Ablate(context.Background(), o, pipelinetest.Silent())
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			checkAccuracy(t, r.Baseline, "model")
			checkAccuracy(t, r.Variants[0], "ablate_"+test.mode)
		}
	}
	// Images of a model come class by class; their order does not matter to
	// the counts.
	o := AblateOptions{
		Options: fromModel(t), Modes: []string{AblateActivations, AblateSink}, Threads: 2, ClassesPath: testutil.Golden("text/zeroshot.npy"),
		MaskPath: testutil.Golden("mask_n.npy"), Means: []string{testutil.Golden("means_acts.npy")},
	}
	o.Data = data
	r, err := Ablate(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		got    VariantScore
		golden string
	}{{r.Baseline, "model"}, {r.Variants[0], "ablate_neur_acts"}, {r.Variants[1], "zero_sink"}} {
		if want := readAccuracy(t, v.golden); v.got.Correct != want.Correct {
			t.Errorf("%s: %d correct, want %d", v.golden, v.got.Correct, want.Correct)
		}
	}
}

// TestZeroRegisters zeroes the golden's neurons, made out to be those of
// largest drop.
func TestZeroRegisters(t *testing.T) {
	const images, neurons = 3, 256
	drops := make([]float32, images*neurons)
	for i := range drops {
		drops[i] = -1
		if n := i % neurons; n == 3 || n == 17 || n == 255 {
			drops[i] = float32(i/neurons) / 10
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "drops.npy")
	var b bytes.Buffer
	if err := npy.WriteFloat32(&b, []int{images, neurons}, drops); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	o := AblateOptions{
		Options: fromModel(t), Modes: []string{AblateSinkRegisters, AblateSink}, SinkDiffs: path, TopSink: 3, Threads: 2,
		FeaturesPath: filepath.Join(dir, "f.npy"),
	}
	if _, err := Ablate(context.Background(), o, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	got, shape := pipelinetest.ReadNPY(t, o.FeaturesPath)
	if !slices.Equal(shape, []int{2, 48, 32}) {
		t.Fatalf("shape %v", shape)
	}
	for i, golden := range []string{"zero_neurons.npy", "zero_sink.npy"} {
		want, _ := pipelinetest.ReadGolden(t, golden)
		if err := testutil.Far(got[i*48*32:][:len(want)], want, pipelinetest.Rounding); err != nil {
			t.Errorf("%s: %v", golden, err)
		}
	}
}

// TestAblateNothing holds that the strongest 100 % are the untouched model, to
// the last bit, and that a curve's other points do not depend on its company.
func TestAblateNothing(t *testing.T) {
	baseline := func(images source.Options) []byte {
		// Reads of features that no ablation has touched.
		src, err := source.Open(context.Background(), images, 2, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		path := filepath.Join(t.TempDir(), "baseline.npy")
		_, err = evaluate(context.Background(), src, []variant{{features: untouched}}, evaluateOptions{featuresPath: path, threads: 2}, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		return readBytes(t, path)
	}
	norms := map[string]string{AblatePairs: testutil.Golden("norms_nh.npy"), AblateNeurons: testutil.Golden("norms_n.npy"), AblateActivations: testutil.Golden("norms_n.npy")}
	for name, images := range map[string]source.Options{"scores": fromScores(t), "dense": fromDense(t), "model": fromModel(t)} {
		untouched := baseline(images)
		for _, mode := range []string{AblatePairs, AblateNeurons, AblateActivations} {
			if mode == AblateActivations && name != "model" {
				continue
			}
			means := []string{testutil.Golden("means_nh.npy")}
			if mode == AblateActivations {
				means[0] = testutil.Golden("means_acts.npy")
			}
			ablate := func(percentiles ...float64) []byte {
				o := AblateOptions{
					Options: images, Modes: []string{mode}, Percentiles: percentiles, Norms: norms, TopImages: 20, Means: means,
					FeaturesPath: filepath.Join(t.TempDir(), "f.npy"), Threads: 2,
				}
				if _, err := Ablate(context.Background(), o, pipelinetest.Silent()); err != nil {
					t.Fatal(err)
				}
				return readBytes(t, o.FeaturesPath)
			}
			curve := ablate(0, 50, 90)
			each := len(curve) / 3
			if !bytes.Equal(curve[:each], untouched) {
				t.Errorf("%s from %s: percentile 0 is not the untouched model", mode, name)
			}
			if bytes.Equal(curve[each:2*each], untouched) {
				t.Errorf("%s from %s: percentile 50 is the untouched model", mode, name)
			}
			if !bytes.Equal(curve[2*each:], ablate(90)) {
				t.Errorf("%s from %s: percentile 90 depends on the others", mode, name)
			}
		}
	}
}

// TestAblateSameBytes holds that neither batch nor threads change a result.
func TestAblateSameBytes(t *testing.T) {
	var first []byte
	for _, batch := range []int{1, 5, 48} {
		for _, threads := range []int{1, 3} {
			o := AblateOptions{
				Options: fromModel(t), Modes: AblateModes(), Percentiles: []float64{60}, TopImages: 20, Threads: threads,
				Norms:     map[string]string{AblatePairs: testutil.Golden("norms_nh.npy"), AblateNeurons: testutil.Golden("norms_n.npy"), AblateActivations: testutil.Golden("norms_n.npy")},
				Means:     []string{testutil.Golden("means_nh.npy"), testutil.Golden("means_acts.npy")},
				SinkDiffs: testutil.Golden("register_diffs.npy"), TopSink: 18,
				FeaturesPath: filepath.Join(t.TempDir(), "f.npy"),
			}
			o.BatchSize = batch
			if _, err := Ablate(context.Background(), o, pipelinetest.Silent()); err != nil {
				t.Fatal(err)
			}
			got := readBytes(t, o.FeaturesPath)
			if first == nil {
				first = got
			}
			if !bytes.Equal(got, first) {
				t.Errorf("batch %d, %d threads: other bytes", batch, threads)
			}
		}
	}
}

// TestAblateCurve draws a curve.
func TestAblateCurve(t *testing.T) {
	dir := t.TempDir()
	for _, file := range []string{"curve.png", "curve.svg"} {
		o := AblateOptions{
			Options: fromScores(t), Modes: []string{AblatePairs, AblateNeurons}, Percentiles: []float64{90, 0, 50}, TopImages: 20, Threads: 2,
			Norms:       map[string]string{AblatePairs: testutil.Golden("norms_nh.npy"), AblateNeurons: testutil.Golden("norms_n.npy")},
			Means:       []string{testutil.Golden("means_nh.npy")},
			ClassesPath: testutil.Golden("text/zeroshot.npy"), PlotPath: filepath.Join(dir, file),
		}
		o.Data = pipelinetest.LabelledFolder(t)
		r, err := Ablate(context.Background(), o, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Variants) != 6 || r.Variants[1].Correct != r.Baseline.Correct || r.Variants[1].KeptShare != 1 {
			t.Errorf("variants %+v", r.Variants)
		}
		f := ablationFigure(&r.Evaluation)
		if len(f.Curves) != 2 || !slices.Equal(f.Curves[1].X, []float64{10.15625, 50, 100}) || f.Curves[0].Y[2] != f.Level.Y || !f.Shares {
			t.Errorf("figure %+v", f)
		}
		if info, err := os.Stat(o.PlotPath); err != nil || info.Size() < 1000 {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestAblateRefuses(t *testing.T) {
	scores, nh, n := fromScores(t), testutil.Golden("norms_nh.npy"), testutil.Golden("norms_n.npy")
	for name, test := range map[string]struct {
		change func(o *AblateOptions)
		want   string
	}{
		"mask of neurons":  {func(o *AblateOptions) { o.MaskPath = testutil.Golden("mask_n.npy") }, "shape 256, want 4x256"},
		"mask of floats":   {func(o *AblateOptions) { o.MaskPath = testutil.Golden("norms_n.npy") }, "want bool"},
		"means of neurons": {func(o *AblateOptions) { o.Means = []string{testutil.Golden("means_n.npy")} }, "want 4x256x32"},
		"norms of neurons": {func(o *AblateOptions) { o.MaskPath, o.Norms = "", map[string]string{AblatePairs: n} }, "[H,C,K]"},
		"norms as neurons'": {func(o *AblateOptions) {
			o.MaskPath, o.Modes, o.Norms = "", []string{AblateNeurons}, map[string]string{AblateNeurons: nh}
		}, "[C,K]"},
		"sink of scores":      {func(o *AblateOptions) { o.Modes = []string{AblateSink} }, "{model}"},
		"no means":            {func(o *AblateOptions) { o.Means = nil }, "{means-path}"},
		"missing means":       {func(o *AblateOptions) { o.Means = []string{"nowhere.npy"} }, "nowhere.npy"},
		"pairs of summed":     {func(o *AblateOptions) { o.Options = fromSummed(t) }, "summed over heads"},
		"plot without labels": {func(o *AblateOptions) { o.PlotPath = filepath.Join(t.TempDir(), "a.png") }, "{plot}"},
		"a label too many": {func(o *AblateOptions) {
			o.Data, o.ClassesPath = pipelinetest.LabelledFolder(t), filepath.Join(t.TempDir(), "few.npy")
			writeFewClasses(t, o.ClassesPath)
		}, "2 classes"},
		"other images": {func(o *AblateOptions) {
			o.Data = pipelinetest.LabelledFolder(t)
			items, _ := pipelinetest.LabelledNames(t)
			if err := os.Remove(filepath.Join(o.Data.Path, "val", items[7].Name)); err != nil {
				t.Fatal(err)
			}
		}, "is missing from the data set, read as imagenet_val"},
	} {
		t.Run(name, func(t *testing.T) {
			o := AblateOptions{
				Options: scores, Modes: []string{AblatePairs}, Threads: 1, MaskPath: testutil.Golden("mask_nh.npy"),
				Means: []string{testutil.Golden("means_nh.npy")}, FeaturesPath: filepath.Join(t.TempDir(), "f.npy"), TopImages: 20, Percentiles: []float64{50},
			}
			if test.change(&o); o.MaskPath != "" {
				o.Percentiles = nil
			}
			_, err := Ablate(context.Background(), o, pipelinetest.Silent())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
			if _, err := os.Stat(o.FeaturesPath); err == nil {
				t.Error("features were written")
			}
		})
	}
}

func writeFewClasses(t testing.TB, path string) {
	t.Helper()
	classes, _ := pipelinetest.ReadGolden(t, "text/zeroshot.npy")
	var b bytes.Buffer
	if err := npy.WriteFloat32(&b, []int{2, 32}, classes[:64]); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestAblateUnknownModel holds that a mask made from another program's norms can
// be used with any model's scores.
func TestAblateUnknownModel(t *testing.T) {
	dir := t.TempDir()
	mask := filepath.Join(dir, "mask.npy")
	if _, err := Mask(context.Background(), MaskOptions{Norms: testutil.Golden("norms_nh.npy"), Mode: AblatePairs, TopImages: 20, Percentile: 90, SavePath: mask}); err != nil {
		t.Fatal(err)
	}
	o := AblateOptions{
		Options: fromModel(t), Modes: []string{AblatePairs}, MaskPath: mask, Means: []string{testutil.Golden("means_nh.npy")},
		FeaturesPath: filepath.Join(dir, "f.npy"), Threads: 2,
	}
	if _, err := Ablate(context.Background(), o, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	checkFeatures(t, o.FeaturesPath, "out/ablate_neur_head_reprs.npy")
}

// TestAblateOtherModel holds that artefacts of another model are refused.
func TestAblateOtherModel(t *testing.T) {
	dir := t.TempDir()
	scores := collecttest.Collect(t, collecttest.GoldenImages(t, "scores")).Path
	other := collecttest.GoldenImages(t, "other")
	other.Model = testutil.Golden("model/tiny_sd_bf16.pt") // rounded weights
	in := func(name string) string { return filepath.Join(dir, name) }
	if _, err := directions.SVD(context.Background(), directions.SVDOptions{CollectPath: collecttest.Collect(t, other).Path, TopK: 5, MeanPath: in("means.npy"), NormPath: in("norms.npy"), Threads: 1}, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	for _, o := range []AblateOptions{
		{Means: []string{in("means.npy")}, MaskPath: testutil.Golden("mask_nh.npy")},
		{Means: []string{testutil.Golden("means_nh.npy")}, Percentiles: []float64{1}, TopImages: 5, Norms: map[string]string{AblatePairs: in("norms.npy")}},
	} {
		o.ScoresPath, o.Modes, o.Threads, o.FeaturesPath = scores, []string{AblatePairs}, 1, in("f.npy")
		_, err := Ablate(context.Background(), o, pipelinetest.Silent())
		if err == nil || !strings.Contains(err.Error(), "made with other weights") {
			t.Errorf("error %v, want one about the weights", err)
		}
	}
}
