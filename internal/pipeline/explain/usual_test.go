package explain

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/describe"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/directions"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/textlist"
)

// collected collects the golden images with the tiny model; topK above zero keeps
// statistics only.
func collected(t *testing.T, topK int) string {
	t.Helper()
	o := collect.Options{
		Model: testutil.Golden("model/tiny_sd_fp32.pt"), Data: dataset.Options{Kind: dataset.Images, Path: testutil.Golden("dataset")},
		Stride: 1, BatchSize: 8, Threads: 2, Mode: collect.ModePairs, SavePath: filepath.Join(t.TempDir(), "collected"),
	}
	if topK > 0 {
		o.StatsOnly, o.TopK = true, topK
	}
	if _, err := collect.Run(t.Context(), o, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	return o.SavePath
}

// near compares numbers of the size of scores with goldens, which were not computed in
// float32.
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= pipelinetest.Rounding*math.Max(1, math.Abs(want))) {
		t.Errorf("%s: %.9g, want %.9g", what, got, want)
	}
}

// TestCollected compares means, ranks and the split into the usual and the unusual
// with the golden scores, and what statistics and means say with what scores say.
func TestCollected(t *testing.T) {
	s, shape := pipelinetest.ReadGolden(t, "s.npy")
	B, pairs := shape[0], shape[1]*shape[2]
	o := tinyOptions(testutil.Golden("model/tiny_sd_fp32.pt"), testutil.Golden("dataset"))
	o.ScoresPath = collected(t, 0)
	setup, all, _ := explained(t, o)
	if setup.Collection == nil || setup.Collection.Images != B {
		t.Fatalf("collection %+v", setup.Collection)
	}
	means := make([]float64, pairs)
	for i, v := range s {
		means[i%pairs] += float64(v) / float64(B)
	}
	for i, x := range all {
		x.Pairs.each(func(p *Part) {
			rank := 1
			for b := range B {
				if s[b*pairs+p.Index] > s[i*pairs+p.Index] {
					rank++
				}
			}
			near(t, p.Unit+" score", *p.Score, float64(s[i*pairs+p.Index]))
			near(t, p.Unit+" mean", *p.Mean, means[p.Index])
			near(t, p.Unit+" usual", *p.Usual**p.Score, p.Part*means[p.Index])
			closeTo(t, "usual and unusual", []float64{*p.Usual + *p.Unusual}, []float64{p.Part})
			if *p.Rank != rank {
				t.Errorf("%s: %s has rank %d, want %d", x.Name, p.Unit, *p.Rank, rank)
			}
		})
		x.Neurons.each(func(p *Part) {
			if p.Rank != nil || p.Score != nil || p.Mean != nil || p.Usual == nil {
				t.Errorf("%s: %+v", p.Unit, p)
			}
		})
	}

	o.ScoresPath = collected(t, 6)
	_, byStatistics, _ := explained(t, o)
	known, unknown := 0, 0
	for i, x := range byStatistics {
		x.Pairs.each(func(p *Part) {
			var same *Part
			all[i].Pairs.each(func(q *Part) {
				if q.Index == p.Index {
					same = q
				}
			})
			switch {
			case *p.Mean != *same.Mean:
				t.Errorf("%s: mean %v by statistics, %v by scores", p.Unit, *p.Mean, *same.Mean)
			case p.Rank == nil:
				unknown++
				if *same.Rank <= 6 || *same.Rank > B-6+1 {
					t.Errorf("%s: statistics do not know rank %d of %d", p.Unit, *same.Rank, B)
				}
			case *p.Rank != *same.Rank:
				t.Errorf("%s: rank %d by statistics, %d by scores", p.Unit, *p.Rank, *same.Rank)
			default:
				known++
			}
		})
	}
	if known == 0 || unknown == 0 {
		t.Errorf("%d ranks known, %d unknown: want some of both", known, unknown)
	}

	o.ScoresPath, o.MeansPath = "", testutil.Golden("means_nh.npy")
	setup, byMeans, _ := explained(t, o)
	if setup.Collection.Images != 0 {
		t.Errorf("collection %+v", setup.Collection)
	}
	x := byMeans[0]
	x.Pairs.each(func(p *Part) {
		near(t, p.Unit+" mean from means", *p.Mean, means[p.Index])
		if p.Rank != nil {
			t.Errorf("%s: means know a rank", p.Unit)
		}
	})
}

func TestRankAmongExtremes(t *testing.T) {
	e := &lowrank.Extremes{Pairs: 1, Keep: 2, Images: 6}
	e.Largest.Scores, e.Smallest.Scores = []float32{9, 7}, []float32{-3, 1}
	for score, want := range map[float32]string{10: "1", 9: "1", 8: "2", 7: "2", 6: "<nil>", 1: "<nil>", 0: "6", -3: "6", -4: "7"} {
		got := "<nil>"
		if r := rankAmongExtremes(e, 0, score); r != nil {
			got = fmt.Sprint(*r)
		}
		if got != want {
			t.Errorf("%g has rank %s, want %s", score, got, want)
		}
	}
	e.Images = 2
	if r := rankAmongExtremes(&lowrank.Extremes{Pairs: 1, Keep: 2, Images: 2, Largest: e.Largest, Smallest: e.Smallest}, 0, 0); *r != 3 {
		t.Errorf("of all images that were kept: rank %d, want 3", *r)
	}
}

// TestUnusual lists units by what they add beyond the usual.
func TestUnusual(t *testing.T) {
	o := tinyOptions(testutil.Golden("model/tiny_sd_fp32.pt"), testutil.Golden("dataset"))
	o.MeansPath, o.Unusual, o.Units = testutil.Golden("means_nh.npy"), true, 1024
	_, all, _ := explained(t, o)
	for _, x := range all {
		for _, s := range []Split{x.Pairs, x.Neurons} {
			unusual := func(a, b Part) int {
				switch {
				case *a.Unusual > *b.Unusual:
					return -1
				case *a.Unusual < *b.Unusual:
					return 1
				}
				return 0
			}
			if !slices.IsSortedFunc(s.For, unusual) || !slices.IsSortedFunc(s.Against, func(a, b Part) int { return unusual(b, a) }) {
				t.Fatalf("%s: not by the unusual", x.Name)
			}
		}
		if x.Pairs.RestUnits != 0 || len(x.Pairs.For)+len(x.Pairs.Against) != 1024 {
			t.Errorf("%s: %d pairs are not listed", x.Name, x.Pairs.RestUnits)
		}
	}
}

func TestWords(t *testing.T) {
	o := tinyOptions(testutil.Golden("model/tiny_sd_fp32.pt"), filepath.Join(testutil.Golden("dataset"), pipelinetest.GoldenNames(t)[0]))
	var err error
	if o.Words, err = textlist.ReadFile(testutil.Golden("text/words.txt")); err != nil {
		t.Fatal(err)
	}
	o.DecompositionPaths, o.Components = []string{testutil.Golden("codes_nh_ref.npz"), testutil.Golden("codes_n_ref.npz")}, 2
	_, all, _ := explained(t, o)
	pairs, err := artefact.Reader{}.Codes(o.DecompositionPaths[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	neurons, err := artefact.Reader{}.Codes(o.DecompositionPaths[1], nil)
	if err != nil {
		t.Fatal(err)
	}
	all[0].Pairs.each(func(p *Part) {
		if want := pairs.Terms(p.Index, o.Words)[:2]; !slices.Equal(p.Words, want) {
			t.Errorf("%s: %v, want %v", p.Unit, p.Words, want)
		}
	})
	all[0].Neurons.each(func(p *Part) {
		if want := neurons.Terms(p.Index, o.Words)[:2]; !slices.Equal(p.Words, want) {
			t.Errorf("%s: %v, want %v", p.Unit, p.Words, want)
		}
	})
}

// TestComputedWords: words of listed units are those that describe gives them, for every
// image of several groups.
func TestComputedWords(t *testing.T) {
	var paths []string
	for _, name := range pipelinetest.GoldenNames(t)[:5] {
		paths = append(paths, filepath.Join(testutil.Golden("dataset"), name))
	}
	o := tinyOptions(testutil.Golden("model/tiny_sd_fp32.pt"), paths...)
	o.BatchSize = 2
	var err error
	if o.Words, err = textlist.ReadFile(testutil.Golden("text/words.txt")); err != nil {
		t.Fatal(err)
	}
	o.EmbeddingsPath, o.PCsPath, o.NeuronPCsPath = testutil.Golden("text/words.npy"), testutil.Golden("pc0_nh.npy"), testutil.Golden("pc0_n.npy")
	o.Components = 2
	_, all, _ := explained(t, o)
	if len(all) != len(paths) {
		t.Fatalf("%d explanations, want %d", len(all), len(paths))
	}
	for _, kind := range []struct {
		pcs   string
		units func(*Explanation) *Split
	}{
		{o.PCsPath, func(x *Explanation) *Split { return &x.Pairs }},
		{o.NeuronPCsPath, func(x *Explanation) *Split { return &x.Neurons }},
	} {
		described, err := coding.Describe(t.Context(), coding.DescribeOptions{Options: coding.Options{
			PCsPath: kind.pcs, EmbeddingsPath: o.EmbeddingsPath, Words: o.Words, Method: describe.Best, Normalize: describe.BestNormalization, Components: 2, Threads: 2,
		}})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range all {
			kind.units(x).each(func(p *Part) {
				if want := described[p.Index].Terms; len(want) != 2 || !slices.Equal(p.Words, want) {
					t.Errorf("%s: %s: %v, want %v", x.Name, p.Unit, p.Words, want)
				}
			})
		}
	}
}

// TestMismatches: what was made with another model, or of another block, is refused
// with both sides named.
func TestMismatches(t *testing.T) {
	scores := collected(t, 0)
	means := filepath.Join(t.TempDir(), "means.npy")
	_, err := directions.SVD(t.Context(), directions.SVDOptions{CollectPath: scores, MeanPath: means, TopK: 12, Threads: 2}, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]func(o *Options){
		"scores": func(o *Options) { o.ScoresPath = scores },
		"means":  func(o *Options) { o.MeansPath = means },
	} {
		o := tinyOptions(testutil.Golden("model/tiny_sd_bf16.pt"), testutil.Golden("dataset"))
		set(&o)
		_, err := Run(t.Context(), o, Sink{}, pipelinetest.Silent())
		if err == nil || !strings.Contains(err.Error(), "made with other weights than this run uses") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
