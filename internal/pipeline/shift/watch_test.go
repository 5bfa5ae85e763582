package shift

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// shiftedScores writes golden scores, some of them changed, as another folder.
func shiftedScores(t *testing.T, weights string, change func(scores []float32)) string {
	t.Helper()
	s, _ := pipelinetest.ReadGolden(t, "s.npy")
	change(s)
	return pipelinetest.ScoresFolder(t, s, origin.Origin{Weights: weights})
}

func TestWatch(t *testing.T) {
	o := WatchOptions{
		ConceptOptions: goldenShift(t).ConceptOptions, List: 5, FalseDiscovery: 0.05, Bootstrap: 400, Seed: 1, Threads: 2,
		Reference: shiftedScores(t, "w", func([]float32) {}),
		// artefact.Pair h1n7 of every image is raised by one.
		Scores: shiftedScores(t, "w", func(s []float32) {
			for at := 256 + 7; at < len(s); at += 4 * 256 {
				s[at]++
			}
		}),
	}
	r, err := Watch(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	s, _ := pipelinetest.ReadGolden(t, "s.npy")
	var values []float64
	for at := 256 + 7; at < len(s); at += 4 * 256 {
		values = append(values, float64(s[at]))
	}
	mean, squares := average(values), 0.0
	for _, x := range values {
		squares += (x - mean) * (x - mean)
	}
	want := 1 / math.Sqrt(2*squares/float64(2*len(values)-2))
	first := r.Pairs[0]
	if first.Name != "h1n7" || !closeTo(*first.Difference, want, 1e-5) || !closeTo(first.Mean-first.ReferenceMean, 1, 1e-5) {
		t.Errorf("first is %s, moved by %g, want h1n7, %g", first.Name, *first.Difference, want)
	}
	if *first.Low >= *first.Difference || *first.High <= *first.Difference {
		t.Errorf("interval %g to %g does not hold %g", *first.Low, *first.High, *first.Difference)
	}
	if len(r.Pairs) != 1 || r.ChangedPairs != 1 || !first.Changed || first.Q > 0.05 || len(r.Concepts) != 2 || r.WatchedPairs != 1024 {
		t.Errorf("%+v", r)
	}
	for _, threads := range []int{1, 5} {
		o.Threads, o.SavePath = threads, filepath.Join(t.TempDir(), "watch.json")
		again, err := Watch(context.Background(), o, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		if a, b := *again.Pairs[0].Low, *first.Low; a != b {
			t.Errorf("%d threads: interval from %g, want %g", threads, a, b)
		}
		var saved WatchResult
		readJSON(t, o.SavePath, &saved)
		if saved.Pairs[0].Name != "h1n7" || *saved.Pairs[0].Low != *first.Low {
			t.Errorf("saved %+v", saved.Pairs[0])
		}
	}
}

// TestWatchDrawsWhatChangedMost: a figure has its concepts however few are listed, and what is
// listed has the same numbers.
func TestWatchDrawsWhatChangedMost(t *testing.T) {
	o := WatchOptions{
		ConceptOptions: goldenShift(t).ConceptOptions, List: 2, FalseDiscovery: 0.05, Bootstrap: 400, Seed: 1, Threads: 2, Store: new(cache.Store),
		Reference: shiftedScores(t, "w", func([]float32) {}),
		Scores:    shiftedScores(t, "w", func(s []float32) { s[0]++ }),
	}
	want, err := Watch(t.Context(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	o.List, o.PlotPath = 1, filepath.Join(t.TempDir(), "watch.svg")
	r, err := Watch(t.Context(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	if len(want.Concepts) != 2 || len(r.Concepts) != 1 || !reflect.DeepEqual(r.Concepts, want.Concepts[:1]) {
		t.Errorf("listed %+v, want the first of %+v", r.Concepts, want.Concepts)
	}
	if f := r.figure(); len(f.Rows) != 2 || f.Rows[1].Name != want.Concepts[1].Name || f.Rows[1].Ends == nil {
		t.Errorf("drawn %+v, want both concepts with intervals", f)
	}
}

// TestWatchHalves compares two halves of one collection: no pair counts as changed,
// though those that differ most have intervals without zero.
func TestWatchHalves(t *testing.T) {
	s, shape := pipelinetest.ReadGolden(t, "s.npy")
	row := shape[1] * shape[2]
	var halves [2][]float32
	for image := range shape[0] {
		halves[image%2] = append(halves[image%2], s[image*row:(image+1)*row]...)
	}
	o := WatchOptions{
		ConceptOptions: goldenShift(t).ConceptOptions, List: 20, FalseDiscovery: 0.05, Bootstrap: 400, Seed: 1, Threads: 2,
		Reference: pipelinetest.ScoresFolder(t, halves[0], origin.Origin{Weights: "w"}),
		Scores:    pipelinetest.ScoresFolder(t, halves[1], origin.Origin{Weights: "w"}),
	}
	say, heard := pipelinetest.Heard()
	r, err := Watch(t.Context(), o, say)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Pairs) != 0 || r.ChangedPairs != 0 {
		t.Errorf("%d pairs listed and %d changed, want none: %+v", len(r.Pairs), r.ChangedPairs, r.Pairs)
	}
	if told := heard.String(); !strings.Contains(told, "24 images in the smaller collection") {
		t.Errorf("said %q, want that few images make figures approximate", told)
	}
	o.FalseDiscovery = 1
	if r, err = Watch(t.Context(), o, say); err != nil {
		t.Fatal(err)
	}
	excluding := 0
	for _, p := range r.Pairs {
		if *p.Low > 0 || *p.High < 0 {
			excluding++
		}
	}
	t.Logf("of %d pairs, %d of the %d that differ most have an interval without zero", r.WatchedPairs, excluding, len(r.Pairs))
	if len(r.Pairs) != 20 || excluding < 10 {
		t.Errorf("at a rate of 1, %d pairs listed, %d of them with an interval without zero; want 20, most of them", len(r.Pairs), excluding)
	}
	o.Scores = pipelinetest.ScoresFolder(t, halves[1][:19*row], origin.Origin{Weights: "w"})
	if _, err := Watch(t.Context(), o, say); err == nil || !strings.Contains(err.Error(), "24 and 19 images, want 20 or more of each") {
		t.Errorf("19 images: error %v", err)
	}
}

// What images were prepared with moves scores too: a difference is told.
func TestWatchPreprocess(t *testing.T) {
	s, _ := pipelinetest.ReadGolden(t, "s.npy")
	prepared := func(images origin.Images) string {
		return pipelinetest.ScoresFolder(t, s, origin.Origin{Weights: "w", Images: &images})
	}
	o := WatchOptions{ConceptOptions: goldenShift(t).ConceptOptions, List: 5, FalseDiscovery: 0.05, Bootstrap: 400, Seed: 1, Threads: 1}
	o.Scores = prepared(origin.Images{Preprocess: origin.ConvertFirst})
	for _, test := range []struct {
		images origin.Images
		want   string
	}{
		{origin.Images{Preprocess: origin.ConvertFirst}, ""},
		{origin.Images{Preprocess: "openai"}, "another order of preprocessing than"},
		{origin.Images{Preprocess: origin.ConvertFirst, EXIF: true}, "another exif than"},
	} {
		o.Reference = prepared(test.images)
		say, heard := pipelinetest.Heard()
		if _, err := Watch(t.Context(), o, say); err != nil {
			t.Fatal(err)
		}
		if told := heard.String(); !strings.Contains(told, test.want) || strings.Contains(told, "another") != (test.want != "") {
			t.Errorf("%+v: told %q, want %q", test.images, told, test.want)
		}
	}
}

func TestWatchRefuses(t *testing.T) {
	o := WatchOptions{ConceptOptions: goldenShift(t).ConceptOptions, List: 5, Threads: 1}
	o.Scores = shiftedScores(t, "w", func([]float32) {})
	o.Reference = shiftedScores(t, "another", func([]float32) {})
	if _, err := Watch(context.Background(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) || !strings.Contains(err.Error(), "weights") {
		t.Errorf("another model: error %v", err)
	}
	o.Reference = shiftedScores(t, "w", func(s []float32) { s[300] = float32(math.NaN()) })
	if _, err := Watch(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "NaN") {
		t.Errorf("NaN: error %v", err)
	}
	o.Reference = "nowhere"
	if _, err := Watch(context.Background(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrMissing) {
		t.Errorf("missing: error %v", err)
	}
}
