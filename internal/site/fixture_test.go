//go:build browser

package site

import (
	"bufio"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/report"
)

// A fixture is a report of made-up numbers, of any size.
type fixture struct {
	heads, neurons, images, words int
	neuronFiles                   []int // which neurons have a file
	changed                       []int // images that changed since they were collected
	name                          func(image int) string
	class                         func(class int) string
	word                          func(word int) string
}

const (
	fixtureClasses = 20
	thumbSize      = 96
	thumbColumns   = 10
	thumbRows      = 10
	mapSide        = 7
)

// write makes the folder of the report.
func (f fixture) write(t *testing.T, dir string) {
	t.Helper()
	site, err := Files("A made-up report")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range site {
		f.file(t, filepath.Join(dir, name), content)
	}
	random := rand.New(rand.NewPCG(1, 2))
	f.data(t, dir, report.OverviewName, f.overview(random))
	f.data(t, dir, report.IndexName, f.index(random))
	f.data(t, dir, report.ImagesName, f.imageList())
	for _, n := range f.neuronFiles {
		f.data(t, dir, report.NeuronName(n), f.neuron(random, n))
	}
	for h := range f.heads {
		f.data(t, dir, report.HeadName(h), f.head(random, h))
	}
	f.data(t, dir, report.ImageName(0), f.imageShard(random))
	f.data(t, dir, report.TextName(0), f.textShard(random))
	f.sheets(t, dir)
}

func (f fixture) file(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func (f fixture) data(t *testing.T, dir, name string, v any) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(report.FileOf(name)))
	f.file(t, path, nil)
	w, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	buffered := bufio.NewWriter(w)
	if err := report.Write(buffered, name, v); err != nil {
		t.Fatal(err)
	}
	if err := buffered.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// shown is how many images have a thumbnail.
func (f fixture) shown() int { return min(f.images, 400) }

func (f fixture) overview(random *rand.Rand) report.Overview {
	classes := make([]string, fixtureClasses)
	byClass, counts := make([]float64, fixtureClasses), make([]int, fixtureClasses)
	for i := range classes {
		classes[i], byClass[i], counts[i] = f.class(i), random.Float64(), f.images/fixtureClasses
	}
	thumbs := make([]int32, f.shown())
	for i := range thumbs {
		thumbs[i] = int32(i)
	}
	histogram := func(low, high float64) report.Histogram {
		h := report.Histogram{Low: low, High: high, Counts: make([]int, report.Bins)}
		for i := range h.Counts {
			h.Counts[i] = int(1000 * math.Exp(-float64((i-20)*(i-20))/150))
		}
		return h
	}
	list := func(name string) report.List {
		l := report.List{Name: name}
		for range 8 {
			pair := random.IntN(f.heads * f.neurons)
			l.Units = append(l.Units, report.Unit{
				Unit: fmt.Sprintf("h%dn%d", pair/f.neurons, pair%f.neurons), Pair: pair, Value: random.Float64(),
				Words: f.terms(random, 4), Images: []int{0, 1, 2, 3},
			})
		}
		return l
	}
	o := report.Overview{
		Format: report.Format, Title: "A made-up report",
		Model: report.ModelFacts{Name: "RN50x16", Weights: fmt.Sprintf("%064x", 7), Heads: f.heads, Neurons: f.neurons, OutDim: 768, InputSize: 384, Precision: "f32",
			Wording: report.Wording{Form: report.FormPool, Token: "mean token", Rest: "constant", RestOf: "biases, the same for every image", Example: "h0n0"}},
		Data:       report.DataFacts{Name: "photos", Images: f.images, Classes: classes, Labels: classes, Changed: len(f.changed), ChangedImages: f.changed},
		Accuracy:   &report.Accuracy{All: 0.7, Images: f.images, ByClass: byClass, Classes: counts},
		Histograms: map[string]report.Histogram{"norm": histogram(0, 2), "polysemanticity": histogram(0, 1), "score": histogram(-0.2, 0.9)},
		Lists:      []report.List{list("strongest"), list("purest"), list("best_described")},
		Thumbs: &report.Thumbs{Size: thumbSize, Columns: thumbColumns, Rows: thumbRows,
			Sheets: (f.shown() + thumbColumns*thumbRows - 1) / (thumbColumns * thumbRows), Of: report.Indices(thumbs, f.images)},
		Inputs: []report.Input{{Kind: "scores", Path: "caches/photos", SHA256: fmt.Sprintf("%064x", 9), Command: "clipnh collect --model RN50x16 --dataset images --data-path photos --save-path caches/photos"}},
		Parts:  []report.Part{{Name: "comparison", Need: "{with}"}},
		Shards: report.Shards{Images: report.ShardImages, Texts: report.ShardTexts, TextCount: min(report.ShardTexts, f.words)},
	}
	for _, share := range []float64{1, 0.2, 0.1, 0.05, 0.02, 0.01} {
		o.Ablation = append(o.Ablation, report.Ablation{Share: share, Pairs: math.Sqrt(share) * 0.7, Neurons: share * 0.7})
	}
	return o
}

func (f fixture) terms(random *rand.Rand, n int) []report.Term {
	terms := make([]report.Term, n)
	for i := range terms {
		terms[i] = report.Term{Word: random.IntN(f.words), Coefficient: 0.6 - 0.2*float32(i)}
	}
	return terms
}

func (f fixture) index(random *rand.Rand) report.Index {
	words := make([]string, f.words)
	for i := range words {
		words[i] = f.word(i)
	}
	return report.Index{Words: words, Pairs: f.columns(random, f.heads*f.neurons), Neurons: f.columns(random, f.neurons)}
}

func (f fixture) columns(random *rand.Rand, units int) report.IndexColumns {
	return report.IndexColumns{
		Norm: report.Quantized(floats(random, units, 0, 2)), Polysemanticity: report.Quantized(floats(random, units, 0, 1)),
		Score: report.Quantized(floats(random, units, -0.2, 0.9)), Sign: report.Indices(integers(random, units, 2), 3),
		Effect: report.Quantized(floats(random, units, -1, 1)), Words: report.Indices(integers(random, units*report.IndexWords, f.words), f.words),
		Coefficients: report.Coarse(floats(random, units*report.IndexWords, -0.2, 0.7)), Images: report.Indices(integers(random, units*report.IndexImages, f.shown()), f.images),
	}
}

func floats(random *rand.Rand, n int, low, high float32) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = low + (high-low)*random.Float32()
	}
	return v
}

func integers(random *rand.Rand, n, below int) []int32 {
	v := make([]int32, n)
	for i := range v {
		v[i] = int32(random.IntN(below))
	}
	return v
}

func (f fixture) imageList() report.Images {
	names, labels := make([]string, f.images), make([]int32, f.images)
	for i := range names {
		names[i], labels[i] = f.name(i), int32(i%fixtureClasses)
	}
	return report.Images{Names: names, Labels: report.Indices(labels, fixtureClasses)}
}

// sheets draws thumbnails.
func (f fixture) sheets(t *testing.T, dir string) {
	t.Helper()
	per := thumbColumns * thumbRows
	for sheet := 0; sheet*per < f.shown(); sheet++ {
		rows := (min(per, f.shown()-sheet*per) + thumbColumns - 1) / thumbColumns
		canvas := image.NewRGBA(image.Rect(0, 0, thumbColumns*thumbSize, rows*thumbSize))
		for y := range rows * thumbSize {
			for x := range thumbColumns * thumbSize {
				i := y/thumbSize*thumbColumns + x/thumbSize
				canvas.Set(x, y, color.RGBA{uint8(37 * i), uint8(x % thumbSize * 2), uint8(y % thumbSize * 2), 255})
			}
		}
		path := filepath.Join(dir, "thumbs", fmt.Sprintf("%03d.jpg", sheet))
		f.file(t, path, nil)
		w, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := jpeg.Encode(w, canvas, nil); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
