package clip

import (
	"fmt"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/quantity"
)

// HeadWidth is D, the channels of one attention head, in both towers of every
// CLIP-ResNet and in the text tower of every CLIP-ViT.
const HeadWidth = 64

// Config holds the sizes of a CLIP.
type Config struct {
	ResNet     // of the image tower; zero where it is a vision transformer
	ViT    ViT // of the image tower; zero where it is a ResNet

	ImageSize  int               // side of the input image, in pixels
	OutDim     int               // O
	Activation kernel.Activation // in the transformers' blocks: QuickGELU or GELU
	Form       imageprep.Form    // of images, beside their size

	ContextLength int // text tokens at most, with start and end
	VocabSize     int
	TextWidth     int
	TextLayers    int
}

// imageSizes are the sizes of an image tower of one family.
type imageSizes interface {
	family() string
	heads() int
	neurons() int
	cell() int  // side of what becomes a token, in pixels
	patch() int // the same of a tower that cuts images into patches, or 0
	width() int
	depths() []int
	// layered are the layers that have heads, and the heads of each: 0 of one pool.
	layered() (layers, heads int)
	describe(c Config) []SizeRow
	// parameters adds the tensors of the tower, in the order in which it uses them.
	parameters(c Config, add func(name string, shape ...int))
	validate(c Config) error
	// has returns the reason why the tower has no such structure, or nil.
	has(s Structure) error
}

// A Structure is what image towers of one family have and the others lack, and what some
// ways to look at a model are about.
type Structure int

const (
	AttentionPool Structure = iota // one pool of heads over the maps of the last stage, whose pairs sum to the feature
	Residual                       // a residual, to which the heads and the MLP of each layer add
)

// Has reports whether the image tower has a structure; see Checkpoint.Require.
func (c Config) Has(s Structure) bool { return c.image().has(s) == nil }

// image returns the sizes of the image tower.
func (c Config) image() imageSizes {
	if c.ViT != (ViT{}) {
		return c.ViT
	}
	return c.ResNet
}

// Family names what the image tower is: CLIP-ResNet or CLIP-ViT.
func (c Config) Family() string { return c.image().family() }

// PatchSize is the side of the patches of a vision transformer, in pixels; else 0.
func (c Config) PatchSize() int { return c.image().patch() }

// Layered returns the layers of a vision transformer and the heads of each; 0 where all heads
// are those of one attention pool.
func (c Config) Layered() (layers, heads int) { return c.image().layered() }

// TokenWidth is the channels of a ResNet's stem, or of a vision transformer's tokens.
func (c Config) TokenWidth() int { return c.image().width() }

// Depths are the blocks of each stage of a ResNet, or the layers of a vision transformer.
func (c Config) Depths() []int { return c.image().depths() }

// SizeRow says sizes of an image tower in words.
type SizeRow struct{ Part, Sizes string }

// Describe says the sizes of the image tower in words.
func (c Config) Describe() []SizeRow { return c.image().describe(c) }

// FixedWindow is the side that windows of images must have for the image tower, in pixels; 0
// if they may have any.
func (c Config) FixedWindow() int {
	if c.PatchSize() == 0 {
		return 0
	}
	return c.ImageSize
}

// Input is what images become for the image tower.
func (c Config) Input() imageprep.Input { return imageprep.Input{Side: c.ImageSize, Form: c.Form} }

// HasText says whether there is a text tower; without one its sizes are 0.
func (c Config) HasText() bool { return c.TextLayers > 0 }

// Neurons is C: the channels of a ResNet's last convolution, or the neurons in each
// layer of a vision transformer.
func (c Config) Neurons() int { return c.image().neurons() }

// Heads is H, the heads of the attention pool, or of each layer of a vision
// transformer.
func (c Config) Heads() int { return c.image().heads() }

// Grid is the side of the last feature map or of the array of patches, in locations.
func (c Config) Grid() int { return c.ImageSize / c.image().cell() }

// Tokens is T, the mean or class token and one token per location.
func (c Config) Tokens() int { return c.Grid()*c.Grid() + 1 }

// TextHeads is the number of heads of the text tower.
func (c Config) TextHeads() int { return c.TextWidth / HeadWidth }

// Custom is the name of a model that has no published one.
const Custom = "custom"

// Name returns the published model that has these sizes, such as RN50x16, or
// Custom. Two models of the same sizes cannot be told apart: the weights'
// SHA-256 can.
func (c Config) Name() string {
	for _, m := range configs.Models() {
		if c.matches(Config{
			ResNet: ResNet{Layers: m.Layers, Width: m.Width}, ImageSize: m.ImageSize, OutDim: m.OutDim,
			ContextLength: m.ContextLength, VocabSize: m.VocabSize, TextWidth: m.TextWidth, TextLayers: m.TextLayers,
		}) {
			return m.Name
		}
	}
	for _, m := range configs.Transformers() {
		if c.matches(Config{
			ViT:       ViT{Patch: m.PatchSize, Width: m.Width, Layers: m.Layers, Heads: m.Heads, MLP: m.MLP},
			ImageSize: m.ImageSize, OutDim: m.OutDim,
			ContextLength: m.ContextLength, VocabSize: m.VocabSize, TextWidth: m.TextWidth, TextLayers: m.TextLayers,
		}) {
			return m.Name
		}
	}
	return Custom
}

// matches compares the sizes with those of a published model, without its text tower
// where c has none. Models of the same sizes may differ in their activation and their images.
func (c Config) matches(published Config) bool {
	if !c.HasText() {
		published.ContextLength, published.VocabSize, published.TextWidth, published.TextLayers = 0, 0, 0, 0
	}
	published.Activation, published.Form = c.Activation, c.Form
	return c == published
}

// Bounds on the sizes of a checkpoint. They are far above every published
// CLIP and keep the arithmetic on sizes from overflowing.
const (
	maxWidth  = 1 << 10
	maxBlocks = 1 << 10
	maxImage  = 1 << 13
	maxText   = 1 << 20
)

func (c Config) validate() error {
	if err := c.image().validate(c); err != nil {
		return err
	}
	switch {
	case c.ImageSize < c.image().cell() || c.ImageSize > maxImage:
		return fmt.Errorf("image side %d, want %d to %d", c.ImageSize, c.image().cell(), maxImage)
	case c.OutDim < 1 || c.OutDim > maxText:
		return fmt.Errorf("output dimension %d, want 1 to %d", c.OutDim, maxText)
	case !c.HasText():
	case c.TextWidth < HeadWidth || c.TextWidth%HeadWidth != 0 || c.TextWidth > maxText:
		return fmt.Errorf("text width %d, want a multiple of %d", c.TextWidth, HeadWidth)
	case c.TextLayers < 1 || c.TextLayers > maxBlocks:
		return fmt.Errorf("%s, want 1 to %d", quantity.Of(c.TextLayers, "text layer"), maxBlocks)
	case c.ContextLength < 2 || c.ContextLength > maxText:
		return fmt.Errorf("context length %d, want 2 to %d", c.ContextLength, maxText)
	case c.VocabSize < 3 || c.VocabSize > 1<<24:
		return fmt.Errorf("vocabulary of %d, want 3 to %d", c.VocabSize, 1<<24)
	}
	return nil
}
