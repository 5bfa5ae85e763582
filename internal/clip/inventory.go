package clip

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/ptfile"
	"github.com/clipnh/clipnh/internal/quantity"
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
	c.image().parameters(c, add)
	if !c.HasText() {
		return list
	}
	add("token_embedding.weight", c.VocabSize, c.TextWidth)
	add("positional_embedding", c.ContextLength, c.TextWidth)
	for i := range c.TextLayers {
		addBlock(add, fmt.Sprintf("transformer.resblocks.%d.", i), c.TextWidth, 4*c.TextWidth)
	}
	add("ln_final.weight", c.TextWidth)
	add("ln_final.bias", c.TextWidth)
	add("text_projection", c.TextWidth, c.OutDim)
	return list
}

// addBlock adds the tensors of a transformer's block of the given width, whose MLP has
// wide neurons.
func addBlock(add func(name string, shape ...int), name string, width, wide int) {
	add(name+"ln_1.weight", width)
	add(name+"ln_1.bias", width)
	add(name+"attn.in_proj_weight", 3*width, width)
	add(name+"attn.in_proj_bias", 3*width)
	add(name+"attn.out_proj.weight", width, width)
	add(name+"attn.out_proj.bias", width)
	add(name+"ln_2.weight", width)
	add(name+"ln_2.bias", width)
	add(name+"mlp.c_fc.weight", wide, width)
	add(name+"mlp.c_fc.bias", wide)
	add(name+"mlp.c_proj.weight", width, wide)
	add(name+"mlp.c_proj.bias", width)
}

// ignored reports whether the towers do not need a tensor of a checkpoint: counters, the
// numbers of positions, the training temperature, sizes that the shapes give as well, and the causal mask.
func ignored(name string) bool {
	switch name {
	case "logit_scale", "logit_bias", "input_resolution", "context_length", "vocab_size", "attn_mask", "transformer.attn_mask":
		return true
	}
	return strings.HasSuffix(name, ".num_batches_tracked") || strings.HasSuffix(name, ".position_ids")
}

// infer reads the sizes of a CLIP off the shapes of its tensors and checks that every
// tensor is there, has the shape that these sizes call for, and that no other one
// is. A file may hold the image tower alone, without any tensor of a text tower. dir is the
// folder of the file.
func infer(tensors map[string]ptfile.Tensor, format, dir string, d Details) (c Config, f found, err error) {
	if len(tensors) == 0 {
		return c, f, errors.New("no tensors, want the weights of a CLIP-ResNet or CLIP-ViT")
	}
	if what := otherArchitecture(tensors); what != "" {
		return c, f, fmt.Errorf("%s, want a CLIP-ResNet or CLIP-ViT (RN50x16, ViT-B-32 or another model of their kind)", what)
	}
	m := measure{tensors: tensors}
	if isViT(tensors) {
		m.vit(&c)
	} else {
		m.resNet(&c)
	}
	if holdsText(tensors) {
		c.VocabSize = m.size("token_embedding.weight", 2, 0)
		c.ContextLength = m.size("positional_embedding", 2, 0)
		c.TextWidth = m.size("ln_final.weight", 1, 0)
		c.TextLayers = m.count("transformer.resblocks.%d.ln_1.weight")
	}
	if m.failure != nil {
		return Config{}, f, m.failure
	}
	if f, err = d.complete(&c, format, tensors, dir); err != nil {
		return Config{}, f, err
	}
	if err := c.validate(); err != nil {
		return Config{}, f, err
	}
	return c, f, c.check(tensors)
}

// measure reads sizes off the shapes of tensors and remembers the first failure.
type measure struct {
	tensors map[string]ptfile.Tensor
	failure error
}

// size is one axis of a tensor.
func (m *measure) size(name string, rank, axis int) int {
	t, ok := m.tensors[name]
	switch {
	case m.failure != nil:
	case !ok:
		m.failure = missingTensor{name: name}
	case len(t.Shape) != rank:
		m.failure = fmt.Errorf("%s: shape %s, want %s", name, shapeText(t.Shape), quantity.Of(rank, "dimension"))
	default:
		return t.Shape[axis]
	}
	return 0
}

// count is how many tensors there are of a name with a number, from 0 on; at least one.
func (m *measure) count(format string) int {
	n := 0
	for {
		if _, ok := m.tensors[fmt.Sprintf(format, n)]; !ok {
			break
		}
		n++
	}
	if n == 0 && m.failure == nil {
		m.failure = missingTensor{name: fmt.Sprintf(format, 0)}
	}
	return n
}

// grid is the side of the square of locations that a position embedding is for.
func (m *measure) grid(name string) int {
	tokens := m.size(name, 2, 0)
	grid := int(math.Round(math.Sqrt(float64(tokens - 1))))
	if m.failure == nil && (tokens < 2 || grid*grid+1 != tokens) {
		m.failure = fmt.Errorf("%s: %s, want 1 and a square number of locations", name, quantity.Of(tokens, "token"))
	}
	return grid
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
			return missingTensor(p)
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
		return fmt.Errorf("%s: a tensor that no %s of these sizes has%s", foreign.Name(surplus[0]), c.Family(), andMore(len(surplus)-1))
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
