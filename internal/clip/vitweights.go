package clip

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// vitWeights are the packed weights of a vision transformer.
type vitWeights struct {
	patches    *kernel.Conv // a patch's 3·P² values to W, without bias
	position   []float32    // [T,W], the class embedding added to the first row
	pre, post  affine
	layers     []vitLayer
	last       classWeights
	projection *kernel.Conv // W to O, without bias
}

// affine is what a layer norm multiplies by and adds, [W].
type affine struct{ gamma, beta []float32 }

// vitLayer is one layer. The channels of every head are padded with zeros to whole
// blocks of kernel.Lanes, those of its queries, keys and values and those that out
// reads.
type vitLayer struct {
	norm1, norm2       affine
	qkv, out, fc, proj *kernel.Conv
}

// classWeights are the projections of the last layer, where only the class token's
// output is needed, as the attention pool has them: see attentionOp.
type classWeights struct {
	attentionWeights                // of the queries and keys
	value            kernel.Weights // W_Vᵀ, [W,H·D]
	valueBias        []float32      // [H·D]
}

// paddedWidth is the width of a head in whole blocks.
func (v ViT) paddedWidth() int {
	return (v.HeadWidth() + kernel.Lanes - 1) / kernel.Lanes * kernel.Lanes
}

func (ck *Checkpoint) affine(name string) (a affine, err error) {
	err = ck.keepAll(map[string]*[]float32{name + ".weight": &a.gamma, name + ".bias": &a.beta})
	return a, err
}

// norm is a layer norm's weights.
func (l *loading) norm(into *affine, name string) {
	W := l.ck.Config.ViT.Width
	l.tensor(&into.gamma, name+".weight", W)
	l.tensor(&into.beta, name+".bias", W)
}

// product is a fully connected layer on the tokens of an image.
func (l *loading) product(into **kernel.Conv, name string, in, out int, activation kernel.Activation, precision kernel.Precision, read func(*reader) (weights, bias []float32, err error)) {
	l.conv(into, name, kernel.ConvSpec{
		In: []int{in}, Out: out, Kernel: 1, H: 1, W: l.ck.Config.Tokens(), Images: 1, Activation: activation, Precision: precision,
	}, func(r *reader) ([][]float32, []float32, error) {
		w, bias, err := read(r)
		return [][]float32{w}, bias, err
	})
}

// both reads a bias and the weights that it goes with.
func (r *reader) both(ck *Checkpoint, weight, bias string) (w, b []float32, err error) {
	if b, err = ck.keep(bias); err != nil {
		return nil, nil, err
	}
	w, err = r.read(ck, weight)
	return w, b, err
}

func (l *loading) vit(w *vitWeights, precision kernel.Precision) {
	c := l.ck.Config
	v := c.ViT
	l.made(&w.position, "visual.positional_embedding", "class added", c.Tokens()*v.Width, func(r *reader, dst []float32) error {
		class, err := l.ck.keep("visual.class_embedding")
		if err != nil {
			return err
		}
		position, err := r.read(l.ck, "visual.positional_embedding")
		copy(dst, position)
		if err == nil {
			for i, x := range class {
				dst[i] += x
			}
		}
		return err
	})
	l.product(&w.patches, "visual.conv1", 3*v.Patch*v.Patch, v.Width, kernel.None, precision, func(r *reader) ([]float32, []float32, error) {
		patches, err := r.read(l.ck, "visual.conv1.weight")
		return patches, make([]float32, v.Width), err
	})
	l.norm(&w.pre, "visual.ln_pre")
	w.layers = make([]vitLayer, v.Layers)
	for i := range w.layers {
		l.vitLayer(&w.layers[i], v.layer(i), precision)
	}
	l.classWeights(&w.last, v.layer(v.Layers-1))
	l.norm(&w.post, "visual.ln_post")
	l.product(&w.projection, "visual.proj", v.Width, c.OutDim, kernel.None, precision, func(r *reader) ([]float32, []float32, error) {
		projection, err := r.read(l.ck, "visual.proj") // [W,O]
		if err != nil {
			return nil, nil, err
		}
		return transposed(projection, v.Width, c.OutDim), make([]float32, c.OutDim), nil
	})
}

func (l *loading) vitLayer(layer *vitLayer, name string, precision kernel.Precision) {
	v := l.ck.Config.ViT
	inner := v.Heads * v.paddedWidth()
	padded := fmt.Sprintf("%sattn.in_proj.%d_heads", name, v.Heads)
	l.norm(&layer.norm1, name+"ln_1")
	l.product(&layer.qkv, padded, v.Width, 3*inner, kernel.None, precision, func(r *reader) ([]float32, []float32, error) {
		w, bias, err := r.both(l.ck, name+"attn.in_proj_weight", name+"attn.in_proj_bias") // [3,H,D,W]
		if err != nil {
			return nil, nil, err
		}
		return v.padRows(w, 3*v.Heads, v.Width), v.padRows(bias, 3*v.Heads, 1), nil
	})
	padded = fmt.Sprintf("%sattn.out_proj.%d_heads", name, v.Heads)
	l.product(&layer.out, padded, inner, v.Width, kernel.None, precision, func(r *reader) ([]float32, []float32, error) {
		w, bias, err := r.both(l.ck, name+"attn.out_proj.weight", name+"attn.out_proj.bias") // [W,H,D]
		if err != nil {
			return nil, nil, err
		}
		return v.padRows(w, v.Width*v.Heads, 1), bias, nil
	})
	l.norm(&layer.norm2, name+"ln_2")
	l.product(&layer.fc, name+"mlp.c_fc", v.Width, v.MLP, l.ck.Config.Activation, precision, func(r *reader) ([]float32, []float32, error) {
		return r.both(l.ck, name+"mlp.c_fc.weight", name+"mlp.c_fc.bias")
	})
	l.product(&layer.proj, name+"mlp.c_proj", v.MLP, v.Width, kernel.None, precision, func(r *reader) ([]float32, []float32, error) {
		return r.both(l.ck, name+"mlp.c_proj.weight", name+"mlp.c_proj.bias")
	})
}

func (l *loading) classWeights(w *classWeights, name string) {
	W := l.ck.Config.ViT.Width
	name += "attn.in_proj_"
	part := func(into *kernel.Weights, i int, packing string, set func(dst kernel.Weights, matrix []float32)) {
		l.weights(into, name+"weight", packing, W*W, func(dst kernel.Weights, all []float32) { // [3,W,W]
			set(dst, all[i*W*W:(i+1)*W*W])
		})
	}
	transposed := func(dst kernel.Weights, matrix []float32) { dst.SetTransposed(matrix, 1, W, W) }
	part(&w.query, 0, "queries transposed", transposed)
	part(&w.key, 1, "keys", kernel.Weights.Set)
	part(&w.value, 2, "values transposed", transposed)
	l.add(name+"bias", "tensor", 3*W, func(r *reader, dst []float32) error {
		bias, err := r.read(l.ck, name+"bias")
		copy(dst, bias)
		return err
	}, func(bias []float32) { w.queryBias, w.valueBias = bias[:W], bias[2*W:] })
}

// padRows puts zeros behind the D rows of each of a number of heads, so that they have
// paddedWidth rows. Rows have each values.
func (v ViT) padRows(rows []float32, heads, each int) []float32 {
	from, to := v.HeadWidth()*each, v.paddedWidth()*each
	padded := make([]float32, heads*to)
	for h := range heads {
		copy(padded[h*to:], rows[h*from:(h+1)*from])
	}
	return padded
}

// partWeights are what turns parts of the class token's residual into parts of the
// feature: the last norm's weights with the projection,
//
//	part r of S equal ones counts (γ (r - m/S)/sd + β/S) proj
//
// with the mean m and the deviation sd of the whole residual.
type partWeights struct {
	projection []float32   // diag(γ) proj, [W,O]
	mean       []float32   // γ proj, [O]
	shift      []float32   // β proj, [O]
	heads      [][]float32 // of each layer, W_O diag(γ) proj by the heads' padded channels, [H·Dp,O]
	outBias    [][]float32 // of each layer, B_O diag(γ) proj, [O]
}

func readPartWeights(ck *Checkpoint, r *reader) (*partWeights, error) {
	c, p := ck.Config, new(partWeights)
	v, W, O := c.ViT, c.ViT.Width, c.OutDim
	post, err := ck.affine("visual.ln_post")
	if err != nil {
		return nil, err
	}
	if p.projection, err = ck.keep("visual.proj"); err != nil {
		return nil, err
	}
	p.shift = throughRows(post.beta, p.projection, O)
	p.mean = throughRows(post.gamma, p.projection, O)
	for w := range W {
		for o := range O {
			p.projection[w*O+o] *= post.gamma[w]
		}
	}
	inner := v.Heads * v.paddedWidth()
	for i := range v.Layers {
		bias, err := ck.keep(v.layer(i) + "attn.out_proj.bias")
		if err != nil {
			return nil, err
		}
		p.outBias = append(p.outBias, throughRows(bias, p.projection, O))
		out, err := r.read(ck, v.layer(i)+"attn.out_proj.weight")
		if err != nil {
			return nil, err
		}
		heads := make([]float32, inner*O)
		kernel.Sgemm(1, kernel.Dense(v.padRows(out, W*v.Heads, 1), W, inner).T(), kernel.Dense(p.projection, W, O), 0, kernel.Dense(heads, inner, O), par.Team{})
		p.heads = append(p.heads, heads)
	}
	return p, nil
}

// throughRows is x times the rows of m, [len(x),cols], in float64.
func throughRows(x, m []float32, cols int) []float32 {
	sum := make([]float64, cols)
	for i, v := range x {
		for o := range sum {
			sum[o] += float64(v) * float64(m[i*cols+o])
		}
	}
	dst := make([]float32, cols)
	for o, s := range sum {
		dst[o] = float32(s)
	}
	return dst
}

// LayerPairs reads the weights that turn scores of the pairs of a layer's neurons into
// contributions, for a vision transformer. A neuron n that writes w[n] to the residual
// adds, through head h of a later layer l, its score times
//
//	v[l,h,n] = (γ_post (d - mean d)) proj
//	d        = W_O^h W_V^h (γ_1 (w[n] - mean w[n]))
//
// to the feature; the deviations that the norms divide by are part of the score. Heads
// of the pool are those of all layers after the neurons', one layer after the other.
func (ck *Checkpoint) LayerPairs(neuronLayer int) (*decomp.OV, error) {
	return ck.layerPairs(neuronLayer, centreColumns)
}

// layerPairs is LayerPairs with what is done to the columns of w, [W,N], and of W_O, [W,H,D].
func (ck *Checkpoint) layerPairs(neuronLayer int, centre func(m []float32, rows, cols int)) (*decomp.OV, error) {
	c := ck.Config
	v, W, N, O, D := c.ViT, c.ViT.Width, c.ViT.MLP, c.OutDim, c.ViT.HeadWidth()
	if err := v.checkNeuronLayer(neuronLayer); err != nil {
		return nil, err
	}
	var r reader
	post, err := ck.affine("visual.ln_post")
	if err != nil {
		return nil, err
	}
	projection, err := ck.keep("visual.proj")
	if err != nil {
		return nil, err
	}
	for w := range W {
		for o := range O {
			projection[w*O+o] *= post.gamma[w]
		}
	}
	neurons, err := ck.keep(v.layer(neuronLayer) + "mlp.c_proj.weight") // [W,N]
	if err != nil {
		return nil, err
	}
	centre(neurons, W, N)
	heads := (v.Layers - 1 - neuronLayer) * v.Heads
	value, out := make([]float32, heads*D*N), make([]float32, O*heads*D)
	for i := range v.Layers - 1 - neuronLayer {
		name := v.layer(neuronLayer + 1 + i)
		gamma, err := ck.keep(name + "ln_1.weight")
		if err != nil {
			return nil, err
		}
		all, err := r.read(ck, name+"attn.in_proj_weight") // [3,H,D,W]
		if err != nil {
			return nil, err
		}
		values := all[2*W*W:]
		for j := range values {
			values[j] *= gamma[j%W]
		}
		kernel.Sgemm(1, kernel.Dense(values, W, W), kernel.Dense(neurons, W, N), 0, kernel.Dense(value[i*W*N:], W, N), par.Team{})
		outputs, err := r.read(ck, name+"attn.out_proj.weight") // [W,H,D]
		if err != nil {
			return nil, err
		}
		centre(outputs, W, W)
		kernel.Sgemm(1, kernel.Dense(projection, W, O).T(), kernel.Dense(outputs, W, W), 0, kernel.Strided(out[i*W:], O, W, heads*D), par.Team{})
	}
	return decomp.OVFromSlices(heads, N, O, value, out, make([]float32, heads*O)), nil
}

// centreColumns takes the mean of each column of m [rows,cols] out of it.
func centreColumns(m []float32, rows, cols int) {
	mean := make([]float64, cols)
	for i, x := range m[:rows*cols] {
		mean[i%cols] += float64(x) / float64(rows)
	}
	for i := range m[:rows*cols] {
		m[i] = float32(float64(m[i]) - mean[i%cols])
	}
}
