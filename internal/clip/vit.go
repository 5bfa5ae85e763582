package clip

import (
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/ptfile"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/usage"
)

// ViT holds the sizes of the vision transformer of a CLIP-ViT.
type ViT struct {
	Patch  int // side of a patch, in pixels
	Width  int // W, channels of a token
	Layers int // L
	Heads  int // H, of each layer
	MLP    int // N, neurons of each layer
}

// maxPatch bounds the side of a patch; the largest of published models is 32.
const maxPatch = 1 << 8

func (v ViT) family() string { return "CLIP-ViT" }
func (v ViT) neurons() int   { return v.MLP }
func (v ViT) heads() int     { return v.Heads }
func (v ViT) cell() int      { return v.Patch }
func (v ViT) patch() int     { return v.Patch }

func (v ViT) width() int    { return v.Width }
func (v ViT) depths() []int { return []int{v.Layers} }

func (v ViT) layered() (layers, heads int) { return v.Layers, v.Heads }

// ErrNoPool is the error of a vision transformer where an attention pool is wanted.
var ErrNoPool = errors.New("the image tower is a vision transformer (ViT), want a CLIP-ResNet, with an attention pool")

func (ViT) has(s Structure) error {
	if s == AttentionPool {
		return ErrNoPool
	}
	return nil
}

func (v ViT) describe(c Config) []SizeRow {
	return []SizeRow{
		{"image tower", fmt.Sprintf("%dx%d pixels in patches of %dx%d, width %d, L %s, %s", c.ImageSize, c.ImageSize, v.Patch, v.Patch,
			v.Width, quantity.Of(v.Layers, "layer"), ActivationName(c.Activation))},
		{"each layer", fmt.Sprintf("H %s of %d, N %s, T %s; O %s", quantity.Of(v.Heads, "head"), v.HeadWidth(), quantity.Of(v.MLP, "neuron"), quantity.Of(c.Tokens(), "token"), quantity.Of(c.OutDim, "dimension"))},
	}
}

// HeadWidth is D, the channels of a head.
func (v ViT) HeadWidth() int { return v.Width / v.Heads }

func (v ViT) validate(Config) error {
	switch {
	case v.Patch < 1 || v.Patch > maxPatch:
		return fmt.Errorf("patches of %d pixels, want 1 to %d", v.Patch, maxPatch)
	case v.Width < 1 || v.Width > maxText:
		return fmt.Errorf("width %d of the image tower, want 1 to %d", v.Width, maxText)
	case v.Layers < 1 || v.Layers > maxBlocks:
		return fmt.Errorf("%s of the image tower, want 1 to %d", quantity.Of(v.Layers, "layer"), maxBlocks)
	case v.Heads < 1 || v.Width%v.Heads != 0:
		return fmt.Errorf("%s in an image tower of width %d, want a number that divides it", quantity.Of(v.Heads, "head"), v.Width)
	case v.MLP < 1 || v.MLP > maxText:
		return fmt.Errorf("%s in a layer, want 1 to %d", quantity.Of(v.MLP, "neuron"), maxText)
	}
	return nil
}

// layer is the prefix of the tensors of layer i.
func (v ViT) layer(i int) string { return fmt.Sprintf("visual.transformer.resblocks.%d.", i) }

func (v ViT) parameters(c Config, add func(name string, shape ...int)) {
	add("visual.conv1.weight", v.Width, 3, v.Patch, v.Patch)
	add("visual.class_embedding", v.Width)
	add("visual.positional_embedding", c.Tokens(), v.Width)
	add("visual.ln_pre.weight", v.Width)
	add("visual.ln_pre.bias", v.Width)
	for i := range v.Layers {
		addBlock(add, v.layer(i), v.Width, v.MLP)
	}
	add("visual.ln_post.weight", v.Width)
	add("visual.ln_post.bias", v.Width)
	add("visual.proj", v.Width, c.OutDim)
}

// isViT says whether tensors are those of a vision transformer.
func isViT(tensors map[string]ptfile.Tensor) bool {
	_, token := tensors["visual.class_embedding"]
	return token
}

// vit reads the sizes of a vision transformer; nothing says how many heads it has.
func (m *measure) vit(c *Config) {
	c.ViT = ViT{
		Patch:  m.size("visual.conv1.weight", 4, 2),
		Width:  m.size("visual.conv1.weight", 4, 0),
		Layers: m.count("visual.transformer.resblocks.%d.ln_1.weight"),
		MLP:    m.size("visual.transformer.resblocks.0.mlp.c_fc.weight", 2, 0),
	}
	c.ImageSize = c.ViT.Patch * m.grid("visual.positional_embedding")
	c.OutDim = m.size("visual.proj", 2, 1)
}

// errOneLayer is the error of a vision transformer that has no pairs, whatever the layer.
var errOneLayer = usage.Errorf("the image tower is a vision transformer of one layer, which has no pairs: no later head reads what its neurons write")

// checkNeuronLayer returns an error unless there are later layers, whose heads read what
// the layer's neurons write.
func (v ViT) checkNeuronLayer(layer int) error {
	if v.Layers < 2 {
		return errOneLayer
	}
	if layer >= 0 && layer < v.Layers-1 {
		return nil
	}
	return usage.Errorf("{neuron-layer} %d: want a layer before the last of %d, 0 to %d", layer, v.Layers, v.Layers-2)
}
