package show

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/describe"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/textlist"
)

// collected are scores of the golden images.
func collected(t *testing.T) string {
	t.Helper()
	o := collecttest.GoldenImages(t, "scores")
	collecttest.Collect(t, o)
	return o.SavePath
}

func run(t *testing.T, o Options) *Result {
	t.Helper()
	r, err := Run(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// norms are those of a unit on every image, from contributions that are written out.
func norms(t *testing.T, scores string, head, neuron int) []float64 {
	t.Helper()
	s, err := artefact.Reader{}.Scores(scores, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all := make([]float32, s.Images*s.OV.Heads*s.OV.Neurons)
	if err := s.Read(all, 0); err != nil {
		t.Fatal(err)
	}
	H, C, O := s.OV.Heads, s.OV.Neurons, s.OV.OutDim
	directions := s.OV.AllDirections(par.NewTeam(1))
	var norms []float64
	for b := range s.Images {
		sum := make([]float32, O)
		for h := range H {
			if head != wholeNeuron && h != head {
				continue
			}
			for o := range sum {
				sum[o] += all[(b*H+h)*C+neuron]*directions[(h*C+neuron)*O+o] + s.OV.Bias[h*O+o]
			}
		}
		norms = append(norms, decomp.Norm(sum))
	}
	return norms
}

// Images are ranked by norms that are those of contributions written out, and so are the
// units beside the one that is shown.
func TestShow(t *testing.T) {
	scores := collected(t)
	const H, C = 4, 256
	for name, head := range map[string]int{"h2n37": 2, "n37": wholeNeuron} {
		r := run(t, Options{ScoresPath: scores, Unit: name, Top: 5, Beside: 3, Threads: 2})
		want := norms(t, scores, head, 37)
		order := make([]int, len(want))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return int(math.Copysign(1, want[b]-want[a])) })
		for kind, hits := range map[int][]Hit{0: r.Strongest, (len(want) - 5) / 2: r.Median, len(want) - 5: r.Weakest} {
			if len(hits) != 5 {
				t.Fatalf("%s: %d images, want 5", name, len(hits))
			}
			for i, hit := range hits {
				at := order[kind+i]
				if hit.Rank != kind+i+1 || math.Abs(float64(hit.Norm)-want[at]) > 1e-5*want[at] || hit.Name != pipelinetest.GoldenNames(t)[hit.Image] {
					t.Errorf("%s: rank %d: %+v, want image %d of norm %g", name, kind+i+1, hit, at, want[at])
				}
				if (hit.Score != nil) != (head != wholeNeuron) {
					t.Errorf("%s: score %v", name, hit.Score)
				}
			}
		}
		if r.Norms.Largest != slices.Max(want) && math.Abs(r.Norms.Largest-slices.Max(want)) > 1e-5*r.Norms.Largest {
			t.Errorf("%s: largest norm %g, want %g", name, r.Norms.Largest, slices.Max(want))
		}
		groups := 2
		if head == wholeNeuron {
			groups = 1
		}
		if len(r.Beside) != groups {
			t.Fatalf("%s: %d groups, want %d", name, len(r.Beside), groups)
		}
		for i, g := range r.Beside {
			count := []int{H, C}[i]
			if g.Count != count {
				t.Errorf("%s: %d pairs of %s, want %d", name, g.Count, g.Of, count)
			}
			own := false
			for _, u := range g.Units {
				own = own || u.Unit == name
				of := norms(t, scores, u.pair/C, u.pair%C)
				mean := 0.0
				for _, x := range of {
					mean += x / float64(len(of))
				}
				if math.Abs(mean-u.Mean) > 1e-5*mean || pipelinetest.GoldenNames(t)[slices.Index(of, slices.Max(of))] != u.Image {
					t.Errorf("%s: %+v, want mean %g", name, u, mean)
				}
			}
			if sorted := slices.IsSortedFunc(g.Units, func(a, b Unit) int { return int(math.Copysign(1, b.Mean-a.Mean)) }); !sorted || head != wholeNeuron && !own {
				t.Errorf("%s: beside it %+v, want its own row and descending means", name, g.Units)
			}
		}
	}
}

// Fewer images than are asked for are all shown, in each list.
func TestShowFew(t *testing.T) {
	o := collecttest.GoldenImages(t, "scores")
	o.Stride = 24
	collecttest.Collect(t, o)
	r := run(t, Options{ScoresPath: o.SavePath, Unit: "h0n0", Top: 5, Threads: 1})
	for _, hits := range [][]Hit{r.Strongest, r.Median, r.Weakest} {
		if len(hits) != 2 || hits[0].Rank != 1 || hits[1].Rank != 2 {
			t.Errorf("%+v, want both images", hits)
		}
	}
	// The unit itself is listed even if no other is.
	if u := r.Beside[1].Units; len(u) != 1 || u[0].Unit != "h0n0" {
		t.Errorf("%+v, want h0n0 alone", u)
	}
}

// Words are those of describe, of the unit and of those beside it, whatever the number of
// threads.
func TestShowWords(t *testing.T) {
	scores, words := collected(t), testutil.Golden("text/words.txt")
	list, err := textlist.ReadFile(words)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{ScoresPath: scores, Unit: "h1n4", Top: 1, Beside: 2, PCsPath: testutil.Golden("pc0_nh.npy")}
	o.WordsOptions = coding.WordsOptions{
		WordsOptions: artefact.WordsOptions{Words: list, Components: 3}, WordsPath: words, EmbeddingsPath: testutil.Golden("text/words.npy"),
	}
	o.Threads = 1
	r := run(t, o)
	o.Threads = 3
	if other := run(t, o); fmt.Sprintf("%+v", other.Words) != fmt.Sprintf("%+v", r.Words) || fmt.Sprintf("%+v", other.Beside) != fmt.Sprintf("%+v", r.Beside) {
		t.Errorf("3 threads: %+v, want %+v", other, r)
	}
	check := func(name string, terms []artefact.Term) {
		t.Helper()
		d, err := coding.Describe(context.Background(), coding.DescribeOptions{Options: coding.Options{
			PCsPath: o.PCsPath, EmbeddingsPath: o.EmbeddingsPath, Words: list, WordsPath: words, Components: 3, Threads: 1,
			Method: describe.Best, Normalize: describe.BestNormalization, Units: []string{name},
		}})
		if err != nil || len(terms) == 0 || !slices.Equal(d[0].Terms, terms) {
			t.Errorf("%s: %+v, want %+v, %v", name, terms, d, err)
		}
	}
	check("h1n4", r.Words)
	for _, g := range r.Beside {
		for _, u := range g.Units {
			check(u.Unit, u.Words)
		}
	}
}

func TestShowRefuses(t *testing.T) {
	scores := collected(t)
	for name, want := range map[string]string{
		"h9n4":  `unit "h9n4": want a pair, h0n0 to h`,
		"n9999": `unit "n9999": want a pair, h0n0 to h`,
	} {
		_, err := Run(context.Background(), Options{ScoresPath: scores, Unit: name, Top: 1}, pipelinetest.Silent())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, Options{ScoresPath: scores, Unit: "n1", Top: 1}, pipelinetest.Silent()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := Run(context.Background(), Options{ScoresPath: filepath.Join(scores, "none"), Unit: "n1"}, pipelinetest.Silent()); err == nil {
		t.Error("no scores: no error")
	}
}
