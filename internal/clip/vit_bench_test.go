package clip

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// randomViT is a tower of a published model's size with random weights.
func randomViT(b *testing.B, name string, layers int, o ImageOptions) *ViTTower {
	var c Config
	for _, m := range configs.Transformers() {
		if m.Name == name {
			c = Config{ViT: ViT{m.PatchSize, m.Width, min(layers, m.Layers), m.Heads, m.MLP}, ImageSize: m.ImageSize, OutDim: m.OutDim, Activation: kernel.GELU}
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	draw := func(n int, scale float32) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = scale * float32(random.NormFloat64())
		}
		return x
	}
	v, W := c.ViT, c.ViT.Width
	pack := func(in, out int, activation kernel.Activation) *kernel.Conv {
		return kernel.NewConv(kernel.ConvSpec{In: []int{in}, Out: out, Kernel: 1, H: 1, W: c.Tokens(), Images: 1, Activation: activation},
			[][]float32{draw(in*out, 0.02)}, draw(out, 0.02))
	}
	norm := affine{draw(W, 1), draw(W, 0.1)}
	w := &vitWeights{
		patches: pack(3*v.Patch*v.Patch, W, kernel.None), position: draw(c.Tokens()*W, 0.02), pre: norm, post: norm, projection: pack(W, c.OutDim, kernel.None),
	}
	inner := v.Heads * v.paddedWidth()
	l := vitLayer{norm, norm, pack(W, 3*inner, kernel.None), pack(inner, W, kernel.None), pack(W, v.MLP, kernel.GELU), pack(v.MLP, W, kernel.None)}
	for range v.Layers {
		w.layers = append(w.layers, l)
	}
	square := func() kernel.Weights { return kernel.FloatWeights(draw(W*W, 0.02)) }
	w.last = classWeights{attentionWeights{query: square(), queryBias: draw(W, 0.02), key: square()}, square(), draw(W, 0.02)}
	t := &ViTTower{config: c, options: o, weights: w, all: par.NewTeam(o.Threads)}
	var err error
	if t.lanes, err = lanesOf(o, func(capacity int) (*vitLane, error) { return newViTLane(t, capacity) }); err != nil {
		b.Fatal(err)
	}
	return t
}

// BenchmarkViT measures images of published sizes through four layers, plain, and with
// scores of the second layer's neurons.
func BenchmarkViT(b *testing.B) {
	for _, name := range []string{"ViT-B-32", "ViT-B-16", "ViT-L-14"} {
		for _, batch := range []int{1, 8} {
			for _, pairs := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/batch=%d/pairs=%v", name, batch, pairs), func(b *testing.B) {
					t := randomViT(b, name, 4, ImageOptions{Batch: batch, Threads: 1, Pairs: pairs, NeuronLayer: 1})
					images := make([]float32, batch*t.ImageLen())
					for i := range images {
						images[i] = float32(i%17) / 17
					}
					out := Output{Features: make([]float32, batch*t.config.OutDim)}
					if pairs {
						out.Scores = make([]float32, batch*2*t.config.Heads()*t.config.Neurons())
					}
					gflop := 0.0
					for _, l := range t.Plan() {
						gflop += l.GFLOP * float64(batch)
					}
					b.ResetTimer()
					for b.Loop() {
						if err := t.Run(images, out); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(gflop*float64(b.N)/b.Elapsed().Seconds(), "GFLOP/s")
				})
			}
		}
	}
}
