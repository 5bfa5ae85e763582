package clip

import (
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/quantity"
)

// ResNet holds the sizes of the ModifiedResNet of a CLIP-ResNet.
type ResNet struct {
	Layers [4]int // bottleneck blocks of each stage
	Width  int    // channels of the stem
}

// cellPixels is the side of a location of the last map, in pixels.
const cellPixels = 32

func (r ResNet) family() string { return "CLIP-ResNet" }
func (r ResNet) neurons() int   { return 32 * r.Width }
func (r ResNet) heads() int     { return r.neurons() / HeadWidth }
func (r ResNet) cell() int      { return cellPixels }
func (r ResNet) patch() int     { return 0 }

func (r ResNet) width() int    { return r.Width }
func (r ResNet) depths() []int { return r.Layers[:] }

func (ResNet) layered() (layers, heads int) { return 0, 0 }

// ErrNoResidual is the error of a ResNet where layers with a residual stream are wanted.
var ErrNoResidual = errors.New("the image tower is a CLIP-ResNet, want a vision transformer (ViT)")

func (ResNet) has(s Structure) error {
	if s == Residual {
		return ErrNoResidual
	}
	return nil
}

func (r ResNet) describe(c Config) []SizeRow {
	return []SizeRow{
		{"image tower", fmt.Sprintf("%dx%d pixels, width %d, layers %d,%d,%d,%d", c.ImageSize, c.ImageSize, r.Width,
			r.Layers[0], r.Layers[1], r.Layers[2], r.Layers[3])},
		{"attention pool", fmt.Sprintf("H %s, C %s, T %s, O %s", quantity.Of(c.Heads(), "head"), quantity.Of(c.Neurons(), "neuron"), quantity.Of(c.Tokens(), "token"), quantity.Of(c.OutDim, "dimension"))},
	}
}

func (r ResNet) validate(Config) error {
	blocks := 0
	for _, n := range r.Layers {
		blocks += n
	}
	switch {
	case r.Width < 2 || r.Width%2 != 0 || r.Width > maxWidth:
		return fmt.Errorf("stem width %d, want an even number from 2 to %d", r.Width, maxWidth)
	case blocks > maxBlocks:
		return fmt.Errorf("%s, want at most %d", quantity.Of(blocks, "residual block"), maxBlocks)
	}
	return nil
}

func (r ResNet) parameters(c Config, add func(name string, shape ...int)) {
	norm := func(name string, channels int) {
		for _, part := range []string{"weight", "bias", "running_mean", "running_var"} {
			add(name+"."+part, channels)
		}
	}

	add("visual.conv1.weight", r.Width/2, 3, 3, 3)
	norm("visual.bn1", r.Width/2)
	add("visual.conv2.weight", r.Width/2, r.Width/2, 3, 3)
	norm("visual.bn2", r.Width/2)
	add("visual.conv3.weight", r.Width, r.Width/2, 3, 3)
	norm("visual.bn3", r.Width)
	for _, b := range r.blocks() {
		add(b.name+".conv1.weight", b.planes, b.in, 1, 1)
		norm(b.name+".bn1", b.planes)
		add(b.name+".conv2.weight", b.planes, b.planes, 3, 3)
		norm(b.name+".bn2", b.planes)
		add(b.name+".conv3.weight", b.out(), b.planes, 1, 1)
		norm(b.name+".bn3", b.out())
		if b.projects() {
			add(b.name+".downsample.0.weight", b.out(), b.in, 1, 1)
			norm(b.name+".downsample.1", b.out())
		}
	}
	neurons := r.neurons()
	add("visual.attnpool.positional_embedding", c.Tokens(), neurons)
	for _, p := range []string{"q_proj", "k_proj", "v_proj"} {
		add("visual.attnpool."+p+".weight", neurons, neurons)
		add("visual.attnpool."+p+".bias", neurons)
	}
	add("visual.attnpool.c_proj.weight", c.OutDim, neurons)
	add("visual.attnpool.c_proj.bias", c.OutDim)
}

// resNet reads the sizes of a ResNet.
func (m *measure) resNet(c *Config) {
	c.Width = 2 * m.size("visual.conv1.weight", 4, 0)
	for stage := range c.Layers {
		c.Layers[stage] = m.count(fmt.Sprintf("visual.layer%d.%%d.conv1.weight", stage+1))
	}
	grid := m.grid("visual.attnpool.positional_embedding")
	c.OutDim = m.size("visual.attnpool.c_proj.weight", 2, 0)
	c.ImageSize = cellPixels * grid
}

// block describes a bottleneck of the image tower.
type block struct {
	name   string // such as visual.layer4.1
	stage  int    // 0 to 3
	in     int    // channels that enter
	planes int    // channels of the 3x3 convolution
	stride int    // 1, or 2 in the first block of stages 1 to 3
	scale  int    // side of the image, divided by the side of the map that enters
}

func (b block) out() int       { return 4 * b.planes }
func (b block) projects() bool { return b.stride > 1 || b.in != b.out() }

func (r ResNet) blocks() []block {
	var list []block
	in, scale := r.Width, 4
	for stage, n := range r.Layers {
		for i := range n {
			b := block{fmt.Sprintf("visual.layer%d.%d", stage+1, i), stage, in, r.Width << stage, 1, scale}
			if stage > 0 && i == 0 {
				b.stride = 2
			}
			list = append(list, b)
			in, scale = b.out(), scale*b.stride
		}
	}
	return list
}
