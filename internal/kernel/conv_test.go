package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/par"
)

// convTolerance bounds the error of a convolution relative to its largest
// output. Winograd's F(4x4) loses about a digit and a half: the largest error measured
// over the towers' layers is 4e-6.
var convTolerance = map[Algorithm]float64{GEMM: 2e-6, Direct: 2e-6, Winograd2: 4e-6, Winograd4: 1e-5}

// convLoop computes the convolution by its definition, in float64, on planar maps.
func convLoop(spec ConvSpec, images, h, w int, weights [][]float32, bias, residual []float32, src [][]float32) []float32 {
	dst := make([]float32, images*spec.Out*h*w)
	r := spec.Kernel / 2
	for i := range images {
		for o := range spec.Out {
			for y := range h {
				for x := range w {
					sum := float64(bias[o])
					for s, in := range spec.In {
						for c := range in {
							for dy := -r; dy <= r; dy++ {
								for dx := -r; dx <= r; dx++ {
									if y+dy < 0 || y+dy >= h || x+dx < 0 || x+dx >= w {
										continue
									}
									tap := (dy+r)*spec.Kernel + dx + r
									sum += float64(weights[s][(o*in+c)*spec.Kernel*spec.Kernel+tap]) *
										float64(src[s][((i*in+c)*h+y+dy)*w+x+dx])
								}
							}
						}
					}
					at := ((i*spec.Out+o)*h+y)*w + x
					if residual != nil {
						sum += float64(residual[at])
					}
					switch spec.Activation {
					case ReLU:
						sum = max(sum, 0)
					case QuickGELU:
						sum /= 1 + math.Exp(-1.702*sum)
					case GELU:
						sum *= 0.5 * math.Erfc(-sum/math.Sqrt2)
					}
					dst[at] = float32(sum)
				}
			}
		}
	}
	return dst
}

// convCase is a convolution with random operands.
type convCase struct {
	spec     ConvSpec
	weights  [][]float32
	bias     []float32
	src      [][]float32
	residual []float32
}

func newConvCase(spec ConvSpec, residual bool) *convCase {
	c := &convCase{spec: spec, bias: random(5, spec.Out, 1)}
	k := 0
	for _, in := range spec.In {
		k += in * spec.Kernel * spec.Kernel
	}
	for i, in := range spec.In {
		c.weights = append(c.weights, random(uint64(10+i), spec.Out*in*spec.Kernel*spec.Kernel, math.Sqrt(2/float64(k))))
		c.src = append(c.src, random(uint64(20+i), spec.Images*in*spec.H*spec.W, 1))
	}
	if residual {
		c.residual = random(30, spec.Images*spec.Out*spec.H*spec.W, 1)
	}
	return c
}

// run computes the case with a team, the residual being dst itself, and
// returns dst planar.
func (c *convCase) run(conv *Conv, team int) []float32 {
	s := c.spec
	var src []Map
	for i, in := range s.In {
		m := NewMap(in, s.Images, s.H, s.W)
		m.SetPlanar(c.src[i])
		src = append(src, m)
	}
	dst := NewMap(s.Out, s.Images, s.H, s.W)
	var residual *Map
	if c.residual != nil {
		dst.SetPlanar(c.residual)
		residual = &dst
	}
	conv.Run(dst, residual, new(Scratch), par.NewTeam(team), src...)
	out := make([]float32, s.Images*s.Out*s.H*s.W)
	dst.Planar(out)
	return out
}

func TestConv(t *testing.T) {
	specs := []ConvSpec{
		{In: []int{3}, Out: 5, Kernel: 1, H: 1, W: 1, Images: 1},
		{In: []int{16}, Out: 16, Kernel: 1, H: 3, W: 5, Images: 1, Activation: ReLU},
		{In: []int{40}, Out: 48, Kernel: 1, H: 7, W: 7, Images: 3, Activation: ReLU},
		{In: []int{300}, Out: 80, Kernel: 1, H: 5, W: 9, Images: 1, Activation: QuickGELU},
		{In: []int{90}, Out: 80, Kernel: 1, H: 5, W: 9, Images: 1, Activation: GELU},
		{In: []int{20, 33}, Out: 100, Kernel: 1, H: 6, W: 6, Images: 2, Activation: ReLU},
		{In: []int{64, 32}, Out: 96, Kernel: 1, H: 14, W: 14, Images: 1},
		{In: []int{1}, Out: 1, Kernel: 3, H: 1, W: 1, Images: 1},
		{In: []int{8}, Out: 24, Kernel: 3, H: 2, W: 3, Images: 2, Activation: ReLU},
		{In: []int{32}, Out: 48, Kernel: 3, H: 7, W: 7, Images: 2, Activation: ReLU},
		{In: []int{48}, Out: 80, Kernel: 3, H: 9, W: 14, Images: 1, Activation: QuickGELU},
		{In: []int{48}, Out: 80, Kernel: 3, H: 9, W: 14, Images: 1, Activation: GELU},
		{In: []int{64}, Out: 32, Kernel: 3, H: 16, W: 16, Images: 1},
	}
	for _, spec := range specs {
		algorithms := []Algorithm{Direct, Winograd2, Winograd4}
		if spec.Kernel == 1 {
			algorithms = []Algorithm{GEMM}
		}
		for _, residual := range []bool{false, true} {
			c := newConvCase(spec, residual)
			want := convLoop(spec, spec.Images, spec.H, spec.W, c.weights, c.bias, c.residual, c.src)
			for _, a := range algorithms {
				name := fmt.Sprintf("%v to %d %v %dx%dx%d %v residual %v", spec.In, spec.Out, a, spec.Images, spec.H, spec.W, spec.Activation, residual)
				t.Run(name, func(t *testing.T) {
					eachLevel(t, func(t *testing.T) { c.check(t, a, want) })
				})
			}
		}
	}
}

// check runs the case with one algorithm and teams of 1 to 8.
func (c *convCase) check(t *testing.T, a Algorithm, want []float32) {
	spec := c.spec
	spec.Algorithm = a
	conv := NewConv(spec, c.weights, c.bias)
	first := c.run(conv, 1)
	if e := relativeError(first, want); e > convTolerance[a] {
		t.Errorf("error %g, want at most %g", e, convTolerance[a])
	}
	for team := 2; team <= 8; team++ {
		if !sameBits(c.run(conv, team), first) {
			t.Errorf("a team of %d gives different bytes than a team of 1", team)
		}
	}
}

// sameBits reports whether two results have the same bytes.
func sameBits(a, b []float32) bool {
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return false
		}
	}
	return len(a) == len(b)
}

// TestConvBatches checks that an image's result has the same bytes alone, in
// views of a batch, and in a batch of a different size than planned.
func TestConvBatches(t *testing.T) {
	specs := []ConvSpec{
		{In: []int{48}, Out: 96, Kernel: 1, H: 9, W: 7, Activation: ReLU},
		{In: []int{48}, Out: 96, Kernel: 3, H: 9, W: 7, Activation: ReLU, Algorithm: Direct},
		{In: []int{48}, Out: 96, Kernel: 3, H: 9, W: 7, Activation: ReLU, Algorithm: Winograd2},
		{In: []int{48}, Out: 96, Kernel: 3, H: 9, W: 7, Activation: ReLU, Algorithm: Winograd4},
	}
	const images = 20
	eachLevel(t, func(t *testing.T) {
		for _, spec := range specs {
			spec.Images = images
			c := newConvCase(spec, false)
			spec.Images = 1 // planned for one, run with more
			conv := NewConv(spec, c.weights, c.bias)
			src := NewMap(48, images, 9, 7)
			src.SetPlanar(c.src[0])
			all, parts := NewMap(96, images, 9, 7), NewMap(96, images, 9, 7)
			scratch := new(Scratch)
			conv.Run(all, nil, scratch, par.NewTeam(3), src)
			for i, n := 0, 1; i < images; i, n = i+n, n+1 {
				n = min(n, images-i)
				conv.Run(parts.Slice(i, n), nil, scratch, par.NewTeam(n), src.Slice(i, n))
			}
			if !sameBits(all.Data, parts.Data) {
				t.Errorf("%v: views of the batch give different bytes than the batch", conv.Spec().Algorithm)
			}
		}
	})
}

func TestPlan(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		nineTiles := Winograd4
		if cpu.Active() == cpu.AVX512 {
			nineTiles = Winograd2
		}
		for _, c := range []struct {
			in, out, kernel, hw, images int
			want                        Algorithm
		}{
			{64, 256, 1, 56, 1, GEMM},
			{64, 64, 3, 56, 1, Winograd4},
			{64, 64, 3, 7, 1, Winograd4},
			{512, 512, 3, 7, 1, Winograd2},
			{512, 512, 3, 7, 8, Winograd4},
			{512, 512, 3, 14, 1, Winograd4},
			{768, 768, 3, 12, 1, nineTiles},
			{64, 64, 3, 12, 1, Winograd4},
		} {
			spec := ConvSpec{In: []int{c.in}, Out: c.out, Kernel: c.kernel, H: c.hw, W: c.hw, Images: c.images}
			if got := spec.plan(); got != c.want {
				t.Errorf("%+v is planned as %v", c, got)
			}
		}
	})
}

// TestConvMemory runs convolutions on unaligned memory whose gaps hold NaN in
// the sources and guards in the output, with a Scratch full of NaN.
func TestConvMemory(t *testing.T) {
	nan := float32(math.NaN())
	for _, spec := range []ConvSpec{
		{In: []int{20, 16}, Out: 40, Kernel: 1, H: 5, W: 7, Images: 2, Activation: ReLU},
		{In: []int{20}, Out: 40, Kernel: 3, H: 5, W: 7, Images: 2, Activation: QuickGELU, Algorithm: Direct},
		{In: []int{20}, Out: 40, Kernel: 3, H: 5, W: 7, Images: 2, Activation: QuickGELU, Algorithm: Winograd2},
		{In: []int{20}, Out: 40, Kernel: 3, H: 5, W: 7, Images: 2, Activation: ReLU, Algorithm: Winograd4},
	} {
		c := newConvCase(spec, false)
		want := convLoop(spec, spec.Images, spec.H, spec.W, c.weights, c.bias, nil, c.src)
		eachLevel(t, func(t *testing.T) {
			conv := NewConv(spec, c.weights, c.bias)
			pixels := spec.Images * spec.H * spec.W
			var src []Map
			for i, in := range spec.In {
				data := Alloc(MapLen(in, pixels) + 3)[3:]
				for i := range data {
					data[i] = nan
				}
				m := MapOn(data, in, spec.Images, spec.H, spec.W)
				m.SetPlanar(c.src[i])
				src = append(src, m)
			}
			data, touched := guarded(MapLen(spec.Out, pixels), 5)
			dst := MapOn(data, spec.Out, spec.Images, spec.H, spec.W)
			scratch := new(Scratch)
			scratch.grow(2, 1<<20)
			for _, buf := range [][]float32{scratch.sharedFloats(1 << 20), scratch.workers[0].buf, scratch.workers[1].buf, scratch.workers[0].waste} {
				for i := range buf {
					buf[i] = nan
				}
			}
			conv.Run(dst, nil, scratch, par.NewTeam(2), src...)
			got := make([]float32, len(want))
			dst.Planar(got)
			if e := relativeError(got, want); e > convTolerance[conv.Spec().Algorithm] {
				t.Errorf("%v: error %g", conv.Spec().Algorithm, e)
			}
			for b := range dst.Blocks() {
				for i := pixels * Lanes; i < dst.Stride*Lanes; i++ {
					if data[b*dst.Stride*Lanes+i] != guard {
						t.Fatalf("%v: wrote past block %d", conv.Spec().Algorithm, b)
					}
				}
				for i := range pixels * Lanes {
					if v := data[b*dst.Stride*Lanes+i]; b*Lanes+i%Lanes >= spec.Out && v != 0 {
						t.Fatalf("%v: lane %d of the padding is %g", conv.Spec().Algorithm, i%Lanes, v)
					}
				}
			}
			if touched() {
				t.Errorf("%v: wrote outside the map", conv.Spec().Algorithm)
			}
		})
	}
}

// bfloat16Tolerance bounds the error of a convolution in bfloat16 compared with float64,
// relative to the largest output. Rounding a factor has an error of up to 1/256, and the
// errors of a sum mostly cancel. Winograd's output transform amplifies the rounding of
// the transformed inputs.
var bfloat16Tolerance = map[Algorithm]float64{GEMM: 0.01, Winograd2: 0.02, Winograd4: 0.06}

// TestBFloat16Conv compares convolutions in bfloat16 with the definition, and
// for kernel 1 with exact sums of rounded factors.
func TestBFloat16Conv(t *testing.T) {
	if !HasBFloat16() {
		t.Skip("this level has no products of bfloat16")
	}
	for _, spec := range []ConvSpec{
		{In: []int{5}, Out: 7, Kernel: 1, H: 3, W: 3, Images: 1, Algorithm: GEMM},
		{In: []int{64}, Out: 96, Kernel: 1, H: 14, W: 14, Images: 1, Activation: ReLU, Algorithm: GEMM},
		{In: []int{40, 16}, Out: 80, Kernel: 1, H: 5, W: 33, Images: 2, Activation: ReLU, Algorithm: GEMM},
		{In: []int{600}, Out: 48, Kernel: 1, H: 9, W: 9, Images: 1, Algorithm: GEMM},
		{In: []int{24}, Out: 40, Kernel: 3, H: 9, W: 14, Images: 2, Activation: ReLU, Algorithm: Winograd2},
		{In: []int{64}, Out: 48, Kernel: 3, H: 9, W: 14, Images: 2, Activation: ReLU, Algorithm: Winograd4},
	} {
		for _, residual := range []bool{false, true} {
			c := newConvCase(spec, residual)
			want := convLoop(spec, spec.Images, spec.H, spec.W, c.weights, c.bias, c.residual, c.src)
			spec.Precision = BFloat16
			conv := NewConv(spec, c.weights, c.bias)
			first := c.run(conv, 1)
			e := relativeError(first, want)
			t.Logf("%v %v: error %.2g", spec.In, spec.Algorithm, e)
			if e > bfloat16Tolerance[spec.Algorithm] {
				t.Errorf("%v to %d %v: error %g", spec.In, spec.Out, spec.Algorithm, e)
			}
			for team := 2; team <= 8; team++ {
				if !sameBits(c.run(conv, team), first) {
					t.Errorf("%v: a team of %d gives different bytes than a team of 1", spec.Algorithm, team)
				}
			}
			if spec.Algorithm != GEMM {
				continue
			}
			for _, x := range append(append([][]float32{}, c.weights...), c.src...) {
				for i, v := range x {
					x[i] = math.Float32frombits(rounded(v) << 16)
				}
			}
			exact := convLoop(spec, spec.Images, spec.H, spec.W, c.weights, c.bias, c.residual, c.src)
			if e := relativeError(first, exact); e > convTolerance[GEMM] {
				t.Errorf("%v to %d %v: error %g against rounded factors", spec.In, spec.Out, spec.Algorithm, e)
			}
		}
	}
}

// TestRandomConvs compares convolutions of random shapes with the definition,
// at every level, each with a random algorithm, activation and team.
func TestRandomConvs(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 9))
	for range 150 {
		spec := ConvSpec{
			In: []int{1 + r.IntN(90)}, Out: 1 + r.IntN(120), Kernel: 1 + 2*r.IntN(2),
			H: 1 + r.IntN(11), W: 1 + r.IntN(19), Images: 1 + r.IntN(3), Activation: Activation(r.IntN(3)),
		}
		algorithm := GEMM
		if spec.Kernel == 3 {
			algorithm = []Algorithm{Direct, Winograd2, Winograd4}[r.IntN(3)]
		} else if r.IntN(2) == 0 {
			spec.In = append(spec.In, 1+r.IntN(40))
		}
		c := newConvCase(spec, r.IntN(2) == 0)
		want := convLoop(spec, spec.Images, spec.H, spec.W, c.weights, c.bias, c.residual, c.src)
		spec.Algorithm = algorithm
		for _, l := range cpu.Supported() {
			restore := cpu.Force(l)
			got := c.run(NewConv(spec, c.weights, c.bias), 1+r.IntN(4))
			restore()
			if e := relativeError(got, want); e > convTolerance[algorithm] {
				t.Errorf("%v, %+v, residual %v: error %g", l, spec, c.residual != nil, e)
			}
		}
	}
}
