package clip

import (
	"fmt"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/ptfile"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/usage"
)

// Details are what no tensor of a checkpoint says and a user may know. What is zero is
// found among the published models or guessed.
type Details struct {
	Heads      int    // of each layer of a vision transformer
	Activation string // in the transformers' blocks, one of Activations

	// Assumed says that Heads are not the user's word, but those of what the model should go
	// with: a model without such heads is opened all the same, to be compared with it.
	Assumed bool

	// Needs are what the image tower must have. One without is refused, whatever else is not
	// known of it.
	Needs []Structure
}

// The activations of transformers' blocks, by the names that Hugging Face gives them.
const (
	QuickGELU = "quick_gelu" // x / (1 + exp(-1.702 x)), in OpenAI's models
	GELU      = "gelu"       // in most of open_clip's
)

// Activations lists the names.
func Activations() []string { return []string{QuickGELU, GELU} }

// ActivationName names an activation that a Config holds.
func ActivationName(a kernel.Activation) string {
	if a == kernel.GELU {
		return GELU
	}
	return QuickGELU
}

// formatTorchScript is what ptfile calls a TorchScript archive.
const formatTorchScript = "torchscript"

// complete fills in the heads and the activation of c, and notes what it guessed.
func (d Details) complete(c *Config, format string, tensors map[string]ptfile.Tensor) (notes []string, err error) {
	for _, s := range d.Needs {
		if err := c.image().has(s); err != nil {
			return nil, err
		}
	}
	if c.ViT == (ViT{}) {
		if d.Heads != 0 && !d.Assumed {
			return nil, usage.Errorf("{vit-heads} %d: the image tower is a ResNet, whose heads have width %d", d.Heads, HeadWidth)
		}
	} else if notes, err = d.chooseHeads(&c.ViT); err != nil {
		return nil, err
	}
	switch {
	case d.Activation == QuickGELU:
		c.Activation = kernel.QuickGELU
	case d.Activation == GELU:
		c.Activation = kernel.GELU
	case d.Activation != "":
		return nil, fmt.Errorf("activation %.20q, want %s or %s", d.Activation, QuickGELU, GELU)
	case c.ViT == (ViT{}) || format == formatTorchScript:
		// The published ResNets have it, and TorchScript archives are OpenAI's.
		c.Activation = kernel.QuickGELU
	case tensors["visual.proj"].DType == ptfile.Float16:
		c.Activation = kernel.QuickGELU
		notes = append(notes, "guessed the activation quick_gelu, because OpenAI's weights are float16 as these are; if it is gelu, say {activation} gelu")
	default:
		c.Activation = kernel.GELU
		notes = append(notes, "guessed the activation gelu, as in most of open_clip's models; if it is OpenAI's quick_gelu, say {activation} quick_gelu")
	}
	return notes, nil
}

// chooseHeads takes the heads from d, from a published model of the same width, depth
// and neurons, or from the width.
func (d Details) chooseHeads(v *ViT) (notes []string, err error) {
	v.Heads = d.Heads
	if v.Heads != 0 {
		return nil, nil
	}
	for _, m := range configs.Transformers() {
		if m.Width == v.Width && m.Layers == v.Layers && m.MLP == v.MLP {
			v.Heads = m.Heads
			return nil, nil
		}
	}
	if v.Width%HeadWidth != 0 {
		return nil, hinted{
			fmt.Errorf("an image tower of width %d and %s is not a published one: how many heads do its layers have?", v.Width, quantity.Of(v.Layers, "layer")),
			"say it with {vit-heads}",
		}
	}
	v.Heads = v.Width / HeadWidth
	return []string{fmt.Sprintf("guessed %s in each layer, of width %d; if there are others, say how many with {vit-heads}", quantity.Of(v.Heads, "head"), HeadWidth)}, nil
}
