package attribution_test

import (
	"math"
	"testing"

	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestHeads compares what heads add by tokens with the goldens, along texts and in size: of
// each head and of whole layers, and that tokens sum to what the heads add.
func TestHeads(t *testing.T) {
	const B, L, H, T, O = 8, 5, 4, 37, 24
	ck, err := clip.OpenWith(testutil.GoldenViT("vit_sd32.pt"), clip.Details{Heads: H, Activation: "gelu"})
	if err != nil {
		t.Fatal(err)
	}
	defer ck.Close()
	tower, err := clip.NewImageTower(ck, clip.ImageOptions{Batch: B, Threads: 2, Reads: true})
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) []float32 {
		x, _ := pipelinetest.ReadNPY(t, testutil.GoldenViT(name+".npy"))
		return x
	}
	pixels, texts, tokens, heads := read("images"), read("texts"), read("gelu/first_tokens"), read("gelu/first_heads")
	W := tower.Config().TokenWidth()
	out := clip.Output{Features: make([]float32, B*O), Reads: make([]float32, B*L*T*W), Statistics: make([]float32, 2*B)}
	if err := tower.Run(pixels, out); err != nil {
		t.Fatal(err)
	}
	d, err := ck.Tokens()
	if err != nil {
		t.Fatal(err)
	}
	const texted = 3
	largest := 0.0 // of all parts of heads along a text
	along := func(row []float64, text int) float64 {
		sum := 0.0
		for o, x := range row {
			sum += x * float64(texts[text*O+o])
		}
		return sum
	}
	norm := func(row []float64) float64 {
		sum := 0.0
		for _, x := range row {
			sum += x * x
		}
		return math.Sqrt(sum)
	}
	for _, x := range heads {
		largest = max(largest, math.Abs(float64(x)))
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if !(math.Abs(got-want) <= 1e-5*largest) {
			t.Errorf("%s: %g, want %g", what, got, want)
		}
	}
	for l := range L {
		for first := range H + 1 {
			count := 1
			if first == H { // the whole layer
				first, count = 0, H
			}
			h := attribution.NewHeads(d, l, first, count, H, texts[:texted*O])
			for b := range B {
				reads, statistics := out.Reads[b*L*T*W:][:L*T*W], out.Statistics[2*b:2*b+2]
				sum := make([]float64, O) // what the heads add
				rows := make([]float64, T*O)
				for k := first; k < first+count; k++ {
					for o := range O {
						sum[o] += float64(heads[((b*L+l)*H+k)*O+o])
						for m := range T {
							rows[m*O+o] += float64(tokens[(((b*L+l)*T+m)*H+k)*O+o])
						}
					}
				}
				dst := make([]float64, T)
				for p := range texted {
					h.Along(dst, p, reads, statistics)
					for m := range T {
						near("along a text", dst[m], along(rows[m*O:(m+1)*O], p))
					}
					near("sum over tokens", attribution.Sum(dst), along(sum, p))
				}
				near("norm", h.Norms(dst, reads, statistics), norm(sum))
				for m := range T {
					near("norm of a token", dst[m], norm(rows[m*O:(m+1)*O]))
				}
			}
		}
	}
}

// TestTokenMap holds that the maps of all heads are those of Heads, in float64, that they sum
// to the map of all heads together, and that with what the MLPs add they are the logit.
func TestTokenMap(t *testing.T) {
	const B, L, H, T, O, factor = 8, 5, 4, 37, 24, 7.5
	ck, err := clip.OpenWith(testutil.GoldenViT("vit_sd32.pt"), clip.Details{Heads: H, Activation: "gelu"})
	if err != nil {
		t.Fatal(err)
	}
	defer ck.Close()
	tower, err := clip.NewImageTower(ck, clip.ImageOptions{Batch: B, Threads: 2, Reads: true, FirstOrder: true})
	if err != nil {
		t.Fatal(err)
	}
	pixels, _ := pipelinetest.ReadNPY(t, testutil.GoldenViT("images.npy"))
	texts, _ := pipelinetest.ReadNPY(t, testutil.GoldenViT("texts.npy"))
	W := tower.Config().TokenWidth()
	out := clip.Output{
		Features: make([]float32, B*O), Reads: make([]float32, B*L*T*W), MLPs: make([]float32, B*(L+1)*O), Statistics: make([]float32, 2*B),
	}
	if err := tower.Run(pixels, out); err != nil {
		t.Fatal(err)
	}
	d, err := ck.Tokens()
	if err != nil {
		t.Fatal(err)
	}
	near := func(what string, got, want, rounding float64) {
		t.Helper()
		if !(math.Abs(got-want) <= rounding*math.Max(1, math.Abs(want))) {
			t.Errorf("%s: %.17g, want %.17g", what, got, want)
		}
	}
	text, other := texts[:O], texts[O:2*O]
	for _, versus := range [][]float32{nil, other} {
		m := attribution.NewTokenMap(d, H, attribution.Difference(text, versus), par.NewTeam(2))
		for b := range B {
			one := out.Of(b, B)
			maps, all, sum := make([]float64, L*H*T), make([]float64, T), make([]float64, T)
			m.Heads(maps, one.Reads, one.Statistics, factor)
			mlps := m.Map(all, one.Reads, one.MLPs, one.Statistics, factor)
			for i := range L * H {
				h, want, against := attribution.NewHeads(d, i/H, i%H, 1, H, texts[:2*O]), make([]float64, T), make([]float64, T)
				h.Along(want, 0, one.Reads, one.Statistics)
				if versus != nil {
					h.Along(against, 1, one.Reads, one.Statistics)
				}
				for k := range T {
					near("map of a head", maps[i*T+k], factor*(want[k]-against[k]), 1e-12)
					sum[k] += maps[i*T+k]
				}
			}
			for k := range T {
				near("sum of the maps of heads", sum[k], all[k], 1e-12)
			}
			logit := 0.0
			for o, x := range one.Features {
				logit += factor * float64(x) * attribution.Difference(text, versus)[o]
			}
			near("tokens and MLPs", attribution.Sum(all)+mlps, logit, 1e-5)
		}
	}
}
