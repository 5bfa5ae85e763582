package shift

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/sketch"
	"github.com/clipnh/clipnh/internal/usage"
)

// summaryOf writes the summary of a folder of scores.
func summaryOf(t *testing.T, folder string) string {
	t.Helper()
	scores, err := artefact.Reader{}.Scores(folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer scores.Close()
	h, c, team := scores.OV.Heads, scores.OV.Neurons, par.NewTeam(2)
	rows := make([]float32, scores.Images*h*c)
	names, err := scores.Names()
	if err = errors.Join(err, scores.Read(rows, 0)); err != nil {
		t.Fatal(err)
	}
	e, s := lowrank.NewExtremes(h*c, 3), sketch.New(h*c)
	e.Add(rows, team)
	s.Add(rows, team)
	named := map[int]string{}
	for i, name := range names {
		named[i] = name
	}
	path := filepath.Join(t.TempDir(), "summary")
	w, err := new(cache.Store).OpenChunks(path, cache.Plan{
		Kind: artefact.KindSummary, Axes: []string{"B", "H", "C"}, Row: []int{h, c}, DType: npy.Float32, Origin: scores.Manifest.Origin,
		Inputs: 1, ChunkInputs: 1, Payload: artefact.MeansFile,
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(w.Append(artefact.Means(s), nil), artefact.AddSummary(w, e, s, named, nil, h, c), artefact.AddOV(w, scores.OV, false, team))
	if _, finished := w.Finish(); errors.Join(err, finished) != nil {
		t.Fatal(err, finished)
	}
	return path
}

// TestWatchSummaries: two summaries, or one beside scores, give the changes, p and q that
// the scores give, intervals of their own, and quantiles.
func TestWatchSummaries(t *testing.T) {
	reference := shiftedScores(t, "w", func([]float32) {})
	scores := shiftedScores(t, "w", func(s []float32) {
		for at := 256 + 7; at < len(s); at += 4 * 256 {
			s[at]++ // h1n7 of every image
		}
	})
	o := WatchOptions{
		List: 5, FalseDiscovery: 0.9, Bootstrap: 400, Seed: 1, Threads: 2, FailAbove: math.Inf(1), Test: TestPermutation,
		Reference: reference, Scores: scores,
	}
	want, err := Watch(t.Context(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	if want.Intervals != bootstrapIntervals || want.WatchedConcepts != 0 || len(want.Pairs) == 0 || want.Pairs[0].Quantiles != nil {
		t.Errorf("of scores without concepts: %+v", want)
	}
	sums := [2]string{summaryOf(t, reference), summaryOf(t, scores)}
	for _, sides := range [][2]string{sides(sums[0], sums[1]), sides(reference, sums[1]), sides(sums[0], scores)} {
		o.Reference, o.Scores = sides[0], sides[1]
		got, err := Watch(t.Context(), o, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		if got.ChangedPairs != want.ChangedPairs || got.Intervals != welchIntervals || got.Images != 48 {
			t.Errorf("%+v", got)
		}
		for i, p := range got.Pairs {
			q := want.Pairs[i]
			if p.Name != q.Name || !closeTo(*p.Difference, *q.Difference, 1e-6) || !closeTo(p.P, q.P, 1e-4) || !closeTo(p.Q, q.Q, 1e-4) {
				t.Errorf("%+v, want %+v", p, q)
			}
		}
		first := got.Pairs[0]
		if first.Name != "h1n7" || *first.Low >= *first.Difference || *first.High <= *first.Difference || *first.Low < 0 {
			t.Errorf("%+v, want h1n7 and an interval about its change", first)
		}
		if len(first.Quantiles) != len(shares) {
			t.Fatalf("%d quantiles", len(first.Quantiles))
		}
		for _, q := range first.Quantiles {
			if moved := q.Value - q.Reference; math.Abs(moved-1) > max(math.Abs(q.Value), math.Abs(q.Reference))/4+1e-3 {
				t.Errorf("quantile %g moved by %g, want about 1", q.Share, moved)
			}
		}
	}
	o.Bootstrap, o.PlotPath, o.Store = 0, filepath.Join(t.TempDir(), "pairs.svg"), new(cache.Store)
	o.Test, o.Dependent = TestWelch, true
	got, err := Watch(t.Context(), o, pipelinetest.Silent())
	if err != nil || got.Intervals != NoIntervals || got.Pairs[0].Low != nil || got.Test != TestWelch || got.Control != ControlDependent {
		t.Errorf("without intervals: %+v, %v", got, err)
	}
	if f := got.figure(); len(f.Rows) == 0 || f.Rows[0].Name != "h1n7" {
		t.Errorf("drawn %+v, want pairs", f)
	}
	o.Concepts = []string{"dog"}
	if _, err := Watch(t.Context(), o, pipelinetest.Silent()); !errors.Is(err, usage.Err) || !strings.Contains(err.Error(), "without {concepts}") {
		t.Errorf("concepts of a summary: error %v", err)
	}
	o.Concepts = nil
	o.Reference = summaryOf(t, shiftedScores(t, "another", func([]float32) {}))
	if _, err := Watch(t.Context(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) {
		t.Errorf("a summary of another model: error %v", err)
	}
	o.Reference, o.Scores = shiftedScores(t, "w", func(s []float32) { s[9] = 1e6 }), sums[1]
	if _, err := Watch(t.Context(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "score of h0n9 is 1e+06, want less than 2048") {
		t.Errorf("a huge score: error %v", err)
	}
}

func sides(reference, scores string) [2]string { return [2]string{reference, scores} }

// TestWatchFailAbove: what exceeds is counted among all concepts or pairs, however few are
// listed, and only where it is a discovery.
func TestWatchFailAbove(t *testing.T) {
	o := WatchOptions{
		List: 1, FalseDiscovery: 0.05, Threads: 2, FailAbove: 0.5,
		Reference: shiftedScores(t, "w", func([]float32) {}),
		Scores: shiftedScores(t, "w", func(s []float32) {
			for at := range s {
				if n := at % 1024; n == 300 || n == 5 {
					s[at] += 10
				}
			}
		}),
	}
	r, err := Watch(t.Context(), o, pipelinetest.Silent())
	if err != nil || r.Exceeding != 2 || len(r.Pairs) != 1 || r.Worst() == nil || r.Worst().Name != r.Pairs[0].Name || r.Judges() != "pair" {
		t.Errorf("%+v, %v, want two pairs that exceed, one listed", r, err)
	}
	o.FailAbove = 1e9
	if r, err = Watch(t.Context(), o, pipelinetest.Silent()); err != nil || r.Exceeding != 0 || r.Worst() != nil {
		t.Errorf("%+v, %v, want none that exceeds", r, err)
	}
	o.ConceptOptions, o.FailAbove = goldenShift(t).ConceptOptions, 0
	if r, err = Watch(t.Context(), o, pipelinetest.Silent()); err != nil || r.Judges() != "concept" || r.Exceeding != r.ChangedConcepts {
		t.Errorf("%+v, %v, want concepts to count", r, err)
	}
}

// TestWatchReports writes JUnit and OpenMetrics, reads them again, and wants that others'
// files are not replaced.
func TestWatchReports(t *testing.T) {
	dir := t.TempDir()
	o := WatchOptions{
		ConceptOptions: goldenShift(t).ConceptOptions, List: 5, FalseDiscovery: 1, Threads: 2, FailAbove: 0, Store: new(cache.Store),
		Reference: shiftedScores(t, "w", func([]float32) {}), Scores: shiftedScores(t, "w", func(s []float32) { s[0] += 3 }),
		JUnitPath: filepath.Join(dir, "a", "watch.xml"), MetricsPath: filepath.Join(dir, "a", "watch.prom"),
	}
	var first [2][]byte
	for round := range 2 { // the second time over files of its own
		r, err := Watch(t.Context(), o, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		if r.JUnit != o.JUnitPath || r.Metrics != o.MetricsPath {
			t.Errorf("paths %q and %q", r.JUnit, r.Metrics)
		}
		for i, path := range []string{o.JUnitPath, o.MetricsPath} {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if round == 1 && !slices.Equal(first[i], data) {
				t.Errorf("%s: other bytes the second time", path)
			}
			first[i] = data
		}
	}
	for _, path := range []string{o.JUnitPath, o.MetricsPath} {
		for _, other := range []string{"", "<testsuites/>\n", "# TYPE other gauge\nother 1\n# EOF\n"} {
			if err := os.WriteFile(path, []byte(other), 0o666); err != nil {
				t.Fatal(err)
			}
			if _, err := Watch(t.Context(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrExists) {
				t.Errorf("%s: over %q: error %v, want ErrExists", path, other, err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	o.JUnitPath = filepath.Join(dir, "folder.xml")
	if err := os.Mkdir(o.JUnitPath, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Watch(t.Context(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrExists) {
		t.Errorf("over a folder: error %v", err)
	}
}

// hostileResult has names that XML and OpenMetrics must escape.
func hostileResult() *WatchResult {
	above, infinite := 0.5, math.Inf(1)
	r := &WatchResult{Reference: "a&b<\"c\">", Scores: "x\x00y", FailAbove: &above, WatchedConcepts: 3, Exceeding: 2, FalseDiscovery: 0.05}
	for i, name := range []string{`back\slash "quoted" <&> ' `, "two\nlines\tand \xff \x01", "plain"} {
		d := 1.5
		c := Change{Name: name, Mean: 2, ReferenceMean: 1, Difference: &d, size: d, Changed: i < 2, Q: 0.01}
		if i == 1 {
			c.Difference, c.size, c.Mean = nil, infinite, -1
		}
		r.allConcepts = append(r.allConcepts, c)
	}
	return r
}

func TestJUnit(t *testing.T) {
	checkJUnit(t, hostileResult(), 3, 2)
	checkJUnit(t, &WatchResult{}, 1, 0)
	above := 1.0
	pairs := &WatchResult{FailAbove: &above, Exceeding: 7, WatchedPairs: 9, Pairs: []Change{{Name: "h0n1", size: 2, Changed: true}, {Name: "h0n2", size: 1, Changed: true}}}
	checkJUnit(t, pairs, 2, 2)
}

func TestOpenMetrics(t *testing.T) {
	samples := checkMetrics(t, hostileResult())
	for _, want := range []string{
		`clipnh_watch_change{kind="concept",name="back\\slash \"quoted\" <&> ' "} 1.5`,
		`clipnh_watch_change{kind="concept",name="two\nlines` + "\tand \uFFFD \x01" + `"} -Inf`,
		`clipnh_watch_exceeding{kind="concept"} 2`,
	} {
		if !slices.Contains(samples, want) {
			t.Errorf("no sample %s in\n%s", want, strings.Join(samples, "\n"))
		}
	}
	checkMetrics(t, &WatchResult{})
	if metricNumber(0.1) != "0.1" || metricNumber(1e-300) != "1e-300" {
		t.Error(metricNumber(0.1), metricNumber(1e-300))
	}
}
