package kernel

import (
	"fmt"
	"runtime"

	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/par"
)

// Activation is the function applied to a convolution's sums.
type Activation int

const (
	None      Activation = iota
	ReLU                 // max(x, 0)
	QuickGELU            // x / (1 + exp(-1.702 x))
	GELU                 // x Φ(x), Φ the integral of the normal distribution up to x
)

// String returns the activation's name in plans.
func (a Activation) String() string { return [...]string{"none", "relu", "quickgelu", "gelu"}[a] }

// Algorithm is a method of computing a convolution.
type Algorithm int

const (
	Auto      Algorithm = iota // the one that plan expects to be fastest
	GEMM                       // matrix product over channels; kernel 1
	Direct                     // matrix product over channels and taps, without copies for the taps; kernel 3
	Winograd2                  // Winograd's F(2x2, 3x3): 2.25 times fewer products; kernel 3
	Winograd4                  // Winograd's F(4x4, 3x3): 4 times fewer products; kernel 3
)

// String returns the algorithm's name in plans.
func (a Algorithm) String() string {
	return [...]string{"auto", "gemm", "direct", "winograd-2x2", "winograd-4x4"}[a]
}

// ConvSpec describes a convolution with stride 1.
type ConvSpec struct {
	// In is the number of channels of each source. Several sources, which only kernel
	// 1 allows, are concatenated along the input channels: so a bottleneck's last
	// convolution and its shortcut are one product.
	In  []int
	Out int
	// Kernel is 1, or 3 with padding 1.
	Kernel int
	// H, W and Images are the map size and the batch size that the algorithm is chosen
	// for. Run accepts other sizes too.
	H, W, Images int
	Activation   Activation
	Algorithm    Algorithm
	// Precision may be BFloat16 if HasBFloat16 reports true. Direct supports only
	// Float32.
	Precision Precision
}

// Conv is a convolution with packed weights. Several goroutines may run it
// concurrently, each with its own Scratch.
type Conv struct {
	spec    ConvSpec
	family  *family
	weights packed
	bias    []float32 // padded to whole blocks
	zeros   []float32 // as long as bias, for Winograd's products
}

// NewConv packs the weights of a convolution into new memory; see PackConv and
// PackedConv.
func NewConv(spec ConvSpec, weights [][]float32, bias []float32) *Conv {
	dst := Alloc(spec.PackedLen())
	PackConv(dst, spec, weights, bias)
	return PackedConv(spec, dst)
}

// PackConv packs the weights of a convolution, one slice per source,
// [Out][In][Kernel][Kernel], and its bias, [Out], into dst, which is zero. What dst then
// holds depends on the spec and the level that is active now (package cpu).
//
// PackConv panics if the spec is not supported or a slice has the wrong length.
func PackConv(dst []float32, spec ConvSpec, weights [][]float32, bias []float32) {
	c := PackedConv(spec, dst)
	spec = c.spec
	if len(weights) != len(spec.In) {
		panic("kernel: wrong number of weight slices")
	}
	for i, w := range weights {
		if len(w) != spec.Out*spec.In[i]*spec.Kernel*spec.Kernel {
			panic("kernel: wrong length of weights")
		}
	}
	if len(bias) != spec.Out {
		panic("kernel: wrong length of bias")
	}
	copy(c.bias, bias)
	c.pack(weights)
}

// PackedConv returns the convolution whose weights PackConv packed. It retains them and
// writes to none of them, so that they may be a file's. The convolution keeps the level
// that is active now.
//
// PackedConv panics if the spec is not supported or weights has not PackedLen values.
func PackedConv(spec ConvSpec, weights []float32) *Conv {
	spec.In = append([]int(nil), spec.In...)
	spec.check()
	f := activeFamily()
	if spec.Precision == BFloat16 && f.pairTiles[1] == nil {
		panic("kernel: no bfloat16 on this processor")
	}
	spec.Algorithm = spec.plan()
	c := &Conv{spec: spec, family: f, weights: spec.packed(f)}
	n := spec.matrices() * c.weights.kBlocks * c.weights.nBlocks * blockFloats
	biases := c.weights.nBlocks * Lanes
	if len(weights) != n+biases {
		panic("kernel: wrong length of packed weights")
	}
	c.weights.data, c.bias = weights[:n:n], weights[n:]
	if spec.Algorithm == Winograd2 || spec.Algorithm == Winograd4 {
		c.zeros = Alloc(biases)
	}
	return c
}

// PackedLen returns the number of values that PackConv fills at the level that is active
// now.
func (s ConvSpec) PackedLen() int {
	s.check()
	s.Algorithm = s.plan()
	p := s.packed(activeFamily())
	return s.matrices()*p.kBlocks*p.nBlocks*blockFloats + p.nBlocks*Lanes
}

// Packing names what PackConv's result depends on beside the weights and Layout.
func (s ConvSpec) Packing() string {
	return fmt.Sprintf("%v>%d %dx%d %s %s", s.In, s.Out, s.Kernel, s.Kernel, s.plan(), s.Precision)
}

// matrices returns the number of matrices that the weights are packed to. The algorithm
// must be chosen.
func (s *ConvSpec) matrices() int {
	if s.Algorithm != Winograd2 && s.Algorithm != Winograd4 {
		return 1
	}
	n := s.Algorithm.tileSize() + 2
	return n * n
}

// packed returns the layout of one of these matrices, without its values.
func (s *ConvSpec) packed(f *family) packed {
	rows := 0
	for _, n := range s.In {
		rows += blocksOf(n)
	}
	pairs := s.Precision == BFloat16
	rows = rowsOf(rows, pairs)
	if s.Algorithm == GEMM || s.Algorithm == Direct {
		rows *= s.Kernel * s.Kernel
	}
	n := blocksOf(s.Out)
	return packed{kBlocks: rows, nBlocks: n, width: f.panelWidth(n), pairs: pairs, alternate: f.alternate}
}

// layoutVersion counts the changes of what PackConv and PackStem write for equal weights,
// specs and levels. A test has checksums of it.
const layoutVersion = 1

// Layout names the layout of packed weights at the level that is active now: those of
// another name are of no use.
func Layout() string { return fmt.Sprintf("%s %s %d", runtime.GOARCH, cpu.Active(), layoutVersion) }

// check panics on a spec that is not supported.
func (s *ConvSpec) check() {
	for _, n := range s.In {
		if n < 1 {
			panic("kernel: convolution without channels")
		}
	}
	if len(s.In) == 0 || s.Out < 1 {
		panic("kernel: convolution without channels")
	}
	if s.H < 1 || s.W < 1 || s.Images < 1 {
		panic("kernel: convolution planned for an empty map")
	}
	if s.Activation < None || s.Activation > GELU {
		panic("kernel: unknown activation")
	}
	ok := false
	if s.Precision < Float32 || s.Precision > BFloat16 || s.Precision == BFloat16 && s.Algorithm == Direct {
		panic("kernel: no such precision")
	}
	switch s.Kernel {
	case 1:
		ok = s.Algorithm == Auto || s.Algorithm == GEMM
	case 3:
		ok = len(s.In) == 1 && (s.Algorithm == Auto || s.Algorithm >= Direct && s.Algorithm <= Winograd4)
	}
	if !ok {
		panic("kernel: no such convolution")
	}
}

// Spec returns the convolution's description, with Auto replaced by the chosen
// algorithm.
func (c *Conv) Spec() ConvSpec { return c.spec }

// FLOPs returns the number of floating-point operations of the convolution by its
// definition (two per weight and output pixel), whatever the algorithm, for a number of
// images of the planned size.
func (c *Conv) FLOPs(images int) float64 {
	k := 0
	for _, n := range c.spec.In {
		k += n
	}
	s := &c.spec
	return 2 * float64(k*s.Kernel*s.Kernel) * float64(s.Out) * float64(images*s.H*s.W)
}

// WeightBytes returns the size of the packed weights in memory.
func (c *Conv) WeightBytes() int64 { return int64(len(c.weights.data)+len(c.bias)) * 4 }

// Run computes
//
//	dst = activation(conv(src...) + bias + residual)
//
// where residual is nil or has the shape of dst. dst may be the residual, but must not
// overlap a source. Run panics on maps whose shapes do not match.
func (c *Conv) Run(dst Map, residual *Map, scratch *Scratch, team par.Team, src ...Map) {
	c.checkMaps(dst, residual, src)
	if dst.Pixels() == 0 {
		return
	}
	defer scratch.release()
	switch c.spec.Algorithm {
	case GEMM:
		c.runGEMM(dst, residual, scratch, team, src)
	case Direct:
		c.runDirect(dst, residual, scratch, team, src[0])
	case Winograd2, Winograd4:
		c.runWinograd(dst, residual, scratch, team, src[0])
	}
}

// checkMaps panics unless the maps match the convolution.
func (c *Conv) checkMaps(dst Map, residual *Map, src []Map) {
	if len(src) != len(c.spec.In) {
		panic("kernel: wrong number of sources")
	}
	dst.check()
	if dst.C != c.spec.Out {
		panic("kernel: wrong channels of dst")
	}
	for i, m := range src {
		m.check()
		if m.C != c.spec.In[i] || m.Images != dst.Images || m.H != dst.H || m.W != dst.W {
			panic("kernel: source does not fit")
		}
	}
	if residual != nil {
		residual.check()
		if !residual.sameShape(dst) {
			panic("kernel: residual does not fit")
		}
	}
}

// pack fills c.weights for the algorithm of c.spec.
func (c *Conv) pack(weights [][]float32) {
	s := &c.spec
	if s.Algorithm == Winograd2 || s.Algorithm == Winograd4 {
		c.packWinograd(weights[0])
		return
	}
	first := 0
	for i, w := range weights {
		c.packSource(w, s.In[i], first, s.Kernel*s.Kernel)
		first += blocksOf(s.In[i])
	}
}

// packSource packs one source's weights, whose channels start at block first. The order
// of rows is block, tap, channel of the block.
func (c *Conv) packSource(w []float32, in, first, taps int) {
	p := &c.weights
	for n := 0; n < p.nBlocks; n += p.width {
		lanes := min(p.width, p.nBlocks-n) * Lanes
		panel := p.data[p.at(0, n*Lanes):]
		for j := range min(lanes, c.spec.Out-n*Lanes) {
			channels := w[(n*Lanes+j)*in*taps:][:in*taps]
			if taps == 1 && !p.pairs {
				for i, v := range channels {
					panel[(first*Lanes+i)*lanes+j] = v
				}
				continue
			}
			for i := range in {
				for t := range taps {
					p.set(panel, lanes, (first+i/Lanes)*taps+t, i%Lanes, j, channels[i*taps+t])
				}
			}
		}
	}
}
