package clip

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/ptfile"
)

// parameter is a tensor that the architecture calls for.
type parameter struct {
	name  string
	shape []int
}

// parameters lists every tensor that a checkpoint of these sizes must hold,
// in the order in which the towers use them: those of the image tower, and of
// the text tower where it has one.
func (c Config) parameters() []parameter {
	var list []parameter
	add := func(name string, shape ...int) { list = append(list, parameter{name, shape}) }
	norm := func(name string, channels int) {
		for _, part := range []string{"weight", "bias", "running_mean", "running_var"} {
			add(name+"."+part, channels)
		}
	}

	add("visual.conv1.weight", c.Width/2, 3, 3, 3)
	norm("visual.bn1", c.Width/2)
	add("visual.conv2.weight", c.Width/2, c.Width/2, 3, 3)
	norm("visual.bn2", c.Width/2)
	add("visual.conv3.weight", c.Width, c.Width/2, 3, 3)
	norm("visual.bn3", c.Width)
	for _, b := range c.blocks() {
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
	neurons := c.Neurons()
	add("visual.attnpool.positional_embedding", c.Tokens(), neurons)
	for _, p := range []string{"q_proj", "k_proj", "v_proj"} {
		add("visual.attnpool."+p+".weight", neurons, neurons)
		add("visual.attnpool."+p+".bias", neurons)
	}
	add("visual.attnpool.c_proj.weight", c.OutDim, neurons)
	add("visual.attnpool.c_proj.bias", c.OutDim)

	if !c.HasText() {
		return list
	}
	add("token_embedding.weight", c.VocabSize, c.TextWidth)
	add("positional_embedding", c.ContextLength, c.TextWidth)
	for i := range c.TextLayers {
		b, w := fmt.Sprintf("transformer.resblocks.%d.", i), c.TextWidth
		add(b+"ln_1.weight", w)
		add(b+"ln_1.bias", w)
		add(b+"attn.in_proj_weight", 3*w, w)
		add(b+"attn.in_proj_bias", 3*w)
		add(b+"attn.out_proj.weight", w, w)
		add(b+"attn.out_proj.bias", w)
		add(b+"ln_2.weight", w)
		add(b+"ln_2.bias", w)
		add(b+"mlp.c_fc.weight", 4*w, w)
		add(b+"mlp.c_fc.bias", 4*w)
		add(b+"mlp.c_proj.weight", w, 4*w)
		add(b+"mlp.c_proj.bias", w)
	}
	add("ln_final.weight", c.TextWidth)
	add("ln_final.bias", c.TextWidth)
	add("text_projection", c.TextWidth, c.OutDim)
	return list
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

func (c Config) blocks() []block {
	var list []block
	in, scale := c.Width, 4
	for stage, n := range c.Layers {
		for i := range n {
			b := block{fmt.Sprintf("visual.layer%d.%d", stage+1, i), stage, in, c.Width << stage, 1, scale}
			if stage > 0 && i == 0 {
				b.stride = 2
			}
			list = append(list, b)
			in, scale = b.out(), scale*b.stride
		}
	}
	return list
}

// ignored reports whether the towers do not need a tensor of a checkpoint: counters,
// the training temperature, sizes that the shapes give as well, and the causal mask.
func ignored(name string) bool {
	switch name {
	case "logit_scale", "logit_bias", "input_resolution", "context_length", "vocab_size", "attn_mask", "transformer.attn_mask":
		return true
	}
	return strings.HasSuffix(name, ".num_batches_tracked")
}

// infer reads the sizes of a CLIP-ResNet off the shapes of its tensors and
// checks that every tensor is there, has the shape that these sizes call for,
// and that no other one is. A file may hold the image tower alone, without any
// tensor of a text tower.
func infer(tensors map[string]ptfile.Tensor) (Config, error) {
	var c Config
	if len(tensors) == 0 {
		return c, errors.New("no tensors, want the weights of a CLIP-ResNet")
	}
	if what := otherArchitecture(tensors); what != "" {
		return c, fmt.Errorf("%s, want a CLIP-ResNet (RN50, RN101, RN50x4, RN50x16, RN50x64 or a small model of their kind)", what)
	}
	// size reads one axis of a tensor, remembering the first failure.
	var failure error
	size := func(name string, rank, axis int) int {
		t, ok := tensors[name]
		switch {
		case failure != nil:
		case !ok:
			failure = fmt.Errorf("tensor %s is missing", name)
		case len(t.Shape) != rank:
			failure = fmt.Errorf("%s: shape %s, want %d dimensions", name, shapeText(t.Shape), rank)
		default:
			return t.Shape[axis]
		}
		return 0
	}
	c.Width = 2 * size("visual.conv1.weight", 4, 0)
	for stage := range c.Layers {
		for {
			if _, ok := tensors[fmt.Sprintf("visual.layer%d.%d.conv1.weight", stage+1, c.Layers[stage])]; !ok {
				break
			}
			c.Layers[stage]++
		}
		if c.Layers[stage] == 0 && failure == nil {
			failure = fmt.Errorf("tensor visual.layer%d.0.conv1.weight is missing", stage+1)
		}
	}
	tokens := size("visual.attnpool.positional_embedding", 2, 0)
	c.OutDim = size("visual.attnpool.c_proj.weight", 2, 0)
	if holdsText(tensors) {
		c.VocabSize = size("token_embedding.weight", 2, 0)
		c.ContextLength = size("positional_embedding", 2, 0)
		c.TextWidth = size("ln_final.weight", 1, 0)
		for {
			if _, ok := tensors[fmt.Sprintf("transformer.resblocks.%d.ln_1.weight", c.TextLayers)]; !ok {
				break
			}
			c.TextLayers++
		}
		if c.TextLayers == 0 && failure == nil {
			failure = errors.New("tensor transformer.resblocks.0.ln_1.weight is missing")
		}
	}
	if failure != nil {
		return Config{}, failure
	}
	grid := int(math.Round(math.Sqrt(float64(tokens - 1))))
	if tokens < 2 || grid*grid+1 != tokens {
		return Config{}, fmt.Errorf("visual.attnpool.positional_embedding: %d tokens, want 1 and a square number of locations", tokens)
	}
	c.ImageSize = 32 * grid
	if err := c.validate(); err != nil {
		return Config{}, err
	}
	return c, c.check(tensors)
}

// holdsText says whether a file has tensors of a text tower, all or some.
func holdsText(tensors map[string]ptfile.Tensor) bool {
	for name := range tensors {
		switch name {
		case "token_embedding.weight", "positional_embedding", "text_projection", "ln_final.weight", "ln_final.bias":
			return true
		}
		if strings.HasPrefix(name, "transformer.resblocks.") {
			return true
		}
	}
	return false
}

// check compares the tensors of a file with those that the sizes call for.
func (c Config) check(tensors map[string]ptfile.Tensor) error {
	wanted := make(map[string]bool)
	for _, p := range c.parameters() {
		t, ok := tensors[p.name]
		if !ok {
			return fmt.Errorf("tensor %s is missing, want shape %v", p.name, p.shape)
		}
		if !slices.Equal(t.Shape, p.shape) {
			return fmt.Errorf("%s: shape %s, want %v", p.name, shapeText(t.Shape), p.shape)
		}
		switch t.DType {
		case ptfile.Float16, ptfile.BFloat16, ptfile.Float32, ptfile.Float64:
		default:
			return fmt.Errorf("%s: dtype %v, want a float", p.name, t.DType)
		}
		wanted[p.name] = true
	}
	var surplus []string
	for name := range tensors {
		if !wanted[name] && !ignored(name) {
			surplus = append(surplus, name)
		}
	}
	if len(surplus) > 0 {
		slices.Sort(surplus)
		return fmt.Errorf("%s: a tensor that no CLIP-ResNet of these sizes has%s", foreign.Name(surplus[0]), andMore(len(surplus)-1))
	}
	return nil
}

func andMore(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", n)
}

// shapeText writes the shape of a tensor of a file, which may have any number of
// dimensions.
func shapeText(shape []int) string {
	const most = 8
	if len(shape) <= most {
		return fmt.Sprint(shape)
	}
	return fmt.Sprintf("%v and %d more", shape[:most], len(shape)-most)
}

// elements is the number of elements of a tensor; 1 for a scalar.
func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// statistic reports whether a tensor is a running statistic, which torch does
// not count among the parameters.
func statistic(name string) bool {
	return strings.HasSuffix(name, ".running_mean") || strings.HasSuffix(name, ".running_var")
}
