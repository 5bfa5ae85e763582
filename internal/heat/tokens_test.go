package heat

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/testutil"
)

// The golden vision transformer.
const (
	vitLayer, vitLayers, vitHeads, vitTokens, vitNeurons, vitDims, vitWidth = 2, 5, 4, 37, 128, 24, 48
	vitQueries                                                              = 5
)

func goldenViT(t testing.TB, name string) []float32 {
	t.Helper()
	data, _, err := npy.ReadFloat32(testutil.GoldenViT(name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// vitWindows are the golden images as the golden tower sees them.
func vitWindows(t testing.TB) (*clip.Checkpoint, []Window) {
	t.Helper()
	ck, err := clip.OpenWith(testutil.GoldenViT("vit_sd32.pt"), clip.Details{Heads: vitHeads, Activation: "gelu"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ck.Close() })
	tower, err := clip.NewViTTower(ck, clip.ImageOptions{Batch: 2, Threads: 2, Reads: true, Pairs: true, PairTokens: true, NeuronLayer: vitLayer})
	if err != nil {
		t.Fatal(err)
	}
	pixels := goldenViT(t, "images.npy")
	n := len(pixels) / tower.ImageLen()
	out := clip.Output{
		Features: make([]float32, n*vitDims), Reads: make([]float32, n*vitLayers*vitTokens*vitWidth), Statistics: make([]float32, 2*n),
		Neurons: make([]float32, n*vitTokens*vitNeurons),
	}
	if err := tower.Run(pixels, out); err != nil {
		t.Fatal(err)
	}
	var windows []Window
	for i := range n {
		o := out.Of(i, n)
		windows = append(windows, Window{Rows: 6, Cols: 6, Reads: o.Reads, Statistics: o.Statistics, Neurons: o.Neurons, Feature: o.Features})
	}
	return ck, windows
}

// TestTokenMapper compares every method with what the golden parts of tokens give, for any
// number of threads.
func TestTokenMapper(t *testing.T) {
	const places, P, H = vitTokens - 1, vitQueries, 2 * vitHeads // heads of the two layers after the neurons'
	ck, windows := vitWindows(t)
	tokens, err := ck.Tokens()
	if err != nil {
		t.Fatal(err)
	}
	text, parts, features := goldenViT(t, "texts.npy")[:P*vitDims], goldenViT(t, "gelu/first_tokens.npy"), goldenViT(t, "gelu/feature.npy")
	pairs := &Pairs{K: 7, Index: make([]int32, 7*P)}
	for i := range pairs.Index {
		pairs.Index[i] = int32(i * 29 % (H * vitNeurons))
	}
	methods := []Method{ByTokens, ByPairs, ByHeads, ByNeurons}
	var first [][]float32
	for _, threads := range []int{1, 3} {
		team := par.NewTeam(threads)
		mapper := NewTokenMapper(tokens, text, pairs, PairHeads{First: vitLayer + 1, Heads: vitHeads, Neurons: vitNeurons}, Options{Methods: methods}, team)
		for b := range windows {
			got := make([][]float32, len(methods))
			want := make([][]float32, len(methods))
			for i := range got {
				got[i], want[i] = make([]float32, P*places), make([]float32, P*places)
			}
			mapper.Logits(got, &windows[b], team)
			length := 0.0
			for _, x := range features[b*vitDims : (b+1)*vitDims] {
				length += float64(x) * float64(x)
			}
			part := func(l, m, h int) []float32 {
				at := (((b*vitLayers+l)*vitTokens+m+1)*vitHeads + h) * vitDims
				return parts[at : at+vitDims]
			}
			for p := range P {
				row := text[p*vitDims : (p+1)*vitDims]
				for m := range places {
					sum := 0.0
					for l := range vitLayers {
						for h := range vitHeads {
							sum += dot(part(l, m, h), row)
						}
					}
					want[0][p*places+m] = float32(places / math.Sqrt(length) * sum)
					var product, heads, neurons float64
					for _, u := range pairs.Index[p*7 : (p+1)*7] {
						head := int(u) / vitNeurons
						r := part(vitLayer+1+head/vitHeads, m, head%vitHeads)
						cosine := dot(r, row) / math.Sqrt(dot(r, r))
						z := float64(windows[b].Neurons[(m+1)*vitNeurons+int(u)%vitNeurons])
						product, heads, neurons = product+z*cosine/7, heads+cosine/7, neurons+z/7
					}
					want[1][p*places+m], want[2][p*places+m], want[3][p*places+m] = float32(product), float32(heads), float32(neurons)
				}
			}
			for i, m := range methods {
				tolerance := 1e-5
				if m == ByPairs || m == ByHeads {
					tolerance = 1e-4 // of cosines with small parts
				}
				if err := testutil.Far(got[i], want[i], tolerance); err != nil {
					t.Errorf("image %d, %s: %v", b, m, err)
				}
			}
			if threads == 1 {
				first = append(first, slices.Concat(got...))
			} else if !slices.Equal(first[b], slices.Concat(got...)) {
				t.Errorf("image %d: other bytes on %d threads", b, threads)
			}
		}
	}
}

// TestPatchAxis lays windows of one size in patches of 8 pixels.
func TestPatchAxis(t *testing.T) {
	for _, test := range []struct {
		length, stride int
		want           string
	}{
		{48, 24, "[0] 48 48 0 6"}, {60, 24, "[0 12] 48 48 0 6"}, {100, 24, "[0 24 48 52] 48 48 0 6"}, {40, 24, "[0] 40 48 4 6"},
	} {
		a := NewAxis(test.length, 48, test.stride, 8, true)
		if got := fmt.Sprint(a.Starts, a.Size, a.Padded, a.Before, a.Cells()); got != test.want {
			t.Errorf("%d pixels: %s, want %s", test.length, got, test.want)
		}
		weights := a.Weights(test.length)
		each := len(a.Starts) * a.Cells()
		for i := range test.length { // a constant stays one
			sum := 0.0
			for _, w := range weights[i*each : (i+1)*each] {
				sum += float64(w)
			}
			if math.Abs(sum-1) > 1e-5 {
				t.Errorf("%d pixels: weights at %d sum to %g", test.length, i, sum)
			}
		}
	}
}
