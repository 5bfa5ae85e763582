package search

import (
	"cmp"
	"context"
	"errors"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
)

// byModel are options that search the golden images with the tiny model.
func byModel() Options {
	return Options{
		Options: source.Options{
			Model: pipelinetest.TinyModel(), BatchSize: 5, Stride: 1,
			Data: dataset.Options{Kind: dataset.Images, Path: testutil.Golden("dataset")},
		},
		Vocab: testutil.Golden("text/toy_merges.txt"), Top: 4, Threads: 2, Store: new(cache.Store),
	}
}

// byScores are those that search scores of the same images.
func byScores(t *testing.T) Options {
	t.Helper()
	collected := collecttest.GoldenImages(t, "scores")
	collecttest.Collect(t, collected)
	o := byModel()
	o.ScoresPath = collected.SavePath
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

// A collection is ranked as its model ranks its images, and the same to the last bit whatever
// the batch and the number of threads. An example is the same by its name and as a file.
func TestScoresAndModelAgree(t *testing.T) {
	o := byScores(t)
	const example = "00052.png"
	file := filepath.Join(testutil.Golden("dataset"), example)
	o.Texts, o.Units, o.Examples = []string{"dog", "tree"}, []string{"h2n37", "n37", "h2"}, []string{example, file}
	want := run(t, o)
	if byName, byFile := want.Queries[2], want.Queries[3]; !near(byName.Top, byFile.Top) || byName.Top[0].Name != example {
		t.Errorf("images like %s: %+v by its name, %+v as a file; want the same, itself first", example, byName.Top, byFile.Top)
	}
	seen := byModel()
	seen.Texts, seen.Units, seen.Examples = o.Texts, o.Units, []string{file}
	byModel := run(t, seen)
	for _, threads := range []int{1, 3} {
		o.Threads, seen.Threads, seen.BatchSize = threads, threads, 7*threads
		if got := run(t, o); !reflect.DeepEqual(got, want) {
			t.Errorf("scores, %d threads: another result", threads)
		}
		if got := run(t, seen); !reflect.DeepEqual(got, byModel) {
			t.Errorf("model, %d threads, batches of %d: another result", threads, seen.BatchSize)
		}
	}
	for q, by := range []int{0, 1, 3, 4, 5, 6} { // without the example by its name
		if !near(byModel.Queries[q].Top, want.Queries[by].Top) {
			t.Errorf("query %d: %+v by the model, %+v from scores", q, byModel.Queries[q].Top, want.Queries[by].Top)
		}
	}
}

// near reports whether two rankings have the same images, and values up to rounding.
func near(a, b []Hit) bool {
	return slices.EqualFunc(a, b, func(a, b Hit) bool {
		return a.Rank == b.Rank && a.Image == b.Image && a.Name == b.Name && math.Abs(float64(a.Value-b.Value)) <= rounding*math.Max(1, float64(b.Value))
	})
}

// rounding covers that sums here are in float64, and those of features in float32; and that
// the constant of the weights is rounded otherwise in a collection than in a model.
const rounding = 1e-5

// Values are those of contributions written out.
func TestValues(t *testing.T) {
	o := byScores(t)
	o.Texts, o.Units, o.Examples, o.Top = []string{"dog"}, []string{"h2n37", "n37", "h2"}, []string{"00052.png"}, 48
	got := run(t, o)
	s, err := artefact.Reader{}.Scores(o.ScoresPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m, err := model.OpenWith(t.Context(), o.Model, model.Details{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	text, err := model.TextOptions{Vocab: o.Vocab, Threads: 1}.Embeddings(t.Context(), m, o.Texts, "text", pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	names, err := s.Names()
	if err != nil {
		t.Fatal(err)
	}
	H, C, O := s.OV.Heads, s.OV.Neurons, s.OV.OutDim
	all := make([]float32, s.Images*s.OV.Heads*s.OV.Neurons)
	if err := s.Read(all, 0); err != nil {
		t.Fatal(err)
	}
	directions := s.OV.AllDirections(par.NewTeam(1))
	// sum adds up the contributions of the pairs that in names.
	sum := func(image int, in func(h, n int) bool) []float64 {
		r := make([]float64, O)
		for u := range H * C {
			if !in(u/C, u%C) {
				continue
			}
			for d := range r {
				r[d] += float64(all[image*H*C+u])*float64(directions[u*O+d]) + float64(s.OV.Bias[u/C*O+d])
			}
		}
		return r
	}
	dot := func(a, b []float64) (s float64) {
		for i := range a {
			s += a[i] * b[i]
		}
		return s
	}
	cosine := func(a, b []float64) float64 { return dot(a, b) / math.Sqrt(dot(a, a)*dot(b, b)) }
	whole := func(image int) []float64 { return sum(image, func(_, _ int) bool { return true }) }
	norm := func(in func(h, n int) bool) func(int) float64 {
		return func(image int) float64 { r := sum(image, in); return math.Sqrt(dot(r, r)) }
	}
	words := make([]float64, O)
	for i := range words {
		words[i] = float64(text[i])
	}
	example := whole(slices.Index(names, "00052.png"))
	for q, value := range []func(image int) float64{
		func(image int) float64 { return cosine(whole(image), words) },
		func(image int) float64 { return cosine(whole(image), example) },
		norm(func(h, n int) bool { return h == 2 && n == 37 }),
		norm(func(_, n int) bool { return n == 37 }),
		norm(func(h, _ int) bool { return h == 2 }),
	} {
		query := got.Queries[q]
		if len(query.Top) != len(names) || !slices.IsSortedFunc(query.Top, func(a, b Hit) int { return cmp.Compare(b.Value, a.Value) }) {
			t.Errorf("%s: %d images, want all %d by descending value", query.Query, len(query.Top), len(names))
		}
		for _, hit := range query.Top {
			if want := value(hit.Image); hit.Name != names[hit.Image] || math.Abs(float64(hit.Value)-want) > rounding*max(1, want) {
				t.Errorf("%s: %+v, want %s and %g", query.Query, hit, names[hit.Image], want)
			}
		}
	}
}

// A sheet has a row for each query, and is replaced by the same command only.
func TestSheet(t *testing.T) {
	o := byScores(t)
	o.Units, o.SaveDir = []string{"h2n37", "h2"}, t.TempDir()
	o.Model = ""
	r := run(t, o)
	run(t, o)
	f, err := os.Open(r.Sheet)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := png.Decode(f); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(r.Sheet, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	if r, err := Run(context.Background(), o, pipelinetest.Silent()); err == nil {
		t.Errorf("result %+v, want a file of others not to be replaced", r)
	}
}

// What is not there is said before images are looked at.
func TestRefused(t *testing.T) {
	o := byScores(t)
	for what, change := range map[string]func(o *Options){
		`unit "h9n1": want a pair, h0n0 to h3n255, a neuron, n0 to n255, or a head, h0 to h3`: func(o *Options) { o.Units = []string{"h9n1"} },
		"cat.png: no image of ":    func(o *Options) { o.Examples = []string{"cat.png"} },
		"scores has this name":     func(o *Options) { o.Examples, o.Model = []string{"cat.png"}, "" },
		"a folder, want the file ": func(o *Options) { o.Examples = []string{testutil.Golden("dataset")} },
	} {
		bad := o
		change(&bad)
		_, err := Run(context.Background(), bad, pipelinetest.Silent())
		if mistake := testutil.Line(err, what); mistake != nil {
			t.Errorf("%s: %v", what, mistake)
		}
	}
}

// TestOtherModel refuses texts of another model than that of the scores, unless what was made
// from something else is taken.
func TestOtherModel(t *testing.T) {
	o := byScores(t)
	o.Texts, o.Vocab, o.Model = []string{"dog"}, testutil.Golden("text/toy_merges.txt"), pipelinetest.TinyModel()
	run(t, o)
	o.Model = testutil.Golden("model/tiny_sd_bf16.pt")
	if _, err := Run(context.Background(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) {
		t.Errorf("error %v, want stale", err)
	}
	taken := 0
	o.Artefacts.OnMismatch = func(*cache.MismatchError) error { taken++; return nil }
	if r := run(t, o); taken != 1 || len(r.Queries) != 1 {
		t.Errorf("%+v, %d mismatches", r, taken)
	}
}
