package collect

import (
	"math"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/float16"
	"github.com/clipnh/clipnh/internal/par"
)

// partFactors is how the parts of heads are kept as factors; see decomp.Factors.
type partFactors struct {
	axes   []string
	shape  func(clip.Config) []int
	places func(clip.Config) int
	want   func(*clip.ImageOptions)
	output func(reads, statistics []float32) clip.Output
}

var (
	headFactors = partFactors{
		[]string{"L", "H", artefact.FactorAxis},
		func(c clip.Config) []int {
			layers, heads := c.Layered()
			return []int{layers, heads, decomp.FactorWidth(c.TokenWidth() / heads)}
		},
		func(clip.Config) int { return 1 },
		func(o *clip.ImageOptions) { o.HeadReads = true },
		func(reads, statistics []float32) clip.Output {
			return clip.Output{HeadReads: reads, Statistics: statistics}
		},
	}
	tokenFactors = partFactors{
		[]string{"L", "T", "H", artefact.FactorAxis},
		func(c clip.Config) []int {
			layers, heads := c.Layered()
			return []int{layers, c.Tokens(), heads, decomp.FactorWidth(c.TokenWidth() / heads)}
		},
		clip.Config.Tokens,
		func(o *clip.ImageOptions) { o.Reads = true },
		func(reads, statistics []float32) clip.Output {
			return clip.Output{Reads: reads, Statistics: statistics}
		},
	}
)

// factorsMode keeps the factors of what heads add to the image feature.
type factorsMode struct {
	residualMode
	factors    partFactors
	checkpoint *clip.Checkpoint
	team       par.Team
	matrices   *decomp.Factors // read once they are needed
}

func (f *factorsMode) headWidth() int {
	_, heads := f.config.Layered()
	return f.config.TokenWidth() / heads
}

func (f *factorsMode) values() int { return artefact.Product(f.factors.shape(f.config)) }

func (f *factorsMode) label(i int) string { return labelOf(f.part, f.factors.shape(f.config), i) }

func (f *factorsMode) start(from towers, o clip.ImageOptions) (*started, error) {
	f.factors.want(&o)
	t, err := from.image(o)
	if err != nil {
		return nil, err
	}
	D, each := f.headWidth(), f.values()
	reads := each / decomp.FactorWidth(D) * D // of an image
	var read, statistics []float32
	return &started{tower: t, options: o, compute: func(values, images []float32) error {
		n := len(values) / each
		if len(read) < n*reads {
			read, statistics = make([]float32, n*reads), make([]float32, 2*n)
		}
		if err := t.Run(images, f.factors.output(read[:n*reads], statistics[:2*n])); err != nil {
			return err
		}
		for b := range n {
			decomp.FillFactors(values[b*each:(b+1)*each], read[b*reads:(b+1)*reads], statistics[2*b:2*b+2], D)
		}
		return nil
	}}, nil
}

func (f *factorsMode) row() row {
	return row{
		kind: f.part.kind, file: artefact.FactorsFile, axes: f.factors.axes, shape: f.factors.shape(f.config), matrices: f.read,
	}
}

// read reads the matrices that factors are multiplied by.
func (f *factorsMode) read() (*decomp.Factors, error) {
	if f.matrices != nil {
		return f.matrices, nil
	}
	tokens, err := f.checkpoint.Tokens()
	if err == nil {
		_, heads := f.config.Layered()
		f.matrices = tokens.Factors(heads, f.factors.places(f.config))
	}
	return f.matrices, err
}

// A halving mode is one whose rows are float16 unless they are asked for as float32.
type halving interface {
	// halves says whether they are.
	halves() bool
	// loss returns by how much float16 changes what rows are of, as a share of the largest, in
	// the first of some images, and in how many of these.
	loss(values []float32) (share float64, images int, err error)
}

// halves reports that the published form, whose files are another program's, is as that has it.
func (r residualMode) halves() bool { return !r.published }

func (r residualMode) loss(values []float32) (float64, int, error) {
	largest, difference := furthest(values, rounded(values))
	return share(difference, largest), len(values) / r.values(), nil
}

// lossMultiplies bounds the multiply-adds of two products by which the loss of factors is
// measured.
const lossMultiplies = 1 << 30

func (f *factorsMode) loss(values []float32) (float64, int, error) {
	m, err := f.read()
	if err != nil {
		return 0, 0, err
	}
	layers, heads := f.config.Layered()
	of := f.values() / layers // values of a layer
	places := of / (heads * m.Width)
	images := max(1, min(len(values)/f.values(), lossMultiplies/(f.values()*m.OutDim)))
	exact, half := make([]float32, places*heads*m.OutDim), make([]float32, places*heads*m.OutDim)
	largest, difference := 0.0, 0.0
	for i := range images * layers {
		layer := values[i*of : (i+1)*of]
		m.Expand(exact, layer, places, i%layers*heads, heads, f.team)
		m.Expand(half, rounded(layer), places, i%layers*heads, heads, f.team)
		l, d := furthest(exact, half)
		largest, difference = max(largest, l), max(difference, d)
	}
	return share(difference, largest), images, nil
}

// rounded are values as float16.
func rounded(values []float32) []float32 {
	half := make([]float32, len(values))
	for i, x := range values {
		half[i] = float16.FromBits(float16.Bits(x))
	}
	return half
}

// furthest returns the largest value of a, and the largest difference of b from it.
func furthest(a, b []float32) (largest, difference float64) {
	for i, x := range a {
		largest = max(largest, math.Abs(float64(x)))
		difference = max(difference, math.Abs(float64(x)-float64(b[i])))
	}
	return largest, difference
}

func share(part, of float64) float64 {
	if of == 0 {
		return 0
	}
	return part / of
}
