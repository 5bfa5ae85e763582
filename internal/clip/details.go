package clip

import (
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/imageprep"
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

	// Mean and Std are those of the channels of images from 0 to 1, both or none, and Fit is how
	// images become squares; nil of what is not known.
	Mean, Std *[3]float32
	Fit       *imageprep.Fit

	// Assumed says that Heads are not the user's word, but those of what the model should go
	// with: a model without such heads is opened all the same, to be compared with it.
	Assumed bool

	// Recorded is what was known of the model when the file was written; nil of files that
	// say no such thing.
	Recorded *Recorded

	// Needs are what the image tower must have. One without is refused, whatever else is not
	// known of it.
	Needs []Structure
}

// Recorded are details that are kept beside a file, by its manifest. What is zero is not known.
type Recorded struct {
	From       string // the name of the manifest
	Heads      int
	Activation string
	Form       *imageprep.Form // nil: not known
	FormError  error           // why it cannot be read
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

// Where a detail comes from, other than {vit-heads} and {activation}, the name of a file and
// that of a published model.
const (
	fromHeads      = "{vit-heads}"
	fromActivation = "{activation}"
	fromFormat     = "TorchScript archive"
	fromGuess      = "guess"
)

// found are the details of a checkpoint that no tensor says: where each comes from, and what
// a user should know of that.
type found struct {
	heads, activation string   // where they come from; empty of a ResNet, whose kind all have the same
	notes             []string // of what was read and guessed
	guess             string   // the note of a guessed activation, which may still become known
	text              error    // why the text tower cannot be used, or nil

	channels, fit string // where the way to prepare images comes from
	recordedForm  bool   // it is the manifest's
	images        error  // why images cannot be prepared, or nil
}

// complete fills in the heads and the activation of c, from d, which has what the file's
// manifest says too, from what is beside the checkpoint in a folder, or by a guess.
func (d Details) complete(c *Config, format string, tensors map[string]ptfile.Tensor, dir string) (f found, err error) {
	for _, s := range d.Needs {
		if err := c.image().has(s); err != nil {
			return f, err
		}
	}
	if d.Activation != "" && !slices.Contains(Activations(), d.Activation) {
		return f, fmt.Errorf("activation %.20q, want %s or %s", d.Activation, QuickGELU, GELU)
	}
	vit := c.ViT != (ViT{})
	if !vit && d.Heads != 0 && !d.Assumed {
		return f, usage.Errorf("{vit-heads} %d: the image tower is a ResNet, whose heads have width %d", d.Heads, HeadWidth)
	}
	var said, recorded beside
	if r := d.Recorded; r != nil {
		recorded = beside{r.From, r.Activation, r.Heads}
		if r.Heads != 0 && (!vit || c.ViT.Width%r.Heads != 0) || r.Activation != "" && !slices.Contains(Activations(), r.Activation) {
			return f, fmt.Errorf("%s: activation %.20q and heads %d, which no such model has", r.From, r.Activation, r.Heads)
		}
		d.noteOthers(recorded, &f)
	}
	// TorchScript archives are OpenAI's.
	if format != formatTorchScript && (recorded.activation == "" || vit && recorded.heads == 0) {
		if said, err = d.beside(*c, dir, huggingFaceNamed(tensors), &f); err != nil {
			return f, err
		}
	}
	by := func(known bool) beside {
		if known {
			return recorded
		}
		return said
	}
	if vit {
		if err := d.chooseHeads(&c.ViT, by(recorded.heads != 0), &f); err != nil {
			return f, err
		}
	}
	d.chooseActivation(c, by(recorded.activation != ""), format, tensors, &f)
	return f, d.prepare(c, format, dir, huggingFaceNamed(tensors), &f)
}

// chooseHeads takes the heads from d, from a file beside the checkpoint, from a published
// model of the same width, depth and neurons, or from the width.
func (d Details) chooseHeads(v *ViT, said beside, f *found) error {
	like := publishedHeads(*v)
	switch {
	case d.Heads != 0 && !d.Assumed && v.Width%d.Heads != 0:
		return usage.Errorf("{vit-heads}: %s in an image tower of width %d, want a number that divides it", quantity.Of(d.Heads, "head"), v.Width)
	case d.Heads != 0:
		v.Heads, f.heads = d.Heads, fromHeads
	case said.heads != 0:
		v.Heads, f.heads = said.heads, said.name
	case like != nil:
		v.Heads, f.heads = like.Heads, like.Name
	case v.Width%HeadWidth != 0:
		return hinted{
			fmt.Errorf("an image tower of width %d and %s is not a published one: how many heads do its layers have?", v.Width, quantity.Of(v.Layers, "layer")),
			"say it with {vit-heads}, or put the model's config.json or open_clip_config.json beside the weights",
		}
	default:
		v.Heads, f.heads = v.Width/HeadWidth, fromGuess
		f.notes = append(f.notes, fmt.Sprintf("guessed %s in each layer, of width %d; if there are others, say how many with {vit-heads}", quantity.Of(v.Heads, "head"), HeadWidth))
	}
	return nil
}

// publishedHeads is a published model of these layers, if there is one of these patches, or nil.
func publishedHeads(v ViT) *configs.Transformer {
	var like *configs.Transformer
	for _, m := range configs.Transformers() {
		if m.Width == v.Width && m.Layers == v.Layers && m.MLP == v.MLP && (like == nil || m.PatchSize == v.Patch && like.PatchSize != v.Patch) {
			like = &m
		}
	}
	return like
}

// chooseActivation takes the activation from d, from the format, from a file beside the
// checkpoint, or by a guess.
func (d Details) chooseActivation(c *Config, said beside, format string, tensors map[string]ptfile.Tensor, f *found) {
	name := QuickGELU
	switch {
	case d.Activation != "":
		name, f.activation = d.Activation, fromActivation
		if format == formatTorchScript && name != QuickGELU && d.Recorded == nil && !d.Assumed {
			f.notes = append(f.notes, fmt.Sprintf("TorchScript archives are OpenAI's, whose activation is %q: used %s", QuickGELU, name))
		}
	case said.activation != "":
		name, f.activation = said.activation, said.name
	case c.ViT == (ViT{}): // as all published ResNets have it
	case format == formatTorchScript:
		f.activation = fromFormat
	default:
		f.activation = fromGuess
		name, f.guess = guessActivation(*c, tensors)
	}
	c.setActivation(name)
}

func (c *Config) setActivation(name string) {
	c.Activation = kernel.QuickGELU
	if name == GELU {
		c.Activation = kernel.GELU
	}
}

// guessActivation guesses the activation of a vision transformer by who published models of
// its sizes: if there are several, with several activations, by its dtype and names. OpenAI's
// weights are float16, and are the best known of those with Hugging Face's names.
func guessActivation(c Config, tensors map[string]ptfile.Tensor) (name, note string) {
	const others = "; if it is quick_gelu, as in OpenAI's and others' with \"-quickgelu\" in their names, say {activation} quick_gelu" + orBeside
	m := publishedAs(c)
	switch {
	case m == nil || m.Activations[configs.OpenAI] == "":
		return GELU, "guessed the activation gelu, as in most of open_clip's models" + others
	case len(m.Activations) == 1:
		return QuickGELU, fmt.Sprintf("guessed the activation quick_gelu, as in OpenAI's %s", m.Name) + orGELU
	case tensors["visual.proj"].DType == ptfile.Float16:
		return QuickGELU, fmt.Sprintf("guessed the activation quick_gelu, because OpenAI's %s is float16 as this is", m.Name) + orGELU
	case huggingFaceNamed(tensors):
		return QuickGELU, fmt.Sprintf("guessed the activation quick_gelu, as in OpenAI's %s, whose tensors have these names of Hugging Face's", m.Name) + orGELU
	}
	return GELU, fmt.Sprintf("guessed the activation gelu, as in open_clip's %s, whose weights are float32", m.Name) + others
}

const (
	orBeside = ", or put the model's config.json or open_clip_config.json beside the weights"
	orGELU   = "; if it is gelu, as in most of open_clip's models, say {activation} gelu" + orBeside
)

// publishedAs is the published model of these sizes, or nil.
func publishedAs(c Config) *configs.Transformer {
	name := c.Name()
	for _, m := range configs.Transformers() {
		if m.Name == name {
			return &m
		}
	}
	return nil
}
