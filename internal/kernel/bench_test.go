package kernel

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/par"
)

// peak measures the peak rate of one core at the active level: the rate, in GFLOP/s, of
// the largest tile on operands in the first-level cache. It takes the best of many short
// rounds, since other programs may use the machine.
var peak = sync.OnceValue(func() float64 {
	const blocks, calls = 4, 2000
	f := activeFamily()
	width := f.panelWidth(maxWidth)
	rows := len(f.tiles[width]) - 1
	src := Alloc(rows * Lanes)
	m := packed{kBlocks: blocks, nBlocks: width, width: width, data: Alloc(blocks * width * blockFloats)}
	dst := Alloc(rows * width * Lanes)
	sources := make([]unsafe.Pointer, blocks)
	for i := range sources {
		sources[i] = unsafe.Pointer(&src[0])
	}
	t := &tileArgs{
		sources: unsafe.Pointer(&sources[0]), blocks: blocks,
		b: unsafe.Pointer(&m.data[0]), c: unsafe.Pointer(&dst[0]), cPixel: width * laneBytes, cBlock: laneBytes,
		rows: rows,
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	best := time.Duration(1 << 62)
	for range 40 {
		start := threadTime()
		for range calls {
			f.tiles[width][rows](t)
		}
		best = min(best, threadTime()-start)
	}
	return 2 * float64(rows*width*blocks*blockFloats) * calls / float64(best.Nanoseconds())
})

// measure runs body, which must use only the calling goroutine, for the benchmark's time.
// It reports the rate of the fastest call and its share of one core's peak, in processor
// time. The share of a Winograd convolution may exceed 100 %, since FLOPs count the
// products that it saves.
func measure(b *testing.B, flops float64, body func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	body()
	best := time.Duration(1 << 62)
	for b.Loop() {
		start := threadTime()
		body()
		best = min(best, threadTime()-start)
	}
	rate := flops / float64(best.Nanoseconds())
	b.ReportMetric(rate, "GFLOP/s")
	b.ReportMetric(100*rate/peak(), "%peak")
	b.ReportMetric(float64(best.Nanoseconds()), "ns/op")
}

func benchmarkConv(b *testing.B, spec ConvSpec, residual bool) {
	c := newConvCase(spec, residual)
	conv := NewConv(spec, c.weights, c.bias)
	var src []Map
	for i, in := range spec.In {
		m := NewMap(in, spec.Images, spec.H, spec.W)
		m.SetPlanar(c.src[i])
		src = append(src, m)
	}
	dst := NewMap(spec.Out, spec.Images, spec.H, spec.W)
	var res *Map
	if residual {
		r := NewMap(spec.Out, spec.Images, spec.H, spec.W)
		res = &r
	}
	scratch := new(Scratch)
	measure(b, conv.FLOPs(spec.Images), func() { conv.Run(dst, res, scratch, par.NewTeam(1), src...) })
}

// BenchmarkConv1x1 runs shapes of the bottlenecks of RN50, RN50x4 and RN50x16.
func BenchmarkConv1x1(b *testing.B) {
	for _, s := range []struct{ in, out, hw, images int }{
		{64, 64, 56, 1}, {64, 256, 56, 1}, {256, 64, 56, 1}, {512, 128, 28, 1}, {256, 1024, 14, 1}, {1024, 256, 14, 1}, {512, 2048, 7, 1}, {2048, 512, 7, 1}, {2048, 512, 7, 8},
		{320, 80, 72, 1}, {96, 384, 96, 1}, {384, 1536, 24, 1}, {1536, 384, 24, 1}, {768, 3072, 12, 1},
	} {
		b.Run(fmt.Sprintf("In=%d/Out=%d/HW=%d/B=%d", s.in, s.out, s.hw, s.images), func(b *testing.B) {
			benchmarkConv(b, ConvSpec{In: []int{s.in}, Out: s.out, Kernel: 1, H: s.hw, W: s.hw, Images: s.images, Activation: ReLU}, s.out > s.in)
		})
	}
}

// towerMaps are the 3x3 layers of RN50 and RN50x16 after the stem.
var towerMaps = []struct{ c, hw int }{{64, 56}, {128, 28}, {256, 14}, {512, 7}, {96, 96}, {192, 48}, {384, 24}, {768, 12}}

// BenchmarkConv3x3 compares the algorithms, alone and in a batch of 8.
func BenchmarkConv3x3(b *testing.B) {
	for _, s := range append(towerMaps, struct{ c, hw int }{32, 112}, struct{ c, hw int }{48, 192}) {
		for _, images := range []int{1, 8} {
			for _, a := range []Algorithm{Direct, Winograd2, Winograd4} {
				b.Run(fmt.Sprintf("C=%d/HW=%d/B=%d/%v", s.c, s.hw, images, a), func(b *testing.B) {
					benchmarkConv(b, ConvSpec{In: []int{s.c}, Out: s.c, Kernel: 3, H: s.hw, W: s.hw, Images: images, Activation: ReLU, Algorithm: a}, false)
				})
			}
		}
	}
}

func BenchmarkSgemm(b *testing.B) {
	for _, s := range [][3]int{{1, 2048, 2048}, {10, 512, 512}, {64, 64, 64}, {256, 256, 256}, {1000, 1024, 1000}} {
		for _, trans := range []bool{false, true} {
			b.Run(fmt.Sprintf("M=%d/N=%d/K=%d/transB=%v", s[0], s[1], s[2], trans), func(b *testing.B) {
				m, n, k := s[0], s[1], s[2]
				x, y, z := random(1, m*k, 1), random(2, k*n, 1), make([]float32, m*n)
				ldb := n
				if trans {
					ldb = k
				}
				measure(b, 2*float64(m)*float64(n)*float64(k), func() {
					Sgemm(1, Dense(x, m, k), Matrix{Data: y, Rows: k, Cols: n, Stride: ldb, Transposed: trans}, 0, Dense(z, m, n), par.NewTeam(1))
				})
			})
		}
	}
}

// BenchmarkRows runs the products of RN50's attention pool: those of a few rows by matrices that
// come from memory.
func BenchmarkRows(b *testing.B) {
	const C, heads, out = 2048, 32, 1024
	type product struct{ k, n int }
	all := []product{{C, C}}
	for range heads {
		all = append(all, product{C / heads, C}, product{C, C / heads})
	}
	all = append(all, product{C, out})
	for _, half := range []bool{false, true} {
		var matrices []Weights
		flops := 0.0
		for _, p := range all {
			m, ones := PackedWeights(Alloc(WeightsLen(p.k*p.n, half)), p.k*p.n, half), make([]float32, p.k*p.n)
			for i := range ones {
				ones[i] = 1
			}
			m.Set(ones)
			matrices = append(matrices, m)
			flops += 2 * float64(p.k*p.n)
		}
		for _, images := range []int{1, 8} {
			b.Run(fmt.Sprintf("half=%v/B=%d", half, images), func(b *testing.B) {
				x, y := random(1, images*C, 1), make([]float32, images*C)
				measure(b, flops*float64(images), func() {
					for i, p := range all {
						Sgemm(1, Dense(x, images, p.k), matrices[i].Matrix(0, p.k, p.n), 0, Dense(y, images, p.n), par.Team{})
					}
				})
			})
		}
	}
}

// BenchmarkPeak prints the peak that the other benchmarks are compared with.
func BenchmarkPeak(b *testing.B) {
	b.ReportMetric(peak(), "GFLOP/s")
	b.ReportMetric(0, "ns/op")
	b.Logf("level %v", cpu.Active())
}

// BenchmarkLayerNorm normalises the text tower's tokens.
func BenchmarkLayerNorm(b *testing.B) {
	for _, c := range []int{512, 768} {
		b.Run(fmt.Sprintf("C=%d", c), func(b *testing.B) {
			const tokens = 64
			m := NewMap(c, 1, 1, tokens)
			gamma := random(1, c, 1)
			b.SetBytes(int64(c * tokens * 4))
			for b.Loop() {
				LayerNorm(m, m, gamma, gamma, 1e-5, par.NewTeam(1))
			}
		})
	}
}

// BenchmarkPackConv packs the weights of a 3x3 layer for Winograd's algorithms.
func BenchmarkPackConv(b *testing.B) {
	const c = 192
	weights, bias := [][]float32{random(1, c*c*taps, 1)}, make([]float32, c)
	for _, a := range []Algorithm{Winograd2, Winograd4} {
		b.Run(a.String(), func(b *testing.B) {
			spec := ConvSpec{In: []int{c}, Out: c, Kernel: 3, H: 24, W: 24, Images: 1, Algorithm: a}
			dst := Alloc(spec.PackedLen())
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			best := time.Duration(1 << 62)
			for b.Loop() {
				start := threadTime()
				PackConv(dst, spec, weights, bias)
				best = min(best, threadTime()-start)
			}
			b.ReportMetric(float64(best.Nanoseconds())/(c*c), "ns/filter")
			b.ReportMetric(float64(best.Nanoseconds()), "ns/op")
		})
	}
}
