package clip

import (
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

// paddedWidth is the width of a head in whole blocks.
func (v ViT) paddedWidth() int {
	return (v.HeadWidth() + kernel.Lanes - 1) / kernel.Lanes * kernel.Lanes
}

func readAffine(ck *Checkpoint, r *reader, name string) (a affine, err error) {
	err = r.keepAll(ck, map[string]*[]float32{name + ".weight": &a.gamma, name + ".bias": &a.beta})
	return a, err
}

func readViT(ck *Checkpoint, r *reader, precision kernel.Precision) (*vitWeights, error) {
	c := ck.Config
	v, w := c.ViT, new(vitWeights)
	pack := func(in, out int, weights, bias []float32, activation kernel.Activation) *kernel.Conv {
		return kernel.NewConv(kernel.ConvSpec{
			In: []int{in}, Out: out, Kernel: 1, H: 1, W: c.Tokens(), Images: 1, Activation: activation, Precision: precision,
		}, [][]float32{weights}, bias)
	}
	var class []float32
	err := r.keepAll(ck, map[string]*[]float32{"visual.class_embedding": &class, "visual.positional_embedding": &w.position})
	if err != nil {
		return nil, err
	}
	for i, x := range class {
		w.position[i] += x
	}
	patches, err := r.read(ck, "visual.conv1.weight")
	if err != nil {
		return nil, err
	}
	w.patches = pack(3*v.Patch*v.Patch, v.Width, patches, make([]float32, v.Width), kernel.None)
	if w.pre, err = readAffine(ck, r, "visual.ln_pre"); err != nil {
		return nil, err
	}
	for i := range v.Layers {
		l, err := readViTLayer(ck, r, v.layer(i), pack)
		if err != nil {
			return nil, err
		}
		w.layers = append(w.layers, l)
	}
	if w.post, err = readAffine(ck, r, "visual.ln_post"); err != nil {
		return nil, err
	}
	projection, err := r.read(ck, "visual.proj") // [W,O]
	if err != nil {
		return nil, err
	}
	w.projection = pack(v.Width, c.OutDim, transposed(projection, v.Width, c.OutDim), make([]float32, c.OutDim), kernel.None)
	return w, nil
}

func readViTLayer(ck *Checkpoint, r *reader, name string, pack func(in, out int, weights, bias []float32, activation kernel.Activation) *kernel.Conv) (l vitLayer, err error) {
	v := ck.Config.ViT
	if l.norm1, err = readAffine(ck, r, name+"ln_1"); err != nil {
		return l, err
	}
	bias, err := r.keep(ck, name+"attn.in_proj_bias")
	if err != nil {
		return l, err
	}
	w, err := r.read(ck, name+"attn.in_proj_weight") // [3,H,D,W]
	if err != nil {
		return l, err
	}
	inner := v.Heads * v.paddedWidth()
	l.qkv = pack(v.Width, 3*inner, v.padRows(w, 3*v.Heads, v.Width), v.padRows(bias, 3*v.Heads, 1), kernel.None)
	if bias, err = r.keep(ck, name+"attn.out_proj.bias"); err != nil {
		return l, err
	}
	if w, err = r.read(ck, name+"attn.out_proj.weight"); err != nil { // [W,H,D]
		return l, err
	}
	l.out = pack(inner, v.Width, v.padRows(w, v.Width*v.Heads, 1), bias, kernel.None)
	if l.norm2, err = readAffine(ck, r, name+"ln_2"); err != nil {
		return l, err
	}
	if bias, err = r.keep(ck, name+"mlp.c_fc.bias"); err != nil {
		return l, err
	}
	if w, err = r.read(ck, name+"mlp.c_fc.weight"); err != nil {
		return l, err
	}
	l.fc = pack(v.Width, v.MLP, w, bias, ck.Config.Activation)
	if bias, err = r.keep(ck, name+"mlp.c_proj.bias"); err != nil {
		return l, err
	}
	if w, err = r.read(ck, name+"mlp.c_proj.weight"); err != nil {
		return l, err
	}
	l.proj = pack(v.MLP, v.Width, w, bias, kernel.None)
	return l, nil
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
	post, err := readAffine(ck, r, "visual.ln_post")
	if err != nil {
		return nil, err
	}
	if p.projection, err = r.keep(ck, "visual.proj"); err != nil {
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
		bias, err := r.keep(ck, v.layer(i)+"attn.out_proj.bias")
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
	c := ck.Config
	v, W, N, O, D := c.ViT, c.ViT.Width, c.ViT.MLP, c.OutDim, c.ViT.HeadWidth()
	if err := v.checkNeuronLayer(neuronLayer); err != nil {
		return nil, err
	}
	var r reader
	post, err := readAffine(ck, &r, "visual.ln_post")
	if err != nil {
		return nil, err
	}
	projection, err := r.keep(ck, "visual.proj")
	if err != nil {
		return nil, err
	}
	for w := range W {
		for o := range O {
			projection[w*O+o] *= post.gamma[w]
		}
	}
	neurons, err := r.keep(ck, v.layer(neuronLayer)+"mlp.c_proj.weight") // [W,N]
	if err != nil {
		return nil, err
	}
	centreColumns(neurons, W, N)
	heads := (v.Layers - 1 - neuronLayer) * v.Heads
	value, out := make([]float32, heads*D*N), make([]float32, O*heads*D)
	for i := range v.Layers - 1 - neuronLayer {
		name := v.layer(neuronLayer + 1 + i)
		gamma, err := r.keep(ck, name+"ln_1.weight")
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
		centreColumns(outputs, W, W)
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
