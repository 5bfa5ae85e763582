package clip

import (
	"math/rand/v2"
	"testing"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// BenchmarkSinkDrops measures one image of RN50x16's size: 3,072 neurons, 48
// heads, 145 tokens.
func BenchmarkSinkDrops(b *testing.B) {
	c := Config{ResNet: ResNet{Width: 96}, ImageSize: 384}
	random := rand.New(rand.NewPCG(1, 2))
	draw := func(n int, scale float32) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = scale * float32(random.NormFloat64())
		}
		return x
	}
	C, T := c.Neurons(), c.Tokens()
	tw := &ResNetTower{config: c, all: par.NewTeam(1), attend: attentionWeights{
		position: draw(T*C, 0.1), query: kernel.FloatWeights(draw(C*C, 0.02)), queryBias: draw(C, 0.1), key: kernel.FloatWeights(draw(C*C, 0.02)),
	}}
	probe, tokens, drops := tw.NewSinkProbe(), draw(T*C, 1), make([]float32, C)
	for b.Loop() {
		probe.Drops(drops, tokens)
	}
}
