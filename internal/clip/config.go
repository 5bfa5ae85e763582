package clip

import (
	"fmt"

	"github.com/clipnh/clipnh/configs"
)

// HeadWidth is D, the channels of one attention head, in both towers of every
// CLIP-ResNet.
const HeadWidth = 64

// Config holds the sizes of a CLIP-ResNet.
type Config struct {
	Layers    [4]int // bottleneck blocks of each stage
	Width     int    // channels of the stem
	ImageSize int    // side of the input image, in pixels
	OutDim    int    // O

	ContextLength int // text tokens at most, with start and end
	VocabSize     int
	TextWidth     int
	TextLayers    int
}

// HasText says whether there is a text tower; without one its sizes are 0.
func (c Config) HasText() bool { return c.TextLayers > 0 }

// Neurons is C, the channels of the last convolution.
func (c Config) Neurons() int { return 32 * c.Width }

// Heads is H, the heads of the attention pool.
func (c Config) Heads() int { return c.Neurons() / HeadWidth }

// Grid is the side of the last feature map, in locations.
func (c Config) Grid() int { return c.ImageSize / 32 }

// Tokens is T, the mean token and one token per location.
func (c Config) Tokens() int { return c.Grid()*c.Grid() + 1 }

// TextHeads is the number of heads of the text tower.
func (c Config) TextHeads() int { return c.TextWidth / HeadWidth }

// Name returns the published model that has these sizes, such as RN50x16, or
// "custom". Two models of the same sizes cannot be told apart: the weights'
// SHA-256 can.
func (c Config) Name() string {
	for _, m := range configs.Models() {
		if c.matches(m) {
			return m.Name
		}
	}
	return "custom"
}

func (c Config) matches(m configs.Model) bool {
	published := Config{
		Layers: m.Layers, Width: m.Width, ImageSize: m.ImageSize, OutDim: m.OutDim,
		ContextLength: m.ContextLength, VocabSize: m.VocabSize, TextWidth: m.TextWidth, TextLayers: m.TextLayers,
	}
	if !c.HasText() {
		published.ContextLength, published.VocabSize, published.TextWidth, published.TextLayers = 0, 0, 0, 0
	}
	return c == published
}

// Bounds on the sizes of a checkpoint. They are far above every published
// CLIP-ResNet and keep the arithmetic on sizes from overflowing.
const (
	maxWidth  = 1 << 10
	maxBlocks = 1 << 10
	maxImage  = 1 << 13
	maxText   = 1 << 20
)

func (c Config) validate() error {
	blocks := 0
	for _, n := range c.Layers {
		blocks += n
	}
	switch {
	case c.Width < 2 || c.Width%2 != 0 || c.Width > maxWidth:
		return fmt.Errorf("stem width %d, want an even number from 2 to %d", c.Width, maxWidth)
	case blocks > maxBlocks:
		return fmt.Errorf("%d residual blocks, want at most %d", blocks, maxBlocks)
	case c.ImageSize < 32 || c.ImageSize > maxImage:
		return fmt.Errorf("image side %d, want 32 to %d", c.ImageSize, maxImage)
	case c.OutDim < 1 || c.OutDim > maxText:
		return fmt.Errorf("output dimension %d, want 1 to %d", c.OutDim, maxText)
	case !c.HasText():
	case c.TextWidth < HeadWidth || c.TextWidth%HeadWidth != 0 || c.TextWidth > maxText:
		return fmt.Errorf("text width %d, want a multiple of %d", c.TextWidth, HeadWidth)
	case c.TextLayers < 1 || c.TextLayers > maxBlocks:
		return fmt.Errorf("%d text layers, want 1 to %d", c.TextLayers, maxBlocks)
	case c.ContextLength < 2 || c.ContextLength > maxText:
		return fmt.Errorf("context length %d, want 2 to %d", c.ContextLength, maxText)
	case c.VocabSize < 3 || c.VocabSize > 1<<24:
		return fmt.Errorf("vocabulary of %d, want 3 to %d", c.VocabSize, 1<<24)
	}
	return nil
}
