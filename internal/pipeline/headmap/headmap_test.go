package headmap

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/usage"
)

const (
	images, layers, layerHeads, tokens, dims = 8, 5, 4, 37, 24
	near                                     = 1e-5 // of the largest number
)

func goldenOptions(t *testing.T) Options {
	t.Helper()
	return Options{
		Options: source.Options{
			Model: pipelinetest.GoldenViTWithText(t), Details: model.Details{Heads: layerHeads, Activation: "gelu"},
			Data: dataset.Options{Kind: dataset.Images, Path: testutil.GoldenViT("images")}, Stride: 1, BatchSize: 3,
		},
		Heads: []string{"L3h1", "l4h2", "l4"}, Vocab: testutil.Golden("text/toy_merges.txt.gz"), Top: images, Store: new(cache.Store), Threads: 2,
	}
}

func run(t *testing.T, o Options) *Result {
	t.Helper()
	r, err := Run(t.Context(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// parts are what heads add by tokens, by PyTorch: of image b, the sum over heads of layer l
// from first on of the parts of each token, [T,O].
func parts(tokenParts []float32, b, l, first, count int) [][]float64 {
	rows := make([][]float64, tokens)
	for m := range rows {
		rows[m] = make([]float64, dims)
		for h := first; h < first+count; h++ {
			for o := range dims {
				rows[m][o] += float64(tokenParts[(((b*layers+l)*tokens+m)*layerHeads+h)*dims+o])
			}
		}
	}
	return rows
}

// TestGolden compares maps with the goldens, along texts and in size, and holds that along a
// text they sum to what the head adds.
func TestGolden(t *testing.T) {
	golden, _ := pipelinetest.ReadNPY(t, testutil.GoldenViT("gelu/first_tokens.npy"))
	o := goldenOptions(t)
	m, err := model.OpenWith(t.Context(), o.Model, o.Details)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	texts := []string{"dog", "a cat"}
	embeddings, err := model.TextOptions{Vocab: o.Vocab, Threads: 1}.Embeddings(t.Context(), m, texts, "text", pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	for _, o.Texts = range [][]string{nil, texts} {
		r := run(t, o)
		if r.Images != images || r.Rows != 6 || r.Cols != 6 || len(r.Heads) != 3 {
			t.Fatalf("%d images, %dx%d places, %d heads", r.Images, r.Rows, r.Cols, len(r.Heads))
		}
		for i, of := range []struct {
			name                string
			layer, first, count int
		}{{"l3h1", 3, 1, 1}, {"l4h2", 4, 2, 1}, {"l4", 4, 0, layerHeads}} {
			if r.Heads[i].Head != of.name {
				t.Errorf("head %d is %s, want %s", i, r.Heads[i].Head, of.name)
			}
			for p, found := range r.Heads[i].Maps {
				measure := func(row []float64) float64 {
					sum := 0.0
					for d, x := range row {
						if o.Texts == nil {
							sum += x * x
						} else {
							sum += x * float64(embeddings[p*dims+d])
						}
					}
					if o.Texts == nil {
						return math.Sqrt(sum)
					}
					return sum
				}
				if len(found.Top) != images || !slices.IsSortedFunc(found.Top, func(a, b Hit) int { return cmp.Compare(b.Part, a.Part) }) {
					t.Errorf("%s: %d images, or not by descending part", of.name, len(found.Top))
				}
				for k, hit := range found.Top {
					rows, sum := parts(golden, hit.Image, of.layer, of.first, of.count), make([]float64, dims)
					for _, row := range rows {
						for d, x := range row {
							sum[d] += x
						}
					}
					name := fmt.Sprintf("%s, text %d, %s", of.name, p, hit.Name)
					compare := func(what string, got, want float64) {
						t.Helper()
						if !(math.Abs(got-want) <= near) { // parts are around 0.1
							t.Errorf("%s: %s %g, want %g", name, what, got, want)
						}
					}
					compare("part", hit.Part, measure(sum))
					for m, row := range rows {
						got := hit.ClassToken
						if m > 0 {
							got = hit.Places[m-1]
						}
						compare(fmt.Sprint("token ", m), got, measure(row))
					}
					if o.Texts != nil {
						compare("sum", attribution.Sum(hit.Places)+hit.ClassToken, hit.Part)
					}
					if hit.Rank != k+1 || hit.Name != fmt.Sprintf("%02d.png", hit.Image) {
						t.Errorf("%s: rank %d, image %d", name, hit.Rank, hit.Image)
					}
				}
			}
		}
	}
}

// TestSameBytes holds that results and sheets depend neither on the batch nor on the threads,
// that fewer images are the first of all, and that a sheet replaces no other program's file.
func TestSameBytes(t *testing.T) {
	o := goldenOptions(t)
	o.Texts, o.Top, o.SaveDir = []string{"dog"}, 3, t.TempDir()
	want := run(t, o)
	read := func() (files []string) {
		for _, h := range []string{"l3h1", "l4h2", "l4"} {
			content, err := os.ReadFile(filepath.Join(o.SaveDir, h+".png"))
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, string(content))
		}
		return files
	}
	sheets := read()
	for _, other := range [][2]int{{1, 1}, {8, 3}} {
		o.BatchSize, o.Threads = other[0], other[1]
		got := run(t, o)
		for i := range got.Heads {
			got.Heads[i].split, want.Heads[i].split = nil, nil
		}
		if !reflect.DeepEqual(got, want) || !slices.Equal(read(), sheets) {
			t.Errorf("%d images at a time on %d threads: another result or sheet", other[0], other[1])
		}
	}
	o.Top, o.SaveDir = images, ""
	all := run(t, o).Heads[1].Maps[0].Top
	if !reflect.DeepEqual(all[:3], want.Heads[1].Maps[0].Top) {
		t.Error("the first of all images are others")
	}
	o.SaveDir = t.TempDir()
	foreign := filepath.Join(o.SaveDir, "l4.png")
	if err := os.WriteFile(foreign, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), foreign) {
		t.Errorf("a file in the way: %v", err)
	}
	if content, _ := os.ReadFile(foreign); string(content) != "mine" {
		t.Error("it was replaced")
	}
}

// TestRefused names what is no head, and a model that has none.
func TestRefused(t *testing.T) {
	for want, change := range map[string]func(*Options){
		`unit "l5h0": want a head, l0h0 to l4h3, or a layer, l0 to l4`:                            func(o *Options) { o.Heads = []string{"l5h0"} },
		`unit "l2n7": want a head`:                                                                func(o *Options) { o.Heads = []string{"l2n7"} },
		`unit "h2": a name in a ResNet, and these units are of a vision transformer: want a head`: func(o *Options) { o.Heads = []string{"h2"} },
		"want a vision transformer (ViT): places are the tokens": func(o *Options) {
			o.Model, o.Details = testutil.Golden("model/tiny_sd_fp32.pt"), model.Details{}
		},
	} {
		o := goldenOptions(t)
		change(&o)
		_, err := Run(t.Context(), o, pipelinetest.Silent())
		if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, usage.Err) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
