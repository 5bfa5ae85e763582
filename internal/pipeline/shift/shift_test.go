package shift

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/directions"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/textlist"
)

// shiftRounding is the manifest's tolerance for ratios and what follows from
// them.
const shiftRounding = 2e-4

// goldenShift follows the golden concepts through the golden scores.
func goldenShift(t testing.TB) Options {
	t.Helper()
	root := t.TempDir()
	if err := os.Symlink(testutil.Golden("shift/devkit"), filepath.Join(root, "devkit")); err != nil {
		t.Fatal(err)
	}
	concepts := []string{"yellow", "convertible"}
	return Options{
		Options:        source.Options{ScoresPath: pipelinetest.GoldenScores(t)},
		ConceptOptions: ConceptOptions{Concepts: concepts, K: 5, PCsPath: testutil.Golden("pc0_nh.npy"), EmbeddingsPath: testutil.Golden("text/concepts.npy")},
		Questions:      concepts,
		ReadLabels: func(context.Context) (*dataset.Labels, error) {
			return dataset.ReadCars(context.Background(), dataset.CarOptions{Root: root, CSV: testutil.Golden("shift/refined_train.csv"), Labels: concepts})
		},
		SavePath: filepath.Join(root, "out", "shift.json"), Threads: 2,
	}
}

func readJSON(t testing.TB, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func closeTo(got, want, tolerance float64) bool {
	return math.Abs(got-want) <= tolerance*math.Abs(want)
}

type goldenShifted struct {
	Heads, Neurons []int
	Ratio          map[string]float64
	Label          map[string]int
	Correlation    float64
	P              float64 `json:"p_value"`
	Years          map[string]struct {
		Fraction float64
		Images   int
		Mean     float64 `json:"mean_ratio"`
	} `json:"per_year"`
}

// TestShiftGolden compares the file that Shift writes with the golden one, key by
// key.
func TestShiftGolden(t *testing.T) {
	o := goldenShift(t)
	result, err := Run(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	var got, want map[string]goldenShifted
	readJSON(t, o.SavePath, &got)
	readJSON(t, testutil.Golden("shift/shift.json"), &want)
	if len(got) != len(want) {
		t.Fatalf("%d concepts, want %d", len(got), len(want))
	}
	for concept, w := range want {
		g := got[concept]
		if !slices.Equal(g.Heads, w.Heads) || !slices.Equal(g.Neurons, w.Neurons) {
			t.Errorf("%s: heads %v, neurons %v, want %v, %v", concept, g.Heads, g.Neurons, w.Heads, w.Neurons)
		}
		if !closeTo(g.Correlation, w.Correlation, shiftRounding) {
			t.Errorf("%s: correlation %g, want %g", concept, g.Correlation, w.Correlation)
		}
		// The logarithm of p is that many times as sensitive as r.
		if !closeTo(g.P, w.P, 100*shiftRounding) {
			t.Errorf("%s: p %g, want %g", concept, g.P, w.P)
		}
		if len(g.Ratio) != len(w.Ratio) || len(g.Label) != len(w.Label) || len(g.Years) != len(w.Years) {
			t.Errorf("%s: %d ratios, %d labels, %d years, want %d, %d, %d", concept, len(g.Ratio), len(g.Label), len(g.Years), len(w.Ratio), len(w.Label), len(w.Years))
		}
		for name, ratio := range g.Ratio {
			base := path.Base(name) // the scores' images lie in folders
			if !closeTo(ratio, w.Ratio[base], shiftRounding) || g.Label[name] != w.Label[base] {
				t.Errorf("%s: %s: ratio %g, label %d, want %g, %d", concept, name, ratio, g.Label[name], w.Ratio[base], w.Label[base])
			}
		}
		for year, y := range w.Years {
			if g := g.Years[year]; g.Images != y.Images || !closeTo(g.Fraction, y.Fraction, 1e-12) || !closeTo(g.Mean, y.Mean, shiftRounding) {
				t.Errorf("%s: %s: %+v, want %+v", concept, year, g, y)
			}
		}
	}
	c := result.Concepts[0]
	if result.Images != 43 || result.Grouping != "year" || c.Concept != "yellow" || c.Label != "yellow" || len(c.Groups) != 12 || c.Groups[0].Group != "1991" {
		t.Errorf("result %+v", result)
	}
}

// TestShiftSameBytes holds that what is written does not depend on the workers.
func TestShiftSameBytes(t *testing.T) {
	o := goldenShift(t)
	var first []byte
	for _, threads := range []int{1, 3, 64} {
		o.Threads, o.PlotPath = threads, filepath.Join(t.TempDir(), "shift.svg")
		if _, err := Run(context.Background(), o, pipelinetest.Silent()); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(o.SavePath)
		if err != nil {
			t.Fatal(err)
		}
		figure, err := os.ReadFile(o.PlotPath)
		if err != nil {
			t.Fatal(err)
		}
		if data = append(data, figure...); first == nil {
			first = data
		} else if !bytes.Equal(data, first) {
			t.Errorf("%d threads give other bytes", threads)
		}
	}
	for _, want := range []string{"yellow: r = 0.60 over 43 images", "mean ratio", "true share (%)", "small figures"} {
		if !strings.Contains(string(first), want) {
			t.Errorf("the figure lacks %q", want)
		}
	}
}

// TestShiftDense holds that contributions written out give the ratios that scores
// give.
func TestShiftDense(t *testing.T) {
	o := goldenShift(t)
	o.ReadLabels, o.SavePath = nil, ""
	want, err := Run(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	dense, shape := pipelinetest.GoldenDense(t, false)
	o.Options = source.Options{ScoresPath: dense, Shape: shape}
	got, err := Run(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	if got.Images != want.Images {
		t.Fatalf("%d images, want %d", got.Images, want.Images)
	}
	for i := range got.images {
		for c, x := range got.images[i].ratios {
			if !closeTo(x, want.images[i].ratios[c], 1e-5) {
				t.Errorf("image %d, concept %d: %g, want %g", i, c, x, want.images[i].ratios[c])
			}
		}
	}
	summed, shape := pipelinetest.GoldenDense(t, true)
	o.Options = source.Options{ScoresPath: summed, Shape: shape}
	if _, err := Run(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "summed over heads") {
		t.Errorf("neurons: error %v", err)
	}
}

// TestShiftLabels holds what happens where labels lack answers or images.
func TestShiftLabels(t *testing.T) {
	o := goldenShift(t)
	o.SavePath = ""
	known := []dataset.Labelled{
		{Image: "00003.png", Group: "b", Answers: []dataset.Answer{dataset.Yes}}, {Image: "00010.png", Group: "a", Answers: []dataset.Answer{dataset.No}},
		{Image: "00017.png", Group: "", Answers: []dataset.Answer{dataset.Yes}}, {Image: "00024.png", Group: "a", Answers: []dataset.Answer{dataset.Unknown}},
		{Image: "elsewhere.png", Group: "a", Answers: []dataset.Answer{dataset.Yes}},
	}
	o.ReadLabels = func(context.Context) (*dataset.Labels, error) {
		return &dataset.Labels{Path: "t.csv", Grouping: "season", Names: []string{"yellow"}, Known: known}, nil
	}
	say, said := pipelinetest.Heard()
	r, err := Run(context.Background(), o, say)
	if err != nil {
		t.Fatal(err)
	}
	yellow, convertible := r.Concepts[0], r.Concepts[1]
	if r.Images != 4 || yellow.Images != 3 || yellow.Measured.Positive != 2 || len(yellow.Groups) != 2 || yellow.Groups[0].Group != "a" || yellow.Groups[0].Images != 1 {
		t.Errorf("yellow: %+v", yellow)
	}
	if yellow.Measured == nil || yellow.Measured.R == nil || yellow.Measured.Groups == nil {
		t.Errorf("yellow: %+v", yellow.Measured)
	}
	if convertible.Measured != nil || convertible.Label != "" || convertible.Images != 4 || convertible.Groups[0].Images != 2 || convertible.Groups[0].Fraction != nil {
		t.Errorf("convertible: %+v", convertible)
	}
	for _, want := range []string{`no label for "convertible"`, "44 images of 48 without a row", "1 of 5 rows without an image", "2 of 2 groups by season have fewer than 10 images"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("said %q, want %q", said, want)
		}
	}
	for i := range known {
		known[i].Image = "x" + known[i].Image
	}
	if _, err := Run(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "none of its 5 rows is of one of the 48 images: it has x00003.png, they are such as c1/00003.png") {
		t.Errorf("nothing in common: error %v", err)
	}
}

// TestShiftRefuses holds that what does not fit together is found before the work.
func TestShiftRefuses(t *testing.T) {
	words := testutil.Golden("text/words.npy")
	for want, change := range map[string]func(o *Options){
		"want 256x32": func(o *Options) { o.PCsPath = testutil.Golden("text/words.npy") },
		"embeddings of 300 texts, want 2, those of the concepts": func(o *Options) { o.EmbeddingsPath = words },
		`words.txt: no line "a yellow car"`: func(o *Options) {
			o.Concepts = []string{"a yellow car"}
			o.EmbeddingsPath, o.TextsPath = words, "words.txt"
			o.Texts, _ = textlist.ReadFile(testutil.Golden("text/words.txt"))
		},
		"13 concepts, want at most 12 in a figure": func(o *Options) { o.Concepts, o.PlotPath = make([]string, 13), "shift.png" },
		"missing": func(o *Options) { o.PCsPath = "nowhere.npy" },
	} {
		o := goldenShift(t)
		change(&o)
		if _, err := Run(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestShiftDemo holds that the trained model's correlations on the drawn cars are
// those that PyTorch measured. It rounded norms and embeddings to fp16, where the
// archive has fp32, which moves them by up to 4e-4; with its own weights they are
// equal to all digits given.
func TestShiftDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("900 images take some seconds")
	}
	const halves = 1e-3
	expected, err := demo.Expected()
	if err != nil {
		t.Fatal(err)
	}
	dir, assets := t.TempDir(), filepath.Join("..", "..", "demo", "assets")
	in := func(name string) string { return filepath.Join(assets, filepath.FromSlash(name)) }
	ctx := context.Background()
	test, cars, pcs := filepath.Join(dir, "test"), filepath.Join(dir, "cars"), filepath.Join(dir, "pc0.npy")
	for path, data := range map[string]dataset.Options{test: {Kind: dataset.ImageNetTest, Path: in(demo.ImageNet)}, cars: {Kind: dataset.Cars, Path: in(demo.Cars)}} {
		_, err := collect.Run(ctx, collect.Options{Model: in(demo.Model), Data: data, Stride: 1, BatchSize: 8, Threads: 2, Mode: collect.ModePairs, SavePath: path}, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := directions.SVD(ctx, directions.SVDOptions{CollectPath: test, TopK: 50, OutPath: pcs, MeanPath: filepath.Join(dir, "m.npy"), NormPath: filepath.Join(dir, "n.npy"), Threads: 2}, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	templates := pipelinetest.Templates(t, in(demo.Templates))
	concepts := []string{"yellow", "convertible"}
	for _, k := range []int{1, 3, 5, 10, 20, 50} {
		r, err := Run(ctx, Options{
			Options:        source.Options{ScoresPath: cars},
			ConceptOptions: ConceptOptions{Concepts: concepts, K: k, PCsPath: pcs, Model: in(demo.Model), Vocab: in(demo.Vocabulary), Templates: templates},
			Questions:      concepts,
			ReadLabels: func(context.Context) (*dataset.Labels, error) {
				return dataset.ReadCars(context.Background(), dataset.CarOptions{Root: in(demo.Cars), CSV: in(demo.CarColours), Labels: concepts})
			},
			Threads: 2,
		}, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range r.Concepts {
			want, ok := expected.ShiftOf(c.Concept, k)
			if !ok {
				t.Fatalf("expected.json has no shift of %s, k=%d", c.Concept, k)
			}
			if m := c.Measured; math.Abs(*m.R-want.R) > halves || math.Abs(*m.Groups-want.Yearly) > halves || c.Images != 600 {
				t.Errorf("%s, k=%d: r %.4f, by year %.4f over %d images, want %.4f, %.4f over 600", c.Concept, k, *m.R, *m.Groups, c.Images, want.R, want.Yearly)
			}
		}
	}
}
