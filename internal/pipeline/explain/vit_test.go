package explain

import (
	"bytes"
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
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/usage"
)

// The golden vision transformer: heads of the layers after vitLayer, neurons, tokens,
// dimensions, and all layers with the heads of each.
const (
	vitLayer, vitHeads, vitNeurons, vitTokens, vitDims, vitLayers, vitLayerHeads = 2, 8, 128, 37, 24, 5, 4
	vitClasses                                                                   = 5
)

// vitTexts are the first golden texts, unit vectors.
func vitTexts(t testing.TB) []float32 {
	t.Helper()
	texts, _ := pipelinetest.ReadNPY(t, testutil.GoldenViT("texts.npy"))
	return texts[:vitClasses*vitDims]
}

// vitOptions explain the golden images by the golden vision transformer.
func vitOptions(t testing.TB, file string) Options {
	t.Helper()
	var b bytes.Buffer
	if err := npy.WriteFloat32(&b, []int{vitClasses, vitDims}, vitTexts(t)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "classes.npy")
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	layer := vitLayer
	o := Options{
		Model: testutil.GoldenViT(file), Details: model.Details{Heads: vitLayerHeads, Activation: "gelu"}, NeuronLayer: &layer, Threads: 2, BatchSize: 3,
		Inputs: Inputs{Data: dataset.Options{Kind: dataset.Images, Path: testutil.GoldenViT("images")}, Stride: 1},
		Texts:  Texts{TextsPath: path}, Units: vitHeads * vitNeurons, Maps: vitHeads * vitNeurons,
	}
	for i := range vitClasses {
		o.Classes = append(o.Classes, fmt.Sprint("class ", i))
	}
	return o
}

// TestViT compares an explanation with the goldens: parts of pairs with scores and directions,
// places with what heads add by tokens, and the maps of pairs with PyTorch's.
func TestViT(t *testing.T) {
	read := func(name string) []float32 {
		x, _ := pipelinetest.ReadNPY(t, testutil.GoldenViT("gelu/"+name+".npy"))
		return x
	}
	features, scores, directions, tokens, mlps := read("feature"), read("second_scores"), read("second_directions"), read("first_tokens"), read("first_mlps")
	read4, _ := pipelinetest.ReadNPY(t, "testdata/vit_places.npy")
	texts := vitTexts(t)
	for _, file := range []string{"vit_sd32.pt", "vit_sd16.pt", "vit_openclip.pt"} {
		for _, versus := range []string{"", "class 3"} {
			o := vitOptions(t, file)
			if versus != "" {
				o.Class, o.Versus = "class 1", versus
			}
			_, all, result := explained(t, o)
			if result.Images != 8 || len(all) != 8 {
				t.Fatalf("%d images", result.Images)
			}
			for b, x := range all {
				class := int(x.Class[len(x.Class)-1] - '0')
				var other []float32
				if versus != "" {
					other = texts[3*vitDims : 4*vitDims]
				}
				text := attribution.Difference(texts[class*vitDims:(class+1)*vitDims], other)
				factor, _ := attribution.Factor(features[b*vitDims : (b+1)*vitDims])
				along := func(row []float32) float64 {
					sum := 0.0
					for o, v := range row {
						sum += float64(v) * text[o]
					}
					return factor * sum
				}
				name := fmt.Sprint(file, " ", versus, " image ", b, " ")
				logit := along(features[b*vitDims : (b+1)*vitDims])
				closeTo(t, name+"logit", []float64{x.Logit, x.Norm}, []float64{logit, 100 / factor})

				parts, got := make([]float64, vitHeads*vitNeurons), make([]float64, vitHeads*vitNeurons)
				neurons, heads, total := make([]float64, vitNeurons), make([]float64, vitHeads), 0.0
				for u := range parts {
					parts[u] = float64(scores[b*len(parts)+u]) * along(directions[u*vitDims:(u+1)*vitDims])
					neurons[u%vitNeurons] += parts[u]
					heads[u/vitNeurons] += parts[u]
					total += parts[u]
				}
				x.Pairs.each(func(p *Part) { got[p.Index] = p.Part })
				closeTo(t, name+"pairs", got, parts)
				gotNeurons := make([]float64, vitNeurons)
				x.Neurons.each(func(p *Part) { gotNeurons[p.Index] = p.Part })
				closeTo(t, name+"neurons", gotNeurons, neurons)
				closeTo(t, name+"heads", x.Heads, heads)
				closeTo(t, name+"what no pair adds", []float64{x.Elsewhere.Pairs + total, attribution.Scale}, []float64{logit, attribution.Scale})
				if x.Pairs.For[0].Unit[0] != 'l' || x.Neurons.For[0].Unit[:3] != "l2n" {
					t.Errorf("%sunits %s and %s", name, x.Pairs.For[0].Unit, x.Neurons.For[0].Unit)
				}

				places, written := make([]float64, vitTokens), 0.0
				each := vitLayers * vitTokens * vitLayerHeads
				for i := range each {
					at := (b*each + i) * vitDims
					places[i/vitLayerHeads%vitTokens] += along(tokens[at : at+vitDims])
				}
				for i := range vitLayers + 1 {
					at := (b*(vitLayers+1) + i) * vitDims
					written += along(mlps[at : at+vitDims])
				}
				closeTo(t, name+"places", append([]float64{x.Elsewhere.ClassToken}, x.Places.Parts...), places)
				closeTo(t, name+"MLPs", []float64{x.Elsewhere.MLPs}, []float64{written})
				if len(x.HeadMaps.Maps) != vitLayers*vitLayerHeads {
					t.Fatalf("%s%d maps of heads", name, len(x.HeadMaps.Maps))
				}
				all, previous := make([]float64, vitTokens), math.Inf(1)
				for _, m := range x.HeadMaps.Maps {
					var layer, head int
					if _, err := fmt.Sscanf(m.Head, "l%dh%d", &layer, &head); err != nil {
						t.Fatal(err)
					}
					want, got := make([]float64, vitTokens), append([]float64{*m.ClassToken}, m.Places...)
					for k := range vitTokens {
						at := (((b*vitLayers+layer)*vitTokens+k)*vitLayerHeads + head) * vitDims
						want[k] = along(tokens[at : at+vitDims])
						all[k] += got[k]
					}
					closeTo(t, name+m.Head, append(got, logit), append(want, logit))
					if sum := attribution.Sum(got); math.Abs(sum-m.Part) > 1e-12*math.Abs(logit) || math.Abs(m.Part) > previous {
						t.Errorf("%s%s: places sum to %.17g, want %.17g, which is at most %g", name, m.Head, sum, m.Part, previous)
					}
					previous = math.Abs(m.Part)
				}
				for k, want := range append([]float64{x.Elsewhere.ClassToken}, x.Places.Parts...) {
					if math.Abs(all[k]-want) > 1e-12*math.Abs(logit) {
						t.Errorf("%stoken %d: heads sum to %.17g, want %.17g", name, k, all[k], want)
					}
				}
				if r := x.HeadMaps; r.Rest != 0 || r.RestHeads != 0 || math.Abs(r.Listed+x.Elsewhere.MLPs-x.Sum) > 1e-12*attribution.Scale {
					t.Errorf("%sheads sum to %.17g, with the MLPs %.17g; want %.17g", name, r.Listed, r.Listed+x.Elsewhere.MLPs, x.Sum)
				}
				sum := []float64{x.Sum, x.Places.Sum + x.Elsewhere.ClassToken + x.Elsewhere.MLPs, attribution.Scale}
				closeTo(t, name+"sum", sum, []float64{logit, logit, attribution.Scale})

				x.Pairs.each(func(p *Part) {
					if got := attribution.Sum(p.Places) + *p.ClassToken; math.Abs(got-p.Part) > rounding*math.Abs(logit) {
						t.Errorf("%splaces of %s sum to %g, want %g", name, p.Unit, got, p.Part)
					}
					for i, n := range []int{0, 5, 64, 127} {
						if p.Index%vitNeurons != n {
							continue
						}
						product := along(directions[p.Index*vitDims : (p.Index+1)*vitDims])
						for m, w := range read4[((b*vitHeads+p.Index/vitNeurons)*4+i)*vitTokens:][:vitTokens] {
							got := *p.ClassToken
							if m > 0 {
								got = p.Places[m-1]
							}
							if want := product * float64(w); math.Abs(got-want) > rounding*math.Abs(logit) {
								t.Errorf("%s%s at token %d: %g, want %g", name, p.Unit, m, got, want)
							}
						}
					}
				})
			}
		}
	}
}

// TestViTSameBytes holds that explanations depend neither on the batch nor on the threads, and
// that collected scores say what is usual.
func TestViTSameBytes(t *testing.T) {
	scores := collecttest.GoldenViT(t, "neurons+heads", "scores")
	layer := vitLayer
	scores.NeuronLayer = &layer
	collecttest.Collect(t, scores)
	o := vitOptions(t, "vit_sd32.pt")
	o.Units, o.Maps, o.ScoresPath = 5, 3, scores.SavePath
	setup, want, _ := explained(t, o)
	if setup.Heads != vitHeads || setup.Neurons != vitNeurons || setup.Collection == nil || setup.Collection.Images != 8 {
		t.Errorf("setup %+v", setup)
	}
	ranks := map[int]bool{}
	for _, x := range want {
		for _, p := range x.Pairs.For {
			if p.Mean == nil || math.Abs(*p.Usual+*p.Unusual-p.Part) > 1e-9 {
				t.Errorf("%s: usual %v, unusual %v, want the halves of %g", p.Unit, p.Usual, p.Unusual, p.Part)
			}
			ranks[*p.Rank] = true
		}
	}
	if len(ranks) < 3 || ranks[0] || ranks[9] {
		t.Errorf("ranks %v", ranks)
	}
	for _, other := range [][2]int{{1, 1}, {8, 3}, {5, 2}} {
		o.BatchSize, o.Threads = other[0], other[1]
		if _, got, _ := explained(t, o); !reflect.DeepEqual(got, want) {
			t.Errorf("%d images at a time on %d threads: other explanations", other[0], other[1])
		}
	}
}

// TestViTHeads explains by heads that are named, of which some are of one layer together, and
// refuses names that no head has.
func TestViTHeads(t *testing.T) {
	o := vitOptions(t, "vit_sd32.pt")
	o.Units, o.Maps, o.Stride = 2, vitLayers*vitLayerHeads, 4
	_, all, _ := explained(t, o)
	o.Maps, o.Heads = 0, []string{"L4", "l0h3", "l4h1", "l4"}
	_, named, _ := explained(t, o)
	for b, x := range named {
		var names []string
		part, sum, listed := map[string]float64{}, 0.0, 0.0
		for _, m := range all[b].HeadMaps.Maps {
			if part[m.Head] = m.Part; m.Head[:2] == "l4" {
				sum += m.Part
			}
		}
		for _, m := range x.HeadMaps.Maps {
			if names = append(names, m.Head); m.Head == "l4" {
				part["l4"] = sum
			}
			if math.Abs(m.Part-part[m.Head]) > 1e-12*attribution.Scale || math.Abs(attribution.Sum(m.Places)+*m.ClassToken-m.Part) > 1e-12*attribution.Scale {
				t.Errorf("%s: %s adds %.17g, want %.17g", x.Name, m.Head, m.Part, part[m.Head])
			}
			if m.Share == nil || math.Abs(*m.Share*x.Logit-m.Part) > 1e-12*attribution.Scale {
				t.Errorf("%s: share of %s is %v", x.Name, m.Head, m.Share)
			}
		}
		listed = sum + part["l0h3"]
		if r := x.HeadMaps; !slices.Equal(names, []string{"l4", "l0h3", "l4h1"}) || r.RestHeads != (vitLayers-1)*vitLayerHeads-1 || math.Abs(r.Listed-listed) > 1e-12*attribution.Scale {
			t.Errorf("%s: %v with %g, others %d; want %g", x.Name, names, r.Listed, r.RestHeads, listed)
		}
	}
	for name, want := range map[string]string{"h3": "a head, l0h0 to l4h3, or a layer, l0 to l4", "l5": "l0 to l4", "l4h4": "l0h0 to l4h3", "l2n5": "a head"} {
		o.Heads = []string{name}
		_, err := Run(t.Context(), o, Sink{}, pipelinetest.Silent())
		if !errors.Is(err, usage.Err) || !strings.Contains(err.Error(), "{head-idxs}: unit \""+name) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}
