package mislead

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/describe"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// The shape of a world of words with orthogonal embeddings, which units mix.
const (
	words = 30
	dims  = 40
	units = 64
)

// world returns options for two classes, the first words, and the components of its units.
func world(t *testing.T) (Options, []float32) {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 3))
	o := Options{
		From: "fish", To: "moth", K: 20, List: words, MaxCosine: 1, Sentences: 8, Seed: 5,
		DescribeOptions: coding.DescribeOptions{Options: coding.Options{
			Method: describe.OMP, Normalize: describe.BestNormalization, Components: 3, WordsPath: "words.txt", Threads: 2,
		}},
	}
	embeddings := make([]float32, words*dims)
	for w := range words {
		embeddings[w*dims+w] = 1
		o.Words = append(o.Words, fmt.Sprintf("word %d", w))
	}
	o.Words[0], o.Words[1], o.Words[2] = "fish", "moth", "big Moth"
	components := make([]float32, units*dims)
	for u := range units {
		row := components[u*dims : (u+1)*dims]
		sum := 0.0
		for i := 0; i < 6; i++ {
			at := random.IntN(words)
			if i < 2 {
				at = random.IntN(3)
			}
			row[at] += float32(random.NormFloat64())
		}
		for _, x := range row {
			sum += float64(x) * float64(x)
		}
		for i := range row {
			row[i] /= float32(math.Sqrt(sum))
		}
	}
	o.EmbeddingsPath = pipelinetest.WriteNPY(t, []int{words, dims}, embeddings)
	o.PCsPath = pipelinetest.WriteNPY(t, []int{units, dims}, components)
	o.Classes, o.TextsPath = []string{"fish", "moth"}, pipelinetest.WriteNPY(t, []int{2, dims}, embeddings[:2*dims])
	return o, components
}

func run(t *testing.T, o Options) *Result {
	t.Helper()
	r, err := Run(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The units are those of largest product, along the difference of the classes or against it,
// and the weights of words are sums over their codes, whatever the signs of components.
func TestWeights(t *testing.T) {
	o, components := world(t)
	r := run(t, o)
	product := func(u int) float64 { return float64(components[u*dims+1]) - float64(components[u*dims]) }
	order := make([]int, units)
	for u := range order {
		order[u] = u
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(math.Copysign(1, math.Abs(product(b))-math.Abs(product(a)))) })
	want := map[string]float64{}
	negative := 0
	for i, u := range order[:o.K] {
		if math.Abs(product(u)) == math.Abs(product(order[i+1])) {
			continue
		}
		if r.Units[i].Unit != fmt.Sprintf("n%d", u) || math.Abs(r.Units[i].Product-product(u)) > 1e-6 {
			t.Errorf("unit %d is %s with %g, want n%d with %g", i, r.Units[i].Unit, r.Units[i].Product, u, product(u))
		}
		if product(u) < 0 {
			negative++
		}
	}
	if negative == 0 || negative == o.K {
		t.Errorf("%d of %d products are negative, want some", negative, o.K)
	}
	for _, u := range r.Units {
		for _, term := range u.Terms {
			want[term.Word] += float64(term.Coefficient) * u.Product
		}
	}
	for _, w := range slices.Concat(r.Words, r.LeftOut) {
		if math.Abs(w.Weight-want[w.Word]) > 1e-6 || !(w.Weight > 0) {
			t.Errorf("%s has the weight %g, want %g", w.Word, w.Weight, want[w.Word])
		}
	}
	for i := range components {
		if i/dims%3 == 0 {
			components[i] = -components[i]
		}
	}
	o.PCsPath = pipelinetest.WriteNPY(t, []int{units, dims}, components)
	turned := run(t, o)
	if !slices.EqualFunc(r.Words, turned.Words, func(a, b Word) bool { return a.Word == b.Word && math.Abs(a.Weight-b.Weight) < 1e-6 }) {
		t.Errorf("other words where some components are turned round: %v, want %v", turned.Words, r.Words)
	}
}

// Words that name the class are left out, by their letters, by a list or by their cosine.
func TestLeftOut(t *testing.T) {
	o, _ := world(t)
	o.LeftOut = []string{"WORD 7"}
	r := run(t, o)
	why := map[string]string{}
	for _, w := range r.LeftOut {
		why[w.Word] = w.Why
	}
	if why["word 7"] != ByGiven {
		t.Errorf("left out %v, want what was given as such", why)
	}
	if why["moth"] != ByName || why["big Moth"] != ByName {
		t.Errorf("left out %v, want the class's name and what has it as a word", why)
	}
	listed := func(r *Result, word string) bool {
		return slices.ContainsFunc(r.Words, func(w Word) bool { return w.Word == word })
	}
	if listed(r, "word 7") || listed(r, "moth") || listed(r, "big Moth") {
		t.Errorf("listed %v", r.Words)
	}
	for _, w := range r.Words {
		if w.Why != "" || w.Cosine > 0 { // less their mean, orthogonal words are a little against one another
			t.Errorf("%+v", w)
		}
	}
	near := o
	embeddings := make([]float32, words*dims)
	for w := range words {
		embeddings[w*dims+w] = 1
		if w >= 3 && w < 12 { // their cosine with moth is 0.8
			embeddings[w*dims+w], embeddings[w*dims+1] = 0.6, 0.8
		}
	}
	near.LeftOut, near.MaxCosine, near.EmbeddingsPath = nil, 0.4, pipelinetest.WriteNPY(t, []int{words, dims}, embeddings)
	tooClose := 0
	for _, w := range run(t, near).LeftOut {
		switch {
		case w.Why == ByCosine && w.Cosine > near.MaxCosine && w.Index >= 3 && w.Index < 12:
			tooClose++
		case w.Why != ByName || w.Index != 1 && w.Index != 2:
			t.Errorf("left out %+v", w)
		}
	}
	if tooClose == 0 {
		t.Errorf("no word was left out as too close to moth")
	}
	o.MaxCosine = -0.5
	if _, err := Run(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "no word moves images toward") {
		t.Errorf("all words left out: %v", err)
	}
}

// TestDraw draws words as often as their weights are large, in the order of the list.
func TestDraw(t *testing.T) {
	list := make([]Word, 3)
	for i, weight := range []float64{6, 3, 1} {
		list[i].Weight = weight
	}
	const draws = 20000
	random := rand.New(rand.NewPCG(1, 2))
	var once, twice [3]float64
	for range draws {
		once[draw(list, 1, random)[0]] += 1. / draws
		two := draw(list, 2, random)
		if len(two) != 2 || two[0] >= two[1] {
			t.Fatalf("drew %v", two)
		}
		twice[3-two[0]-two[1]] += 1. / draws // the one that was not drawn
	}
	// That a is drawn and then b has the chance a/10 * b/(10-a).
	for i, want := range [2][3]float64{{0.6, 0.3, 0.1}, {0.3/7 + 0.1/3, 0.6/4 + 0.1*2/3, 0.6*3/4 + 0.3*6/7}} {
		for at, chance := range [2][3]float64{once, twice}[i] {
			if math.Abs(chance-want[at]) > 0.02 {
				t.Errorf("of %d words: %.3f at %d, want %.3f", i+1, chance, at, want[at])
			}
		}
	}
}

// Sentences differ, begin with the heaviest words, and are those of the seed.
func TestSentences(t *testing.T) {
	o, _ := world(t)
	r := run(t, o)
	w := r.Words
	if first := fmt.Sprintf("a photo of a fish with %s, %s and %s", w[0].Word, w[1].Word, w[2].Word); len(r.Sentences) != 8 || r.Sentences[0] != first {
		t.Errorf("sentences %q, want 8, the first %q", r.Sentences, first)
	}
	if n := len(slices.Compact(slices.Sorted(slices.Values(r.Sentences)))); n != 8 {
		t.Errorf("%d different sentences, want 8", n)
	}
	if again := run(t, o); !slices.Equal(again.Sentences, r.Sentences) {
		t.Errorf("other sentences of the same seed: %q", again.Sentences)
	}
	o.Seed = 6
	if other := run(t, o); slices.Equal(other.Sentences, r.Sentences) {
		t.Error("the same sentences of another seed")
	}
	o.List, o.Sentences = 2, 5
	if two := run(t, o); len(two.Sentences) != 1 || !strings.HasSuffix(two.Sentences[0], " with "+w[0].Word+" and "+w[1].Word) {
		t.Errorf("sentences of two words: %q, want one", two.Sentences)
	}
}

func TestCompared(t *testing.T) {
	got := compared([]float32{0.1, 0.4, 0.3, 0.2, 0.2}, []float64{-3, 5, 1, -1, 2})
	want := Moved{Near: 2, NearMean: 3, NearTaken: 2, FarMean: -2.0 / 3, FarTaken: 1}
	if got.Near != want.Near || got.NearTaken != want.NearTaken || got.FarTaken != want.FarTaken || math.Abs(got.NearMean-3) > 1e-12 || math.Abs(got.FarMean-want.FarMean) > 1e-12 {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if even := compared([]float32{1, 1, 1}, []float64{1, 2, 3}); even.Near != 0 || even.difference() != 0 {
		t.Errorf("images that are all as close: %+v", even)
	}
}

func TestRefuses(t *testing.T) {
	for what, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"one class":     {func(o *Options) { o.To = "fish" }, "want two classes"},
		"unknown class": {func(o *Options) { o.To = "mothh" }, "{to} \"mothh\": not among the 2 {classes}"},
		"too few words": {func(o *Options) { o.Words = o.Words[1:] }, "embeddings of 30 words"},
		"no components": {func(o *Options) { o.PCsPath = "none.npy" }, "none.npy"},
		"dense scores":  {func(o *Options) { o.Images.ScoresPath = "x.npy" }, "want a folder of scores or of features"},
	} {
		o, _ := world(t)
		c.change(&o)
		if _, err := Run(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
}
