package clip

import (
	"math"

	"gorgonia.org/tensor"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// This file computes values, attention and outputs of all tokens, which the image
// feature does not need.

// values is the value projection, for as many pixels as an image of the model's size has
// tokens.
func (l *loading) values(into **kernel.Conv) {
	C := l.ck.Config.Neurons()
	spec := kernel.ConvSpec{In: []int{C}, Out: C, Kernel: 1, H: 1, W: l.ck.Config.Tokens(), Images: 1}
	l.conv(into, "visual.attnpool.v_proj", spec, func(r *reader) ([][]float32, []float32, error) {
		bias, err := l.ck.keep("visual.attnpool.v_proj.bias")
		if err != nil {
			return nil, nil, err
		}
		w, err := r.read(l.ck, "visual.attnpool.v_proj.weight")
		return [][]float32{w}, bias, err
	})
}

// projectQueries projects the tokens x [T,C] of an image to queries, [T,C].
func (w *attentionWeights) projectQueries(dst, x []float32, team par.Team) {
	C := len(w.queryBias)
	project(dst, x, w.queryBias, w.query.Matrix(0, C, C), team)
}

// project computes x W + bias of tokens x [T,C] and weights W [C,C].
func project(dst, x, bias []float32, weights kernel.Matrix, team par.Team) {
	C := len(bias)
	T := len(x) / C
	for t := range T {
		copy(dst[t*C:(t+1)*C], bias)
	}
	kernel.Sgemm(1, kernel.Dense(x, T, C), weights, 1, kernel.Dense(dst, T, C), team)
}

// allAttentionOp computes the attention rows of every token in every head,
//
//	a[h,i,·] = softmax over t of (W_Q^h x[i] + B_Q^h)·(W_K^h x[t])/√D
//
// image by image: tokens [B,T,C] to [B,H,T,T]. The key bias adds q·B_K to a whole row,
// which the softmax cancels.
type allAttentionOp struct {
	t             *ResNetTower
	queries, keys []float32 // [T,C], of one image
}

func newAllAttentionOp(t *ResNetTower) *allAttentionOp {
	n := t.Tokens() * t.config.Neurons()
	return &allAttentionOp{t, make([]float32, n), make([]float32, n)}
}

func (o *allAttentionOp) form() form       { return form{rank: 4} }
func (o *allAttentionOp) overwrites() int  { return -1 }
func (o *allAttentionOp) describe() string { return "softmax of queries · keys" }

func (o *allAttentionOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	if err := wantShape(in[0], o.t.Tokens(), o.t.config.Neurons()); err != nil {
		return nil, err
	}
	return tensor.Shape{in[0][0], in[0][2] / HeadWidth, in[0][1], in[0][1]}, nil
}

func (o *allAttentionOp) run(out *activation, in []*activation, w *workspace) {
	weights := o.t.attend
	H, T, C, D := out.shape[1], out.shape[2], in[0].shape[2], HeadWidth
	scale := float32(1 / math.Sqrt(float64(D)))
	for b := range out.images() {
		x := in[0].rows[b*T*C : (b+1)*T*C]
		weights.projectQueries(o.queries, x, w.team)
		kernel.Sgemm(1, kernel.Dense(x, T, C), weights.key.Matrix(0, C, C).T(), 0, kernel.Dense(o.keys, T, C), w.team)
		for h := range H {
			kernel.Sgemm(scale, kernel.Strided(o.queries[h*D:], T, D, C), kernel.Strided(o.keys[h*D:], T, D, C).T(), 0, kernel.Dense(out.rows[(b*H+h)*T*T:], T, T), w.team)
		}
	}
	kernel.Softmax(out.rows, out.images()*H*T, T)
}

// tokenValuesOp projects all tokens to values: [B,T,C] to [B,T,C].
type tokenValuesOp struct {
	t              *ResNetTower
	tokens, values kernel.Map // of all images
}

func newTokenValuesOp(l *lane) *tokenValuesOp {
	C, T := l.tower.config.Neurons(), l.tower.Tokens()
	return &tokenValuesOp{l.tower, kernel.NewMap(C, l.capacity, 1, T), kernel.NewMap(C, l.capacity, 1, T)}
}

func (o *tokenValuesOp) form() form       { return matrixForm }
func (o *tokenValuesOp) overwrites() int  { return -1 }
func (o *tokenValuesOp) describe() string { return "values of all tokens" }

func (o *tokenValuesOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	if err := wantShape(in[0], o.t.Tokens(), o.t.config.Neurons()); err != nil {
		return nil, err
	}
	return in[0].Clone(), nil
}

func (o *tokenValuesOp) run(out *activation, in []*activation, w *workspace) {
	tokens, values := o.tokens.Slice(0, out.images()), o.values.Slice(0, out.images())
	tokens.SetRows(in[0].rows)
	o.t.values.Run(values, nil, &w.scratch, w.team, tokens)
	values.Rows(out.rows)
}

// selfSelfOp computes Output.SelfSelf, image by image: tokens and their values, both
// [B,T,C], to [B,T,C].
type selfSelfOp struct {
	t             *ResNetTower
	queries, keys []float32 // [T,C], of one image
	attention     []float32 // [H,T,T], of one image
}

func newSelfSelfOp(t *ResNetTower) *selfSelfOp {
	H, T, C := t.config.Heads(), t.Tokens(), t.config.Neurons()
	return &selfSelfOp{t, make([]float32, T*C), make([]float32, T*C), make([]float32, H*T*T)}
}

func (o *selfSelfOp) form() form       { return matrixForm }
func (o *selfSelfOp) overwrites() int  { return -1 }
func (o *selfSelfOp) describe() string { return "query-query and key-key attention" }

func (o *selfSelfOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	for _, shape := range in {
		if err := wantShape(shape, o.t.Tokens(), o.t.config.Neurons()); err != nil {
			return nil, err
		}
	}
	return in[0].Clone(), nil
}

func (o *selfSelfOp) run(out *activation, in []*activation, w *workspace) {
	weights, H := o.t.attend, o.t.config.Heads()
	T, C, D := out.shape[1], out.shape[2], HeadWidth
	scale := float32(1 / math.Sqrt(float64(D)))
	for b := range out.images() {
		x, values, dst := in[0].rows[b*T*C:(b+1)*T*C], in[1].rows[b*T*C:(b+1)*T*C], out.rows[b*T*C:(b+1)*T*C]
		weights.projectQueries(o.queries, x, w.team)
		project(o.keys, x, weights.keyBias, weights.key.Matrix(0, C, C).T(), w.team)
		for i, vectors := range [][]float32{o.queries, o.keys} {
			for h := range H {
				kernel.Sgemm(scale, kernel.Strided(vectors[h*D:], T, D, C), kernel.Strided(vectors[h*D:], T, D, C).T(), 0, kernel.Dense(o.attention[h*T*T:], T, T), w.team)
			}
			w.team.For(H*T, func(lo, hi, _ int) { kernel.Softmax(o.attention[lo*T:hi*T], hi-lo, T) })
			for h := range H {
				kernel.Sgemm(1, kernel.Dense(o.attention[h*T*T:], T, T), kernel.Strided(values[h*D:], T, D, C), float32(i), kernel.Strided(dst[h*D:], T, D, C), w.team)
			}
		}
	}
}
