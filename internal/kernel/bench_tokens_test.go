package kernel

import (
	"fmt"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
)

// tokenCases are batches of the tokens of ViT-B/32, B/16 and L/14.
var tokenCases = []struct {
	name          string
	width, tokens int
}{{"B-32", 768, 50}, {"B-16", 768, 197}, {"L-14", 1024, 257}}

// BenchmarkTokenProducts runs the products of a vision transformer's layer.
func BenchmarkTokenProducts(b *testing.B) {
	for _, s := range tokenCases {
		for _, images := range []int{1, 8} {
			for _, l := range []struct {
				name       string
				in, out    int
				activation Activation
				residual   bool
			}{
				{"in_proj", s.width, 3 * s.width, None, false}, {"out_proj", s.width, s.width, None, true},
				{"c_fc", s.width, 4 * s.width, QuickGELU, false}, {"c_proj", 4 * s.width, s.width, None, true},
			} {
				b.Run(fmt.Sprintf("%s/B=%d/%s", s.name, images, l.name), func(b *testing.B) {
					benchmarkConv(b, ConvSpec{In: []int{l.in}, Out: l.out, Kernel: 1, H: 1, W: s.tokens, Images: images, Activation: l.activation}, l.residual)
				})
			}
		}
	}
}

// BenchmarkAttention runs the attention of all tokens of an image.
func BenchmarkAttention(b *testing.B) {
	for _, s := range tokenCases {
		b.Run(s.name, func(b *testing.B) {
			const depth = 64
			qkv, dst := NewMap(3*s.width, 1, 1, s.tokens), NewMap(s.width, 1, 1, s.tokens)
			qkv.SetPlanar(random(1, 3*s.width*s.tokens, 1))
			scratch := new(Scratch)
			measure(b, 4*float64(s.tokens*s.tokens*s.width), func() {
				Attention(dst, qkv, s.width/depth, depth, depth, scratch, par.Team{})
			})
		})
	}
}
