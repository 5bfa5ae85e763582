package kernel

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/par"
)

// backbone is a CLIP-ResNet's convolutions with random weights: the part of the image
// tower before its attention pool.
type backbone struct {
	steps []func(*Scratch, par.Team)
	names []string
	flops []float64
}

// newBackbone builds the layers for images of the given side.
func newBackbone(layers [4]int, width, side, images int, precision Precision) *backbone {
	b := &backbone{}
	add := func(name string, flops float64, step func(*Scratch, par.Team)) {
		b.steps, b.names, b.flops = append(b.steps, step), append(b.names, name), append(b.flops, flops)
	}
	conv := func(in []int, out, kernel, hw int, residual *Map, src ...Map) Map {
		spec := ConvSpec{In: in, Out: out, Kernel: kernel, H: hw, W: hw, Images: images, Activation: ReLU, Precision: precision}
		var w [][]float32
		for _, n := range in {
			w = append(w, make([]float32, out*n*kernel*kernel))
			w[len(w)-1][0] = 1
		}
		c := NewConv(spec, w, make([]float32, out))
		dst := NewMap(out, images, hw, hw)
		if residual != nil {
			dst = *residual
		}
		add(fmt.Sprintf("%v to %d at %d: %v", in, out, hw, c.Spec().Algorithm), c.FLOPs(images), func(s *Scratch, t par.Team) { c.Run(dst, residual, s, t, src...) })
		return dst
	}
	pool := func(src Map) Map {
		dst := NewMap(src.C, images, src.H/2, src.W/2)
		add("pool", 0, func(_ *Scratch, t par.Team) { AvgPool2(dst, src, t) })
		return dst
	}
	pixels := random(1, images*3*side*side, 1)
	stem := newStem(width/2, side, side, make([]float32, width/2*27), make([]float32, width/2))
	x := NewMap(width/2, images, side/2, side/2)
	first := x
	add("stem", stem.FLOPs(images), func(s *Scratch, t par.Team) { stem.Run(first, pixels, s, t) })
	x = conv([]int{width / 2}, width/2, 3, side/2, nil, x)
	x = pool(conv([]int{width / 2}, width, 3, side/2, nil, x))
	for stage, n := range layers {
		p := width << stage
		for i := range n {
			y := conv([]int{x.C}, p, 1, x.H, nil, x)
			y = conv([]int{p}, p, 3, x.H, nil, y)
			if i == 0 {
				if stage > 0 {
					y, x = pool(y), pool(x)
				}
				x = conv([]int{p, x.C}, 4*p, 1, x.H, nil, y, x)
				continue
			}
			sum := x
			conv([]int{p}, 4*p, 1, x.H, &sum, y)
		}
	}
	return b
}

// BenchmarkBackbone runs whole towers and, with -v, logs each step's best time.
func BenchmarkBackbone(b *testing.B) {
	for _, m := range []struct {
		name        string
		layers      [4]int
		width, side int
	}{{"RN50", [4]int{3, 4, 6, 3}, 64, 224}, {"RN50x16", [4]int{6, 8, 18, 8}, 96, 384}} {
		for _, run := range []struct {
			images    int
			precision Precision
		}{{1, Float32}, {8, Float32}, {1, BFloat16}} {
			b.Run(fmt.Sprintf("Model=%s/B=%d/%v", m.name, run.images, run.precision), func(b *testing.B) {
				if run.precision == BFloat16 && !HasBFloat16() {
					b.Skip("this level has no products of bfloat16")
				}
				net := newBackbone(m.layers, m.width, m.side, run.images, run.precision)
				scratch, team := new(Scratch), par.NewTeam(1)
				best := make([]time.Duration, len(net.steps))
				total := 0.0
				for _, f := range net.flops {
					total += f
				}
				measure(b, total, func() {
					for i, step := range net.steps {
						start := threadTime()
						step(scratch, team)
						if d := threadTime() - start; best[i] == 0 || d < best[i] {
							best[i] = d
						}
					}
				})
				for i, d := range best {
					if testing.Verbose() {
						b.Logf("%-40s %9.3f ms %7.1f GFLOP/s", net.names[i], d.Seconds()*1e3, net.flops[i]/float64(d.Nanoseconds()))
					}
				}
			})
		}
	}
}

// BenchmarkTeam runs RN50's backbone on as many threads as -cpu says, and reports how its passes
// spread: also beside other programs, for which see KERNELS.md.
func BenchmarkTeam(b *testing.B) {
	net := newBackbone([4]int{3, 4, 6, 3}, 64, 224, 1, Float32)
	scratch, team := new(Scratch), par.NewTeam(runtime.GOMAXPROCS(0))
	pass := func() float64 {
		start := time.Now()
		for _, step := range net.steps {
			step(scratch, team)
		}
		return time.Since(start).Seconds() * 1e3
	}
	for range 20 { // until patience fits the machine
		pass()
	}
	var passes []float64
	for b.Loop() {
		passes = append(passes, pass())
	}
	slices.Sort(passes)
	for _, p := range []struct {
		share float64
		name  string
	}{{0.1, "p10-ms"}, {0.5, "median-ms"}, {0.9, "p90-ms"}} {
		b.ReportMetric(passes[int(p.share*float64(len(passes)))], p.name)
	}
}
