package report

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/testutil"
)

// goldenHeads are the options of a report of the golden vision transformer's heads, with all parts:
// the heads of the last layer have texts. form is that of the collection.
func goldenHeads(t *testing.T, form string) Options {
	t.Helper()
	collected := func(mode string) string {
		o := collecttest.GoldenViT(t, mode, mode)
		o.Published = form != ""
		return collecttest.Collect(t, o).Path
	}
	texts, shape, err := npy.ReadFloat32(testutil.GoldenViT("texts.npy"))
	if err != nil || len(texts) == 0 {
		t.Fatal(err)
	}
	o := Options{
		Store: new(cache.Store), Threads: 2, BatchSize: 3, ScoresPath: collected(collect.ModeHeads), Parts: []string{collected(collect.ModeMLPs)},
		Model: testutil.GoldenViT("vit_sd32.pt"), Data: dataset.Options{Kind: dataset.Images, Path: testutil.GoldenViT("images")}, Dir: filepath.Join(t.TempDir(), "report"),
	}
	o.EmbeddingsPath, o.WordsPath, o.SpansPath = testutil.GoldenViT("texts.npy"), filepath.Join(t.TempDir(), "texts.txt"), filepath.Join(t.TempDir(), "spans.json")
	for i := range shape[0] {
		o.Words = append(o.Words, fmt.Sprintf("text %d", i))
	}
	spans := `{"heads": [{"layer": 4, "index": 1, "texts": [{"text": "text 3", "explained": 0.25}, {"text": "text 0", "explained": 0.5}]}, {"layer": 4, "index": 3, "texts": [{"text": "text 7", "explained": 0.1}]}]}`
	for path, text := range map[string]string{o.WordsPath: strings.Join(o.Words, "\n"), o.SpansPath: spans} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// TestReportOfHeads compares what pages of heads show with the golden heads: norms, shares of the
// feature, images along texts, and maps, whose parts sum to what the head adds along its text.
func TestReportOfHeads(t *testing.T) {
	const B, L, H, O, T = 8, 5, 4, 24, 37
	golden := func(name string) []float32 {
		data, _, err := npy.ReadFloat32(testutil.GoldenViT(name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	heads, features, texts := golden("gelu/first_heads.npy"), golden("gelu/feature.npy"), golden("texts.npy")
	for _, form := range []string{"", origin.Published} {
		r := goldenHeads(t, form)
		result := run(t, r)
		if result.Heads != L*H || result.Pairs != 0 || result.Images != B || len(result.Skipped) != 0 {
			t.Errorf("%+v", result)
		}
		o := read[report.Overview](t, r.Dir, report.OverviewName)
		if m := o.Model; m.Heads != L*H || m.LayerHeads != H || m.FirstLayer != 0 || m.Wording.Form != report.FormHeads || m.Wording.Example != "l4h3" || m.InputSize != 48 {
			t.Errorf("%+v", m)
		}
		for _, p := range o.Parts {
			if lacks := p.Name == "labels" || p.Name == "groups" || p.Name == "comparison"; p.Present == lacks {
				t.Errorf("%+v", p)
			}
		}
		list := read[report.HeadList](t, r.Dir, report.HeadsName)
		for h := range L * H {
			x, s := read[report.HeadRecord](t, r.Dir, report.HeadName(h)), list.Heads[h]
			first := -1
			switch h {
			case 17:
				first = 3
			case 19:
				first = 7
			}
			norms, along, share, mean := make([]float64, B), make([]float64, B), 0.0, 0.0
			for b := range B {
				row, f := heads[(b*L*H+h)*O:][:O], features[b*O:][:O]
				length, scale := math.Sqrt(dot(f, f)), 1.0
				if form != "" {
					scale = 1 / length
				}
				norms[b] = scale * math.Sqrt(dot(row, row))
				mean += norms[b] / B
				share += dot(row, f) / dot(f, f) / B
				if first >= 0 {
					text := texts[first*O:][:O]
					along[b] = scale * dot(row, text) / math.Sqrt(dot(text, text))
				}
			}
			same := func(what string, got, want float64) {
				t.Helper()
				if math.Abs(got-want) > 1e-3 { // factors are kept as float16
					t.Errorf("%q, %s: %s is %g, want %g", form, x.Name, what, got, want)
				}
			}
			ranked := func(what string, r report.Ranking, values []float64) {
				t.Helper()
				if len(r.Strongest) != B || len(r.Weakest) != report.WeakestImages || len(r.Quantiles) != len(report.Quantiles) {
					t.Fatalf("%s: %+v", x.Name, r)
				}
				if !slices.IsSortedFunc(r.Strongest, func(a, b report.ImageValue) int { return int(math.Copysign(1, b.Value-a.Value)) }) {
					t.Errorf("%s: %+v", x.Name, r.Strongest)
				}
				for _, i := range slices.Concat(r.Strongest, r.Weakest) {
					same(what, i.Value, values[i.Image])
				}
			}
			same("mean norm", x.Norm.Mean, mean)
			same("mean norm in the list", s.Norm, mean)
			same("share", *x.Share, share)
			ranked("norm", x.Norm, norms)
			if s.Name != x.Name || s.Along != (first >= 0) || (x.Along != nil) != (first >= 0) || len(s.Images) != B || x.Name != fmt.Sprintf("l%dh%d", h/H, h%H) {
				t.Errorf("%+v and %s", s, x.Name)
			}
			if first < 0 {
				if len(x.Texts) != 0 || x.Explained != nil || len(x.Maps.Images) != B {
					t.Errorf("%s: texts %v, maps of %v", x.Name, x.Texts, x.Maps.Images)
				}
				continue
			}
			ranked("part along the text", *x.Along, along)
			if x.Texts[0].Text != fmt.Sprintf("text %d", first) || len(x.Texts[0].Images) != report.TextImages || x.Texts[0].Images[0] != x.Along.Strongest[0] {
				t.Errorf("%s: %+v", x.Name, x.Texts)
			}
			if want := map[int]float64{17: 0.5, 19: 0.1}[h]; *x.Explained != want || *s.Explained != want {
				t.Errorf("%s: explained %g, want %g", x.Name, *x.Explained, want)
			}
			token, places := values(t, x.Maps.Token), values(t, x.Maps.Values)
			if len(places) != B*(T-1) || x.Maps.Side != 6 {
				t.Fatalf("%s: %d places of side %d", x.Name, len(places), x.Maps.Side)
			}
			for i, image := range x.Maps.Images {
				sum := token[i]
				for _, v := range places[i*(T-1) : (i+1)*(T-1)] {
					sum += v
				}
				if math.Abs(sum-along[image]) > 2e-3 { // 36 places in steps of 1/65535 of their range
					t.Errorf("%q, %s, image %d: parts sum to %g, want %g", form, x.Name, image, sum, along[image])
				}
			}
		}
		want := contents(t, r.Dir)
		r.Threads, r.BatchSize, r.Dir = 3, 8, filepath.Join(t.TempDir(), "again")
		run(t, r)
		sameFiles(t, contents(t, r.Dir), want)
	}
}

// TestReportOfHeadsAlone leaves out what is optional, and takes the texts without their embeddings.
func TestReportOfHeadsAlone(t *testing.T) {
	all := goldenHeads(t, "")
	r := Options{Store: all.Store, Threads: 2, ScoresPath: all.ScoresPath, SpansPath: all.SpansPath, Dir: all.Dir}
	run(t, r)
	x := read[report.HeadRecord](t, r.Dir, report.HeadName(17))
	if x.Share != nil || x.Along != nil || x.Maps != nil || len(x.Texts) != 2 || len(x.Texts[0].Images) != 0 || *x.Texts[1].Explained != 0.5 {
		t.Errorf("%+v", x)
	}
	if s := read[report.HeadList](t, r.Dir, report.HeadsName).Heads[17]; s.Along || s.Share != nil || len(s.Texts) != 2 {
		t.Errorf("%+v", s)
	}
}

// TestReportOfHeadsRefuses says what does not go with heads, and what goes only with them.
func TestReportOfHeadsRefuses(t *testing.T) {
	golden := goldenHeads(t, "")
	for want, change := range map[string]func(o *Options){
		"{pcs-path} has no effect on heads":                    func(o *Options) { o.PCsPath = "x.npy" },
		"{text-descs-embeddings-path} has no effect on heads":  func(o *Options) { o.SpansPath = "" },
		"text \"text 7\" of l4h3 is not among those of":        func(o *Options) { o.Words = slices.Clone(o.Words); o.Words[7] = "another" },
		"{model} is for maps of images: want {data-path} too":  func(o *Options) { o.Data.Path = "" },
		"made with other weights than this run uses":           func(o *Options) { o.Model = pipelinetest.TinyModel() },
		"texts of heads, but " + golden.Parts[0] + " has none": func(o *Options) { o.ScoresPath, o.Parts = o.Parts[0], nil },
		"embeddings of 40 texts, but":                          func(o *Options) { o.Words = o.Words[:11] },
	} {
		o := golden
		o.Dir = filepath.Join(t.TempDir(), "report")
		change(&o)
		if _, err := Run(t.Context(), o, pipelinetest.Silent()); testutil.Line(err, want) != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestReportOfPoolHeads makes pages of a ResNet's heads, which sum to the feature.
func TestReportOfPoolHeads(t *testing.T) {
	o := collecttest.GoldenImages(t, "pool")
	o.Mode = collect.ModeHeads
	r := Options{
		Store: new(cache.Store), Threads: 2, ScoresPath: collecttest.Collect(t, o).Path, Dir: filepath.Join(t.TempDir(), "report"),
		Model: o.Model, Data: o.Data, Details: o.Details,
	}
	say, heard := pipelinetest.Heard()
	result, err := Run(t.Context(), r, say)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(heard.String(), "no maps: ") {
		t.Errorf("said %q, want why there are no maps", heard)
	}
	sum := 0.0
	for h := range result.Heads {
		x := read[report.HeadRecord](t, r.Dir, report.HeadName(h))
		if x.Name != fmt.Sprintf("h%d", h) {
			t.Errorf("head %d is %s", h, x.Name)
		}
		sum += *x.Share
	}
	if math.Abs(sum-1) > 1e-6 || result.Heads != 4 {
		t.Errorf("shares of %d heads sum to %g", result.Heads, sum)
	}
	if m := read[report.Overview](t, r.Dir, report.OverviewName).Model; m.LayerHeads != 0 || m.Wording.Example != "h3" {
		t.Errorf("%+v", m)
	}
}

// TestHeadFeaturesHaveDirections names the first image whose parts sum to nothing.
func TestHeadFeaturesHaveDirections(t *testing.T) {
	in, err := goldenHeads(t, "").openHeads(t.Context(), pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	b := in.builder()
	b.newColumns()
	err = b.newReading().sumUp(3, 5)
	if want := in.ScoresPath + ": the feature of image 3 has no direction (zero or not finite)"; err == nil || err.Error() != want {
		t.Errorf("%v, want %q", err, want)
	}
}

// TestReportOfHeadsCompared: a report of heads has what they are compared with, which a report of
// other heads is too, and one of pairs is not.
func TestReportOfHeadsCompared(t *testing.T) {
	o := Options{Store: new(cache.Store), Threads: 2, Dir: filepath.Join(t.TempDir(), "report")}
	random := rand.New(rand.NewPCG(8, 8))
	a := makeHeads(random, 40, 2, 3, 12)
	b := a.clone()
	for i := range b.images {
		b.factor(i, 4)[0] += float32(3 * random.NormFloat64())
	}
	o.ScoresPath, o.With = a.factored(t, npy.Float32), b.factored(t, npy.Float32)
	other := o
	result := run(t, o)
	if !slices.ContainsFunc(result.Parts, func(p report.Part) bool { return p.Name == "comparison" && p.Present }) {
		t.Errorf("%+v", result.Parts)
	}
	want := compareHeads(t, CompareOptions{Here: o.ScoresPath, There: o.With, List: Listed})
	got := read[report.MovedHeads](t, o.Dir, report.MovedName)
	if !reflect.DeepEqual(got, want) || got.Differ != 1 || got.Moved[0].Here != 4 {
		t.Errorf("%+v, want %+v", got, want)
	}
	other.With, other.Dir = o.Dir, filepath.Join(t.TempDir(), "other")
	run(t, other)
	if got := read[report.MovedHeads](t, other.Dir, report.MovedName); got.Same != 6 || got.Differ != 0 {
		t.Errorf("with the report of the same heads: %+v", got)
	}
	other.With, other.Dir = synthetic(t, 4, 64, 32, 40).ScoresPath, filepath.Join(t.TempDir(), "third")
	if _, err := Run(t.Context(), other, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) || !strings.Contains(err.Error(), "it holds scores, want contributions of heads") {
		t.Errorf("with scores: %v", err)
	}
}
