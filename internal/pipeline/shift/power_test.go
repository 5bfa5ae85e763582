package shift

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/gonum/mat"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/directions"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/trend"
	"github.com/clipnh/clipnh/internal/ui"
)

var power = flag.Bool("power", false, "measure the table of docs/watch.md that sets watch beside other tests, which takes minutes")

// cars are the example's cars: what the model says of each, and whether it is yellow.
type cars struct {
	scores   []float32 // [B,pairs]
	pairs    int
	ratios   []float32  // [B], of the concept yellow
	features *mat.Dense // [B,O], of length 1
	of       [2][]int   // the others, and the yellow ones
	names    []string
}

// openCars runs the example's model on its cars.
func openCars(t *testing.T) *cars {
	t.Helper()
	dir, say := t.TempDir(), pipelinetest.Silent()
	in := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	if _, err := demo.Layout(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := collect.Run(t.Context(), collect.Options{
		Model: in(demo.Model), Data: dataset.Options{Kind: dataset.Cars, Path: in("stanford_cars")}, Stride: 1, BatchSize: 8, Threads: 2,
		Mode: collect.ModePairs, SavePath: in("scores"),
	}, say); err != nil {
		t.Fatal(err)
	}
	if _, err := directions.SVD(t.Context(), directions.SVDOptions{CollectPath: in("scores"), TopK: 50, OutPath: in("pc0.npy"), Threads: 2}, say); err != nil {
		t.Fatal(err)
	}
	prompts, err := textlist.ReadFile(in("templates.txt"))
	if err != nil {
		t.Fatal(err)
	}
	templates, err := textlist.ParseTemplates(prompts)
	if err != nil {
		t.Fatal(err)
	}
	src, err := source.OpenScores(t.Context(), source.Options{ScoresPath: in("scores")}, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	concepts, err := openConcepts(t.Context(), ConceptOptions{
		Concepts: []string{"yellow"}, K: 5, PCsPath: in("pc0.npy"), Model: in(demo.Model), Vocab: in(demo.Vocabulary), Templates: templates,
	}, src, 2, say)
	if err != nil {
		t.Fatal(err)
	}
	labels, err := dataset.ReadCars(t.Context(), dataset.CarOptions{Root: in("stanford_cars"), CSV: in("refined_train.csv"), Labels: []string{"yellow"}})
	if err != nil {
		t.Fatal(err)
	}
	c := &cars{pairs: src.Heads * src.Neurons, features: mat.NewDense(src.Images, src.OutDim, nil), names: src.Names}
	known, err := labels.Join(src.Names)
	if err != nil {
		t.Fatal(err)
	}
	for b, at := range known {
		if at >= 0 && labels.Known[at].Answers[0] != dataset.Unknown {
			side := 0
			if labels.Known[at].Answers[0] == dataset.Yes {
				side = 1
			}
			c.of[side] = append(c.of[side], b)
		}
	}
	w := &watcher{o: WatchOptions{Threads: 2}, concepts: concepts, pairs: c.pairs, units: src.Units(), team: par.NewTeam(2)}
	if err := w.each(t.Context(), src, concepts, ui.Reporter(say).Progress(), func(scores, ratios []float32) {
		c.scores, c.ratios = append(c.scores, scores...), append(c.ratios, ratios...)
	}); err != nil {
		t.Fatal(err)
	}
	for b := range src.Images {
		feature := make([]float32, src.OutDim)
		if err := src.Feature(feature, b, par.NewTeam(2)); err != nil {
			t.Fatal(err)
		}
		row := mat.NewVecDense(src.OutDim, nil)
		for i, x := range feature {
			row.SetVec(i, float64(x))
		}
		row.ScaleVec(1/mat.Norm(row, 2), row)
		c.features.SetRow(b, row.RawVector().Data)
	}
	return c
}

// draw returns disjoint groups of n cars each, of which each is yellow with a probability of
// its group.
func (c *cars) draw(n int, share [2]float64, r *rand.Rand) (groups [2][]int) {
	var order [2][]int
	for side, of := range c.of {
		for _, at := range r.Perm(len(of)) {
			order[side] = append(order[side], of[at])
		}
	}
	for g := range groups {
		for range n {
			side := 0
			if r.Float64() < share[g] {
				side = 1
			}
			groups[g] = append(groups[g], order[side][0]) // panics where the cars do not suffice
			order[side] = order[side][1:]
		}
	}
	return groups
}

func (c *cars) moments(groups [2][]int) (of [2]*trend.Moments) {
	for g, images := range groups {
		of[g] = trend.NewMoments(c.pairs)
		for _, b := range images {
			of[g].Add(c.scores[b*c.pairs:(b+1)*c.pairs], par.NewTeam(1))
		}
	}
	return of
}

func (c *cars) embeddings(groups [2][]int) (of [2]embedding) {
	for g, images := range groups {
		of[g] = mat.NewDense(len(images), c.features.RawMatrix().Cols, nil)
		for i, b := range images {
			of[g].SetRow(i, c.features.RawRowView(b))
		}
	}
	return of
}

func (c *cars) concept(groups [2][]int) (of [2]*trend.Moments) {
	for g, images := range groups {
		of[g] = trend.NewMoments(1)
		for _, b := range images {
			of[g].Add(c.ratios[b:b+1], par.NewTeam(1))
		}
	}
	return of
}

// TestPower measures, with -power, how often watch and two rivals find that more of the
// example's cars are yellow, and how often they find something where nothing differs. The
// table is that of docs/watch.md.
func TestPower(t *testing.T) {
	if !*power {
		t.Skip("without -power: it takes minutes")
	}
	const (
		n, draws, base, level = 150, 200, 0.2, 0.05
		permutations          = 199
	)
	shifts := []float64{0, 0.05, 0.1, 0.2}
	c := openCars(t)
	any := func(of [2]*trend.Moments, quantities int, test string) bool {
		for _, x := range ranked(of, quantities, WatchOptions{Test: test, FalseDiscovery: level}) {
			if x.Changed {
				return true
			}
		}
		return false
	}
	methods := []struct {
		name, says string
		find       func(groups [2][]int, r *rand.Rand) bool
	}{
		{"`watch`, 4,096 pairs", "the pairs", func(g [2][]int, _ *rand.Rand) bool { return any(c.moments(g), c.pairs, TestPermutation) }},
		{"the same, `--test welch`", "the pairs", func(g [2][]int, _ *rand.Rand) bool { return any(c.moments(g), c.pairs, TestWelch) }},
		{"`watch --concepts yellow`", "the concept", func(g [2][]int, _ *rand.Rand) bool { return any(c.concept(g), 1, TestPermutation) }},
		{"MMD of embeddings", "nothing", func(g [2][]int, r *rand.Rand) bool {
			e := c.embeddings(g)
			return discrepancy(e[0], e[1], permutations, r) <= level
		}},
		{"domain classifier", "nothing", func(g [2][]int, r *rand.Rand) bool {
			e := c.embeddings(g)
			return classified(e[0], e[1], r) <= level
		}},
	}
	found := make([][]int, len(methods))
	took := make([]time.Duration, len(methods))
	for i := range found {
		found[i] = make([]int, len(shifts))
	}
	for s, shift := range shifts {
		for draw := range draws {
			r := rand.New(rand.NewPCG(uint64(s), uint64(draw)))
			groups := c.draw(n, [2]float64{base, base + shift}, r)
			for i, m := range methods {
				began := time.Now()
				if m.find(groups, r) {
					found[i][s]++
				}
				took[i] += time.Since(began)
			}
		}
	}
	var table strings.Builder
	table.WriteString("| | no shift | +5 % | +10 % | +20 % | says what differs |\n|---|---:|---:|---:|---:|---|\n")
	for i, m := range methods {
		fmt.Fprintf(&table, "| %s |", m.name)
		for s := range shifts {
			fmt.Fprintf(&table, " %.1f %% |", 100*float64(found[i][s])/draws)
		}
		fmt.Fprintf(&table, " %s |\n", m.says)
		t.Logf("%s: %v a comparison", m.name, took[i]/time.Duration(draws*len(shifts)))
		// More than 9 % of 200 have a probability below 1 % at a level of 5 %.
		if wrong := float64(found[i][0]) / draws; wrong > 0.09 {
			t.Errorf("%s: finds something in %.1f %% of draws without a shift", m.name, 100*wrong)
		}
	}
	t.Logf("%d draws of two groups of %d cars each, one with %.0f %% yellow:\n%s", draws, n, 100*base, table.String())
	doc, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "watch.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), table.String()) {
		t.Error("docs/watch.md has another table")
	}
}
