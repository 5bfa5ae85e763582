package explain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// rounding bounds what float32 arithmetic in the tower changes, relative to the largest
// value compared.
const rounding = 1e-5

func asset(name string) string {
	return filepath.Join("..", "..", "demo", "assets", filepath.FromSlash(name))
}

// demoOptions explain the demo's images.
func demoOptions(paths ...string) Options {
	return Options{
		Model: asset(demo.Model), Threads: 2, BatchSize: 8, Inputs: Inputs{Paths: paths, Stride: 1},
		Texts: Texts{Classes: []string{"butterfly", "yellow car", "star", "blue house"}, Vocab: asset(demo.Vocabulary)},
		Units: 5, Maps: 4,
	}
}

// tinyOptions explain golden images.
func tinyOptions(model string, paths ...string) Options {
	o := Options{
		Model: model, Threads: 2, BatchSize: 8, Inputs: Inputs{Paths: paths, Stride: 1},
		Texts: Texts{TextsPath: testutil.Golden("text/zeroshot.npy")}, Units: 5, Maps: 3,
	}
	for i := range 10 {
		o.Classes = append(o.Classes, fmt.Sprint("class ", i))
	}
	return o
}

// explained runs a stage and returns what it says.
func explained(t *testing.T, o Options) (*Setup, []*Explanation, *Result) {
	t.Helper()
	var setup *Setup
	var all []*Explanation
	result, err := Run(t.Context(), o, Sink{
		Begin:       func(s *Setup) error { setup = s; return nil },
		Explanation: func(x *Explanation) error { all = append(all, x); return nil },
	}, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	return setup, all, result
}

// close fails unless got is want, up to rounding of the largest.
func closeTo(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", what, len(got), len(want))
		return
	}
	largest := 0.0
	for _, w := range want {
		largest = math.Max(largest, math.Abs(w))
	}
	for i, w := range want {
		if !(math.Abs(got[i]-w) <= rounding*largest) {
			t.Errorf("%s: at %d %.9g, want %.9g", what, i, got[i], w)
			return
		}
	}
}

// A goldenExplanation is what testdata/golden.py found.
type goldenExplanation struct {
	Image                 string
	Class                 int
	Versus                *int
	Norm, Logit, Constant float64
	Logits, Scores, Pairs []float64
	Neurons, Heads        []float64
	Places, Positions     []float64
	Strongest             []int
	StrongestPlaces       [][]float64 `json:"strongest_places"`
	StrongestPosition     []float64   `json:"strongest_position"`
}

// TestGolden compares with PyTorch in float64.
func TestGolden(t *testing.T) {
	for _, test := range []struct {
		file, folder string
		options      func(path string) Options
	}{
		{"demo.json", asset(""), func(path string) Options { return demoOptions(path) }},
		{"tiny.json", testutil.Golden("dataset"), func(path string) Options {
			return tinyOptions(testutil.Golden("model/tiny_sd_fp32.pt"), path)
		}},
	} {
		data, err := os.ReadFile(filepath.Join("testdata", test.file))
		if err != nil {
			t.Fatal(err)
		}
		var golden struct {
			Classes      []string
			Explanations []goldenExplanation
		}
		if err := json.Unmarshal(data, &golden); err != nil {
			t.Fatal(err)
		}
		for _, want := range golden.Explanations {
			o := test.options(filepath.Join(test.folder, filepath.FromSlash(want.Image)))
			o.Units, o.Maps = len(want.Pairs), len(want.Strongest)
			if want.Versus != nil {
				o.Class, o.Versus = golden.Classes[want.Class], golden.Classes[*want.Versus]
			}
			t.Run(fmt.Sprint(want.Image, " ", o.Class), func(t *testing.T) {
				_, all, _ := explained(t, o)
				compare(t, all[0], want, golden.Classes)
			})
		}
	}
}

func compare(t *testing.T, got *Explanation, want goldenExplanation, classes []string) {
	t.Helper()
	if got.Class != classes[want.Class] {
		t.Fatalf("explains %q, want %q", got.Class, classes[want.Class])
	}
	logits := make([]float64, len(classes))
	for _, c := range got.Classes {
		logits[slices.Index(classes, c.Name)] = c.Logit
	}
	closeTo(t, "logits", logits, want.Logits)
	size := slices.Max(want.Logits) // of what cancels in a difference
	closeTo(t, "logit", []float64{got.Logit, size}, []float64{want.Logit, size})
	closeTo(t, "norm", []float64{got.Norm}, []float64{want.Norm})
	closeTo(t, "constant", []float64{got.Constant}, []float64{want.Constant})
	closeTo(t, "heads", got.Heads, want.Heads)
	pairs, neurons := make([]float64, len(want.Pairs)), make([]float64, len(want.Neurons))
	got.Pairs.each(func(p *Part) { pairs[p.Index] = p.Part })
	got.Neurons.each(func(p *Part) { neurons[p.Index] = p.Part })
	closeTo(t, "pairs", pairs, want.Pairs)
	closeTo(t, "neurons", neurons, want.Neurons)
	closeTo(t, "places", got.Places.Parts, want.Places)
	closeTo(t, "positions", got.Places.Positions, want.Positions)
	for i, p := range got.Pairs.strongestListed(len(want.Strongest)) {
		if p.Index != want.Strongest[i] {
			t.Fatalf("pair %d of largest size is %s, want number %d", i, p.Unit, want.Strongest[i])
		}
		closeTo(t, p.Unit+" score", []float64{*p.Score}, want.Scores[i:i+1])
		closeTo(t, p.Unit+" places", append(p.Places, *p.Position), append(want.StrongestPlaces[i], want.StrongestPosition[i]))
	}
}

// sumsToLogit fails unless every way of summing gives the logit.
func sumsToLogit(t *testing.T, x *Explanation) {
	t.Helper()
	size := math.Abs(x.Logit)
	for _, c := range x.Classes { // what cancels in a difference
		if c.Name == x.Class || c.Name == x.Versus {
			size = math.Max(size, math.Abs(c.Logit))
		}
	}
	// Parts may be much larger than what they sum to.
	size = math.Max(size, math.Abs(x.Constant))
	heads := 0.0
	for _, h := range x.Heads {
		size = math.Max(size, math.Abs(h))
		heads += h
	}
	for what, sum := range map[string]float64{
		"pairs":   x.Pairs.Listed + x.Pairs.Rest + x.Constant,
		"neurons": x.Neurons.Listed + x.Neurons.Rest + x.Constant,
		"heads":   heads + x.Constant,
		"maps":    x.HeadMaps.Listed + x.HeadMaps.Rest + x.Constant,
		"places":  x.Places.Sum + x.Places.Position + x.Constant,
		"all":     x.Sum,
		"less":    x.Logit + x.Difference,
	} {
		if !(math.Abs(sum-x.Logit) <= rounding*size) {
			t.Errorf("%s: %s sum to %.9g, the logit is %.9g", x.Name, what, sum, x.Logit)
		}
	}
	mapped := make([]float64, len(x.Places.Parts))
	if len(x.HeadMaps.Maps) == len(x.Heads) { // all heads
		for _, m := range x.HeadMaps.Maps {
			closeTo(t, x.Name+" "+m.Head, []float64{attribution.Sum(m.Places) + *m.Position, size}, []float64{m.Part, size})
			head, _ := strconv.Atoi(m.Head[1:])
			closeTo(t, x.Name+" pairs of "+m.Head, []float64{m.Part, size}, []float64{x.Heads[head], size})
			for i, v := range m.Places {
				mapped[i] += v
			}
		}
		for i, v := range mapped {
			if math.Abs(v-x.Places.Parts[i]) > 1e-11*size {
				t.Errorf("%s: maps of heads sum to %.17g, want %.17g", x.Name, v, x.Places.Parts[i])
			}
		}
	}
	x.Pairs.each(func(p *Part) {
		if p.Places == nil {
			return
		}
		sum := *p.Position
		for _, v := range p.Places {
			sum += v
		}
		closeTo(t, x.Name+" "+p.Unit, []float64{sum}, []float64{p.Part})
	})
}

// TestSums holds for every image of the demo that its parts sum to the logit, of a
// class and of a difference.
func TestSums(t *testing.T) {
	folders := []string{asset("imagenet"), asset("stanford_cars/cars_train"), asset("VOC2010/JPEGImages")}
	for _, class := range []string{"", "star"} {
		o := demoOptions(folders...)
		o.Maps = 8 // all heads
		if o.Class = class; class != "" {
			o.Versus = "butterfly"
		}
		_, all, result := explained(t, o)
		if len(all) < 500 || result.Images != len(all) || !result.Complete || len(result.Skipped) > 0 {
			t.Fatalf("%d images, result %+v", len(all), result)
		}
		for _, x := range all {
			sumsToLogit(t, x)
			if len(x.HeadMaps.Maps) != len(x.Heads) {
				t.Errorf("%s: %d maps of heads, want %d", x.Name, len(x.HeadMaps.Maps), len(x.Heads))
			}
		}
	}
}

// TestFormats holds the same for every format of checkpoint, and that those with the
// same values say the same.
func TestFormats(t *testing.T) {
	models, err := filepath.Glob(testutil.Golden("model/*.pt"))
	if err != nil || len(models) != 7 {
		t.Fatal(models, err)
	}
	models = append(models, pipelinetest.Renamed(t, func(name string) []string { return []string{name} })) // safetensors
	var first []*Explanation
	for _, model := range models {
		_, all, _ := explained(t, tinyOptions(model, testutil.Golden("dataset")))
		if len(all) != 48 {
			t.Fatalf("%s: %d images", model, len(all))
		}
		for _, x := range all {
			sumsToLogit(t, x)
		}
		if strings.Contains(model, "bf16") {
			continue // other weights
		}
		if first == nil {
			first = all
		}
		for i, x := range all {
			if x.Logit != first[i].Logit || x.Class != first[i].Class || fmt.Sprint(x.Places) != fmt.Sprint(first[i].Places) {
				t.Errorf("%s: %s: not what the first format says", model, x.Name)
			}
		}
	}
}

// TestSameWhateverTheThreads: neither threads nor batches change a bit.
func TestSameWhateverTheThreads(t *testing.T) {
	encoded := func(threads, batch int) string {
		o := tinyOptions(pipelinetest.TinyModel(), testutil.Golden("dataset"))
		o.Threads, o.BatchSize, o.ScoresPath = threads, batch, pipelinetest.GoldenScores(t)
		setup, all, result := explained(t, o)
		setup.Collection.Path = ""
		text, err := json.Marshal([]any{setup, all, result})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	want := encoded(1, 8)
	for _, n := range [][2]int{{2, 8}, {7, 3}, {64, 48}} {
		if encoded(n[0], n[1]) != want {
			t.Errorf("%d threads, %d images at a time: not what one thread says", n[0], n[1])
		}
	}
}

func TestSkipped(t *testing.T) {
	o := tinyOptions(pipelinetest.TinyModel(), pipelinetest.Spoiled(t))
	_, all, result := explained(t, o)
	if len(all) != 46 || len(result.Skipped) != 2 || result.Images != 46 {
		t.Errorf("%d images, %+v", len(all), result)
	}
	o.Strict = true
	if _, err := Run(t.Context(), o, Sink{Begin: func(*Setup) error { return nil }, Explanation: func(*Explanation) error { return nil }}, pipelinetest.Silent()); err == nil {
		t.Error("a strict run passes over an image that cannot be read")
	}
}

func TestDataSet(t *testing.T) {
	o := tinyOptions(pipelinetest.TinyModel())
	o.Data, o.Stride = dataset.Options{Kind: dataset.Images, Path: testutil.Golden("dataset")}, 5
	_, all, _ := explained(t, o)
	if len(all) != 10 || all[1].Name != pipelinetest.GoldenNames(t)[5] {
		t.Errorf("%d images", len(all))
	}
}

func TestMistakes(t *testing.T) {
	noPool := pipelinetest.Renamed(t, func(name string) []string {
		if strings.Contains(name, "attnpool") {
			return nil
		}
		return []string{name}
	})
	image, bad := filepath.Join(testutil.Golden("dataset"), pipelinetest.GoldenNames(t)[0]), filepath.Join(t.TempDir(), "bad.png")
	if err := os.WriteFile(bad, []byte("no image"), 0o666); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(o *Options)
		want   string
	}{
		"a class that is not there":      {func(o *Options) { o.Class = "dog" }, `{class} "dog": not among the 10 {classes}`},
		"a class against one that isn't": {func(o *Options) { o.Class, o.Versus = "class 1", "dog" }, `{versus} "dog": not among the 10 {classes}`},
		"a class against itself":         {func(o *Options) { o.Class, o.Versus = "class 1", "class 1" }, `{class} and {versus} are both "class 1"`},
		"an image that is not there":     {func(o *Options) { o.Paths = []string{image, "missing.png"} }, "missing.png: no such file"},
		"no attention pool":              {func(o *Options) { o.Model = noPool }, "attnpool"},
		"an image that cannot be read":   {func(o *Options) { o.Paths = []string{bad} }, "none of the images could be read"},
		"embeddings of other texts":      {func(o *Options) { o.Classes = o.Classes[:3] }, "10 rows, want 3, one for each class in their order"},
		"means of another shape":         {func(o *Options) { o.MeansPath = testutil.Golden("means_n.npy") }, "shape 256x32, want 4x256x32, means of the model's pairs"},
	} {
		t.Run(name, func(t *testing.T) {
			o := tinyOptions(pipelinetest.TinyModel(), image)
			o.SaveDir = filepath.Join(t.TempDir(), "sheets")
			test.change(&o)
			_, err := Run(t.Context(), o, Sink{
				Begin:       func(*Setup) error { return nil },
				Explanation: func(*Explanation) error { t.Error("explained"); return nil },
			}, pipelinetest.Silent())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
			if _, err := os.Stat(o.SaveDir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v, want it not made", o.SaveDir, err)
			}
		})
	}
}

// TestDocumented holds that docs/explain.md names every field of the JSON.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "explain.md"))
	if err != nil {
		t.Fatal(err)
	}
	fields := 0
	for _, v := range []any{Setup{}, Collection{}, Result{}, Explanation{}, ClassLogit{}, Split{}, Part{}, Places{}, HeadMaps{}, HeadMap{}} {
		of := reflect.TypeOf(v)
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if name == "" {
				continue
			}
			if fields++; !bytes.Contains(page, []byte("`"+name+"`")) {
				t.Errorf("%s: docs/explain.md does not name %q", of.Name(), name)
			}
		}
	}
	if fields < 40 {
		t.Errorf("only %d fields", fields)
	}
}
