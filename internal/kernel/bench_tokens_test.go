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

// BenchmarkLayers runs the products of eight layers of a vision transformer one after the
// other, each with weights of its own, which no cache holds from one run to the next.
func BenchmarkLayers(b *testing.B) {
	for _, s := range tokenCases {
		for _, images := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/B=%d", s.name, images), func(b *testing.B) {
				const layers = 8
				var run []func()
				flops := 0.0
				x := NewMap(s.width, images, 1, s.tokens)
				x.SetPlanar(random(1, images*s.width*s.tokens, 1))
				qkv, wide := NewMap(3*s.width, images, 1, s.tokens), NewMap(4*s.width, images, 1, s.tokens)
				mixed := qkv
				mixed.C, mixed.Data = s.width, mixed.Data[:s.width/Lanes*mixed.Stride*Lanes]
				scratch := new(Scratch)
				for range layers {
					add := func(in, out int, activation Activation, residual *Map, dst, src Map) {
						spec := ConvSpec{In: []int{in}, Out: out, Kernel: 1, H: 1, W: s.tokens, Images: images, Activation: activation}
						dense := random(2, in*out, 0.02)
						c := NewConv(spec, [][]float32{dense}, make([]float32, out))
						flops += c.FLOPs(images)
						run = append(run, func() { c.Run(dst, residual, scratch, par.NewTeam(1), src) })
					}
					add(s.width, 3*s.width, None, nil, qkv, x)
					add(s.width, s.width, None, nil, x, mixed)
					add(s.width, 4*s.width, QuickGELU, nil, wide, x)
					add(4*s.width, s.width, None, nil, x, wide)
				}
				measure(b, flops, func() {
					for _, r := range run {
						r()
					}
				})
			})
		}
	}
}
