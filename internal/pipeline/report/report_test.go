package report

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/directions"
	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
	"github.com/clipnh/clipnh/internal/pipeline/explain"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/show"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/textlist"
)

// golden are the options of a report of the golden model and images, with all parts.
func golden(t *testing.T) Options {
	t.Helper()
	words, err := textlist.ReadFile(testutil.Golden("text/words.txt"))
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Store: new(cache.Store), Threads: 2, BatchSize: 4, ScoresPath: pipelinetest.GoldenScores(t), PCsPath: testutil.Golden("pc0_nh.npy"),
		ClassesPath: testutil.Golden("text/zeroshot.npy"), Data: pipelinetest.LabelledFolder(t), Dir: filepath.Join(t.TempDir(), "report"),
		Model: pipelinetest.TinyModel(),
	}
	o.WordsOptions = coding.WordsOptions{
		WordsOptions: artefact.WordsOptions{DecompositionPaths: []string{testutil.Golden("codes_nh_ref.npz")}, Words: words},
		WordsPath:    testutil.Golden("text/words.txt"), EmbeddingsPath: testutil.Golden("text/words.npy"),
	}
	return o
}

func run(t *testing.T, o Options) *Result {
	t.Helper()
	r, err := Run(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// read reads a data file of a report.
func read[T any](t *testing.T, dir, name string) *T {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(report.FileOf(name))))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v := new(T)
	if err := report.Read(f, name, v); err != nil {
		t.Fatal(err)
	}
	return v
}

func values(t *testing.T, c report.Column) []float64 {
	t.Helper()
	v, err := c.Values()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func indices(t *testing.T, c report.Column) []int32 {
	t.Helper()
	v, err := c.Integers()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// near fails unless two numbers are the same up to float32's rounding.
func alike(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 2e-6*math.Max(1, math.Abs(want)) {
		t.Errorf("%s: %g, want %g", what, got, want)
	}
}

// Units have the images, norms, scores and words that show prints.
func TestUnitsAreThoseOfShow(t *testing.T) {
	o := golden(t)
	run(t, o)
	index := read[report.Index](t, o.Dir, report.IndexName)
	images := read[report.Images](t, o.Dir, report.ImagesName)
	for _, u := range []struct {
		name         string
		head, neuron int
	}{{"h2n37", 2, 37}, {"h0n255", 0, 255}, {"n37", -1, 37}} {
		s, err := show.Run(context.Background(), show.Options{
			ScoresPath: o.ScoresPath, Unit: u.name, Top: 3, Threads: 1, PCsPath: o.PCsPath,
			WordsOptions: coding.WordsOptions{WordsOptions: artefact.WordsOptions{DecompositionPaths: o.DecompositionPaths, Words: o.Words, Components: 8}},
		}, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		n := read[report.Neuron](t, o.Dir, report.NeuronName(u.neuron))
		strongest, weakest, at := n.Strongest, n.Weakest, 0
		if u.head >= 0 {
			p := n.Pairs
			strongest, weakest, at = p.Strongest, p.Weakest, u.head
			alike(t, u.name+": mean norm", values(t, p.NormMean)[at], s.Norms.Mean)
			alike(t, u.name+": deviation", values(t, p.NormSD)[at], s.Norms.Deviation)
			alike(t, u.name+": largest norm", values(t, p.NormLargest)[at], s.Norms.Largest)
			alike(t, u.name+": mean score", values(t, p.ScoreMean)[at], s.Scores.Mean)
			alike(t, u.name+": |v|", math.Sqrt(values(t, p.Square)[at]), *s.Direction)
			words, coefficients := indices(t, p.Words)[at*report.Words:], values(t, p.Coefficients)[at*report.Words:]
			for i, w := range s.Words {
				if got := index.Words[words[i]]; got != w.Word || math.Abs(coefficients[i]-float64(w.Coefficient)) > p.Coefficients.Step {
					t.Errorf("%s: word %d is %s %g, want %s %g", u.name, i, got, coefficients[i], w.Word, w.Coefficient)
				}
			}
			alike(t, u.name+": norm by the coefficients", normOf(t, n, at, 0), s.Norms.Largest)
		} else {
			alike(t, u.name+": mean norm", n.Norm.Mean, s.Norms.Mean)
			alike(t, u.name+": median norm", n.Norm.Median, s.Norms.Median)
			alike(t, u.name+": smallest norm", n.Norm.Smallest, s.Norms.Smallest)
		}
		k := min(report.StrongestImages, s.Images)
		got, numbers := indices(t, strongest.Images)[at*k:], values(t, strongest.Values)[at*k:]
		for i, hit := range s.Strongest {
			want := float64(hit.Norm)
			if hit.Score != nil {
				want = float64(*hit.Score)
			}
			if int(got[i]) != hit.Image || numbers[i] != want || images.Names[got[i]] != hit.Name {
				t.Errorf("%s: rank %d is image %d with %g, want %d with %g", u.name, i, got[i], numbers[i], hit.Image, want)
			}
		}
		k = min(report.WeakestImages, s.Images)
		got = indices(t, weakest.Images)[at*k:]
		for i, hit := range s.Weakest {
			if int(got[k-3+i]) != hit.Image {
				t.Errorf("%s: weakest %d is image %d, want %d", u.name, i, got[k-3+i], hit.Image)
			}
		}
	}
}

// normOf is the norm of a strongest image of a pair by the coefficients in its file.
func normOf(t *testing.T, n *report.Neuron, head, place int) float64 {
	t.Helper()
	p, k := n.Pairs, n.Pairs.Strongest.Values.Len()/n.Pairs.Square.Len()
	s := values(t, p.Strongest.Values)[head*k+place]
	return math.Sqrt(values(t, p.Square)[head]*s*s + 2*values(t, p.Cross)[head]*s + values(t, p.Constant)[head])
}

// The images that quantiles show have the ranks that they say.
func TestQuantiles(t *testing.T) {
	o := golden(t)
	run(t, o)
	s, err := show.Run(context.Background(), show.Options{ScoresPath: o.ScoresPath, Unit: "h1n9", Top: report.QuantileImages, Threads: 1}, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	n := read[report.Neuron](t, o.Dir, report.NeuronName(9))
	k := report.QuantileImages
	middle := indices(t, n.Pairs.Quantiles.Images)[1*3*k+k : 1*3*k+2*k]
	for i, hit := range s.Median {
		if int(middle[i]) != hit.Image {
			t.Errorf("image %d of the middle is %d, want %d", i, middle[i], hit.Image)
		}
	}
}

// Polysemanticity is that of the command of the name.
func TestPolysemanticityIsThatOfItsCommand(t *testing.T) {
	o := golden(t)
	run(t, o)
	p, err := directions.Polysemanticity(context.Background(), directions.PolysemanticityOptions{
		CollectPath: o.ScoresPath, TopImages: topImages, Pairs: true, Neurons: true, List: 5, Threads: 2,
	}, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	index := read[report.Index](t, o.Dir, report.IndexName)
	for i, c := range []report.Column{index.Pairs.Polysemanticity, index.Neurons.Polysemanticity} {
		got := values(t, c)
		for _, list := range [][]directions.UnitScore{p.Units[i].Lowest, p.Units[i].Highest} {
			for _, u := range list {
				at := slices.IndexFunc(got, func(x float64) bool { return math.Abs(x-u.Score) < 1e-5 })
				if at < 0 {
					t.Errorf("%s: no unit has its polysemanticity %g", u.Name, u.Score)
				}
			}
		}
		mean := 0.0
		for _, x := range got {
			mean += x / float64(len(got))
		}
		alike(t, "mean polysemanticity", mean, p.Units[i].Mean)
	}
}

// Accuracy, and that of ablated models, is that of ablate.
func TestAccuracyIsThatOfAblate(t *testing.T) {
	o := golden(t)
	run(t, o)
	got := read[report.Overview](t, o.Dir, report.OverviewName)
	ctx, dir := context.Background(), t.TempDir()
	svd := directions.SVDOptions{
		CollectPath: o.ScoresPath, TopK: min(strengthImages, 48), Writer: artefact.Writer{Store: o.Store}, Threads: 2,
		OutPath: filepath.Join(dir, "pc0.npy"), MeanPath: filepath.Join(dir, "means.npy"), NormPath: filepath.Join(dir, "norms.npy"),
	}
	if _, err := directions.SVD(ctx, svd, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	e, err := evaluate.Ablate(ctx, evaluate.AblateOptions{
		Options: source.Options{ScoresPath: o.ScoresPath, Data: o.Data}, Modes: []string{evaluate.AblatePairs}, ClassesPath: o.ClassesPath, Threads: 2,
		Means: []string{svd.MeanPath}, Norms: map[string]string{evaluate.AblatePairs: svd.NormPath}, Percentiles: []float64{50, 80, 90, 95, 98, 99}, TopImages: strengthImages, FitTop: true,
	}, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	if got.Accuracy.All != e.Baseline.Top1 {
		t.Errorf("accuracy %g, want %g", got.Accuracy.All, e.Baseline.Top1)
	}
	for i, v := range e.Variants {
		if g := got.Ablation[i+1]; g.Pairs != v.Top1 {
			t.Errorf("%g %% kept: accuracy %g, want %g", 100*g.Share, g.Pairs, v.Top1)
		}
	}
}

// Records of images have the parts that explain prints.
func TestRecordsAreThoseOfExplain(t *testing.T) {
	o := golden(t)
	run(t, o)
	images := read[report.Images](t, o.Dir, report.ImagesName)
	shard := unpacked(t, read[report.ImageShard](t, o.Dir, report.ImageName(0)))
	data, err := dataset.Open(context.Background(), o.Data)
	if err != nil {
		t.Fatal(err)
	}
	classes := make([]string, 10)
	for i := range classes {
		classes[i] = string(rune('a' + i))
	}
	at := 0
	_, err = explain.Run(context.Background(), explain.Options{
		Model: o.Model, Threads: 2, BatchSize: 4, Inputs: explain.Inputs{Data: o.Data, Stride: 1}, Units: report.Parts,
		Texts: explain.Texts{Classes: classes, TextsPath: o.ClassesPath},
	}, explain.Sink{Begin: func(*explain.Setup) error { return nil }, Explanation: func(x *explain.Explanation) error {
		i := slices.Index(images.Names, x.Name)
		r := shard[i]
		if math.Abs(r.Logit-x.Logit) > 1e-3 || math.Abs(r.Constant-x.Constant) > 1e-3 || classes[r.Classes[0].Class] != x.Class {
			t.Errorf("%s: logit %g of class %d, constant %g; want %g of %s, %g", x.Name, r.Logit, r.Classes[0].Class, r.Constant, x.Logit, x.Class, x.Constant)
		}
		for j, p := range x.Pairs.For[:3] {
			if r.For[j].Pair != p.Index || math.Abs(r.For[j].Part-p.Part) > 1e-3 {
				t.Errorf("%s: part %d is %g of pair %d, want %g of %d", x.Name, j, r.For[j].Part, r.For[j].Pair, p.Part, p.Index)
			}
		}
		sum := r.Constant + r.Rest
		for _, list := range [][]report.PairPart{r.For, r.Against} {
			for _, p := range list {
				sum += p.Part
			}
		}
		if math.Abs(sum-r.Logit) > 5e-3 {
			t.Errorf("%s: parts sum to %g, want the logit %g", x.Name, sum, r.Logit)
		}
		places := r.Places.Position + r.Constant
		for _, p := range r.Places.Parts {
			places += float64(p)
		}
		if math.Abs(places-r.Logit) > 1e-2 {
			t.Errorf("%s: places sum to %g, want the logit %g", x.Name, places, r.Logit)
		}
		at++
		return nil
	}}, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	if at != len(data.Items) {
		t.Errorf("%d images were explained, want %d", at, len(data.Items))
	}
}
