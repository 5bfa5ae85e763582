package onnxtower

import (
	"math"
	"slices"
	"strconv"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/onnx"
	"github.com/clipnh/clipnh/internal/usage"
)

// vit declares a vision transformer.
type vit struct {
	*builder
	v       clip.ViT
	neurons *int // the layer whose neurons are scored; nil: none

	activations string   // of those neurons, [B,T,N]
	attention   []string // of each layer, the class token's, [B,1,H,T]
	scores      []string // of each layer after the neurons', before division by the last deviation, [B,H,N]
}

func (t *vit) check(o Options) error {
	scored := slices.Contains(o.Outputs, Scores)
	switch {
	case scored && o.NeuronLayer == nil:
		return usage.Errorf("{outputs} scores: %s is a vision transformer, want {neuron-layer} too", t.ck.Path())
	case !scored && o.NeuronLayer != nil:
		return usage.Errorf("{neuron-layer}: want {outputs} with scores")
	case o.NeuronLayer != nil:
		return t.v.CheckNeuronLayer(*o.NeuronLayer)
	}
	return nil
}

func (t *vit) shapes() []Shape {
	c := t.ck.Config
	H, T, L := c.Heads(), c.Tokens(), t.v.Layers
	shapes := []Shape{{Features, "B,O", []int{c.OutDim}}}
	if t.neurons != nil {
		shapes = append(shapes, Shape{Scores, "B,PH,C", []int{(L - 1 - *t.neurons) * H, c.Neurons()}})
	}
	return append(shapes, Shape{Attention, "B,L,H,T", []int{L, H, T}}, Shape{Tokens, "B,T,W", []int{T, t.v.Width}})
}

func (t *vit) norms() string { return "" }

func (t *vit) properties() []onnx.Property {
	of := []onnx.Property{{Key: "activation", Value: clip.ActivationName(t.ck.Config.Activation)}, {Key: "heads", Value: strconv.Itoa(t.v.Heads)}}
	if t.neurons != nil {
		of = append(of, onnx.Property{Key: "neuron_layer", Value: strconv.Itoa(*t.neurons)})
	}
	return of
}

func (t *vit) declare() {
	c, W := t.ck.Config, t.v.Width
	x := t.Apply("Conv", "visual.conv1", []string{
		Input, t.matrix("visual.conv1.weight", t.stored("visual.conv1.weight"), W, 3, t.v.Patch, t.v.Patch),
	}, axes("kernel_shape", t.v.Patch, t.v.Patch), axes("strides", t.v.Patch, t.v.Patch))
	x = t.transpose("visual.patches", t.reshape("visual.conv1.map", x, 0, W, c.Tokens()-1), 0, 2, 1)
	// The class token is a patch of zeros, to which its embedding is added with the positions.
	x = t.Apply("Pad", "visual.class_and_patches", []string{x, t.integers(0, 1, 0, 0, 0, 0)})
	x = t.Apply("Add", "visual.embedded", []string{x, t.vector("visual.positional_embedding", t.positions, c.Tokens(), W)})
	x = t.norm(Tokens, "visual.ln_pre", x)
	for i := range t.v.Layers {
		x = t.layer(i, x)
	}
	t.Apply("Concat", Attention, t.attention, axis(1))
	if t.neurons != nil {
		all := t.Apply("Concat", "visual.scores", t.scores, axis(1))
		t.Apply("Div", Scores, []string{all, t.deviations("visual.ln_post", x)})
	}
	x = t.reshape("visual.class", t.norm("visual.ln_post", "visual.ln_post", x), -1, W)
	t.Apply("MatMul", Features, []string{x, t.matrix("visual.proj", t.stored("visual.proj"), W, c.OutDim)})
}

// positions are the position embedding [T,W], the class embedding added to the first row.
func (t *vit) positions() ([]float32, error) {
	class, err := t.weights.Read("visual.class_embedding")
	if err != nil {
		return nil, err
	}
	class = append([]float32(nil), class...)
	positions, err := t.weights.Read("visual.positional_embedding")
	if err != nil {
		return nil, err
	}
	for i, x := range class {
		positions[i] += x
	}
	return positions, nil
}

func (t *vit) norm(name, weights, x string) string {
	W := t.v.Width
	return t.Apply("LayerNormalization", name, []string{x, t.parameter(weights+".weight", W), t.parameter(weights+".bias", W)},
		axis(-1), onnx.Attribute{Name: "epsilon", Value: float32(clip.LayerNormEpsilon)})
}

// linear is x W^T + bias of tokens x [B,T,in] and weights [out,in].
func (t *vit) linear(name, x, weight, bias string, in, out int) string {
	x = t.Apply("MatMul", name+".product", []string{x, t.matrix(weight, t.transposed(weight, out, in), in, out)})
	return t.Apply("Add", name, []string{x, t.parameter(bias, out)})
}

// layer declares a layer on x and returns its output: of the last one, the class token's
// alone.
func (t *vit) layer(i int, x string) string {
	name, W, D := t.v.Layer(i), t.v.Width, t.v.HeadWidth()
	last := i == t.v.Layers-1
	qkv := t.linear(name+"attn.in_proj", t.norm(name+"ln_1", name+"ln_1", x), name+"attn.in_proj_weight", name+"attn.in_proj_bias", W, 3*W)
	parts := []string{name + "attn.q", name + "attn.k", name + "attn.v"}
	t.Nodes = append(t.Nodes, onnx.Node{Operator: "Split", Name: name + "attn.split", Inputs: []string{qkv}, Outputs: parts, Attributes: []onnx.Attribute{axis(-1)}})
	into, query := x, parts[0]
	if last {
		query, x = t.first(name+"attn.class_query", query), t.first(name+"in.class", x)
	}
	heads := func(part, end string, order ...int) string {
		return t.transpose(part+end, t.reshape(part+".heads", part, 0, 0, t.v.Heads, D), order...)
	}
	q, k, v := heads(query, ".by_head", 0, 2, 1, 3), heads(parts[1], ".by_channel", 0, 2, 3, 1), heads(parts[2], ".by_head", 0, 2, 1, 3)
	q = t.Apply("Mul", name+"attn.query", []string{q, t.number(name+"attn.scale", float32(1/math.Sqrt(float64(D))))})
	attention := t.softmax(name+"attn.softmax", t.Apply("MatMul", name+"attn.logits", []string{q, k})) // [B,H,T,T], or [B,H,1,T]
	t.looks(i, into, attention)
	mixed := t.transpose(name+"attn.by_token", t.Apply("MatMul", name+"attn.mix", []string{attention, v}), 0, 2, 1, 3)
	mixed = t.linear(name+"attn.out_proj", t.reshape(name+"attn.mixed", mixed, 0, 0, W), name+"attn.out_proj.weight", name+"attn.out_proj.bias", W, W)
	middle := t.Apply("Add", name+"attn.sum", []string{x, mixed})

	wide := t.linear(name+"mlp.c_fc", t.norm(name+"ln_2", name+"ln_2", middle), name+"mlp.c_fc.weight", name+"mlp.c_fc.bias", W, t.v.MLP)
	wide = t.activation(name+"mlp.", wide)
	if t.neurons != nil && *t.neurons == i {
		t.activations = wide
	}
	out := t.linear(name+"mlp.c_proj", wide, name+"mlp.c_proj.weight", name+"mlp.c_proj.bias", t.v.MLP, W)
	return t.Apply("Add", name+"mlp.sum", []string{middle, out})
}

// looks declares what is wanted of a layer's attention [B,H,·,T]: the class token's row,
// and scores of the neurons' pairs, x being what enters the layer:
//
//	s[h,n] = Σ_t a[h,t]·p[t,n]/sd[t]
func (t *vit) looks(i int, x, attention string) {
	name := t.v.Layer(i) + "attn."
	class := attention
	if i < t.v.Layers-1 {
		class = t.Apply("Gather", name+"class", []string{attention, t.integers(0)}, axis(2)) // [B,H,1,T]
	}
	t.attention = append(t.attention, t.transpose(name+"class_attention", class, 0, 2, 1, 3))
	if t.neurons == nil || i <= *t.neurons {
		return
	}
	sd := t.transpose(name+"deviations", t.deviations(t.v.Layer(i)+"ln_1", x), 0, 2, 1) // [B,1,T]
	weighted := t.Apply("Div", name+"weighted", []string{t.reshape(name+"class_rows", class, 0, t.v.Heads, -1), sd})
	t.scores = append(t.scores, t.Apply("MatMul", name+"scores", []string{weighted, t.activations}))
}

// deviations are what a layer norm divides tokens x [B,T,W] by, √(var + eps), [B,T,1].
func (t *vit) deviations(name, x string) string {
	kept := []onnx.Attribute{axes("axes", -1), {Name: "keepdims", Value: int64(1)}}
	centred := t.Apply("Sub", name+".centred", []string{x, t.Apply("ReduceMean", name+".mean", []string{x}, kept...)})
	variance := t.Apply("ReduceMean", name+".variance", []string{t.Apply("Mul", name+".squares", []string{centred, centred})}, kept...)
	return t.Apply("Sqrt", name+".deviations", []string{t.Apply("Add", name+".variance_eps", []string{variance, t.number(name+".eps", clip.LayerNormEpsilon)})})
}

func (t *vit) activation(name, x string) string {
	if t.ck.Config.Activation == kernel.GELU {
		scaled := t.Apply("Mul", name+"x_over_root2", []string{x, t.number(name+"root_half", float32(math.Sqrt2/2))})
		phi := t.Apply("Add", name+"1_plus_erf", []string{t.Apply("Erf", name+"erf", []string{scaled}), t.number(name+"one", 1)})
		return t.Apply("Mul", name+"gelu", []string{t.Apply("Mul", name+"half_x", []string{x, t.number(name+"half", 0.5)}), phi})
	}
	gate := t.Apply("Sigmoid", name+"sigmoid", []string{t.Apply("Mul", name+"scaled", []string{x, t.number(name+"1.702", 1.702)})})
	return t.Apply("Mul", name+"quick_gelu", []string{x, gate})
}
