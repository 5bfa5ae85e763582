package onnxtower

import (
	"math"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/onnx"
	"github.com/clipnh/clipnh/internal/usage"
)

// resNet declares a ModifiedResNet and its attention pool.
type resNet struct{ *builder }

func (r *resNet) check(o Options) error {
	if o.NeuronLayer != nil {
		return usage.Errorf("{neuron-layer}: %s is a CLIP-ResNet, whose neurons are those of its last layer", r.ck.Path())
	}
	return nil
}

func (r *resNet) shapes() []Shape {
	c := r.ck.Config
	H, C, T := c.Heads(), c.Neurons(), c.Tokens()
	return []Shape{{Features, "B,O", []int{c.OutDim}}, {Scores, "B,H,C", []int{H, C}}, {Attention, "B,H,T", []int{H, T}}, {Tokens, "B,T,C", []int{T, C}}}
}

func (r *resNet) norms() string {
	if r.half {
		return "separate"
	}
	return "folded"
}

func (r *resNet) properties() []onnx.Property {
	return []onnx.Property{{Key: "batch_norms", Value: r.norms()}}
}

func (r *resNet) declare() {
	c := r.ck.Config
	x := r.conv("visual.conv1", "visual.bn1", Input, 3, c.Width/2, 3, 2)
	x = r.relu("visual.relu1", x)
	x = r.relu("visual.relu2", r.conv("visual.conv2", "visual.bn2", x, c.Width/2, c.Width/2, 3, 1))
	x = r.relu("visual.relu3", r.conv("visual.conv3", "visual.bn3", x, c.Width/2, c.Width, 3, 1))
	x = r.halve("visual.avgpool", x)
	for _, block := range c.Bottlenecks() {
		x = r.block(block, x)
	}
	r.pool(x)
}

// conv is a convolution with the batch norm after it: folded in, or where weights are
// stored as float16, a node of its own.
func (r *resNet) conv(name, norm, x string, in, out, size, stride int) string {
	pad := size / 2
	attributes := []onnx.Attribute{axes("kernel_shape", size, size), axes("strides", stride, stride), axes("pads", pad, pad, pad, pad)}
	weight := name + ".weight"
	if !r.half {
		w := r.vector(weight, func() ([]float32, error) {
			w, _, err := r.weights.Folded(name, norm)
			return w, err
		}, out, in, size, size)
		bias := r.vector(name+".bias", func() ([]float32, error) { return r.weights.FoldedBias(norm) }, out)
		return r.Apply("Conv", name, []string{x, w, bias}, attributes...)
	}
	x = r.Apply("Conv", name, []string{x, r.matrix(weight, r.stored(weight), out, in, size, size)}, attributes...)
	inputs := []string{x}
	for _, part := range []string{".weight", ".bias", ".running_mean", ".running_var"} {
		inputs = append(inputs, r.parameter(norm+part, out))
	}
	return r.Apply("BatchNormalization", norm, inputs, onnx.Attribute{Name: "epsilon", Value: float32(clip.BatchNormEpsilon)})
}

func (r *resNet) relu(name, x string) string { return r.Apply("Relu", name, []string{x}) }

// halve is the 2x2 average pool.
func (r *resNet) halve(name, x string) string {
	return r.Apply("AveragePool", name, []string{x}, axes("kernel_shape", 2, 2), axes("strides", 2, 2))
}

func (r *resNet) block(b clip.Bottleneck, x string) string {
	y := r.relu(b.Name+".relu1", r.conv(b.Name+".conv1", b.Name+".bn1", x, b.In, b.Planes, 1, 1))
	y = r.relu(b.Name+".relu2", r.conv(b.Name+".conv2", b.Name+".bn2", y, b.Planes, b.Planes, 3, 1))
	if b.Strides {
		y = r.halve(b.Name+".avgpool", y)
	}
	y = r.conv(b.Name+".conv3", b.Name+".bn3", y, b.Planes, b.Out, 1, 1)
	if b.Projects {
		if b.Strides {
			x = r.halve(b.Name+".downsample.-1", x)
		}
		x = r.conv(b.Name+".downsample.0", b.Name+".downsample.1", x, b.In, b.Out, 1, 1)
	}
	return r.relu(b.Name+".relu3", r.Apply("Add", b.Name+".sum", []string{y, x}))
}

// pool declares the attention pool as package clip computes it: without keys and values
// of tokens,
//
//	a[h] = softmax((W_K^hᵀ q^h) · x), s[h] = Σ_t a[h,t]·x[t], feature = W_O (W_V s + B_V) + B_O
//
// Products by head have the heads first, so that a head's weights are read once for a
// batch.
func (r *resNet) pool(x string) {
	c := r.ck.Config
	H, C, T, D := c.Heads(), c.Neurons(), c.Tokens(), clip.HeadWidth
	const p = "visual.attnpool."

	places := r.transpose(p+"places", r.reshape(p+"map", x, 0, C, T-1), 0, 2, 1)
	mean := r.Apply("ReduceMean", p+"mean", []string{places}, axes("axes", 1), onnx.Attribute{Name: "keepdims", Value: int64(1)})
	all := r.Apply("Concat", p+"mean_and_places", []string{mean, places}, axis(1))
	tokens := r.Apply("Add", Tokens, []string{all, r.parameter(p+"positional_embedding", T, C)})

	q := r.dense(p+"q_proj", r.reshape(p+"class", r.first(p+"class_token", tokens), -1, C), p+"q_proj.weight", p+"q_proj.bias", C, C)
	q = r.Apply("Mul", p+"query", []string{q, r.number(p+"scale", float32(1/math.Sqrt(float64(D))))})
	q = r.transpose(p+"query_by_head", r.reshape(p+"query_heads", q, -1, H, D), 1, 0, 2)
	keys := r.Apply("MatMul", p+"k_proj", []string{q, r.matrix(p+"k_proj.weight", r.stored(p+"k_proj.weight"), H, D, C)})
	keys = r.transpose(p+"folded_query", keys, 1, 0, 2)
	logits := r.Apply("MatMul", p+"logits", []string{keys, r.transpose(p+"tokens_by_channel", tokens, 0, 2, 1)})
	attention := r.softmax(Attention, logits)

	scores := r.Apply("MatMul", Scores, []string{attention, tokens})
	byHead := r.transpose(p+"scores_by_head", scores, 1, 0, 2)
	values := r.Apply("MatMul", p+"v_proj", []string{byHead, r.matrix(p+"v_proj.weight", r.values(H, D, C), H, C, D)})
	values = r.reshape(p+"values", r.transpose(p+"values_by_image", values, 1, 0, 2), -1, C)
	values = r.Apply("Add", p+"values_and_bias", []string{values, r.parameter(p+"v_proj.bias", C)})
	r.dense(Features, values, p+"c_proj.weight", p+"c_proj.bias", C, c.OutDim)
}

// values are W_V [H,D,C], as [H,C,D].
func (r *resNet) values(H, D, C int) read {
	return func() ([]float32, error) {
		w, err := r.weights.Read("visual.attnpool.v_proj.weight")
		if err != nil {
			return nil, err
		}
		t := make([]float32, 0, len(w))
		for h := range H {
			t = append(t, transpose(w[h*D*C:(h+1)*D*C], D, C)...)
		}
		return t, nil
	}
}
