package clip

import (
	"fmt"
	"math"

	"gorgonia.org/tensor"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/quantity"
)

// ov adds the value and output projections.
func (l *loading) ov(into **decomp.OV) {
	c := l.ck.Config
	H, C, O := c.Heads(), c.Neurons(), c.OutDim
	half := l.ck.half("visual.attnpool.v_proj.weight") && l.ck.half("visual.attnpool.c_proj.weight")
	l.add("visual.attnpool.ov", fmt.Sprintf("%d %d %d%s", H, C, O, precisionOf(half)), decomp.PackedOVLen(H, C, O, half), func(_ *reader, dst []float32) error {
		return decomp.PackOV(H, C, O, half, dst, func(value, valueBias, out, outBias []float32) error {
			for _, t := range []struct { // in the file's order of use, so that the first error is always the same
				name string
				dst  []float32
			}{
				{"visual.attnpool.v_proj.weight", value},
				{"visual.attnpool.v_proj.bias", valueBias},
				{"visual.attnpool.c_proj.weight", out},
				{"visual.attnpool.c_proj.bias", outBias},
			} {
				if err := l.ck.readInto(t.dst, t.name); err != nil {
					return err
				}
			}
			return nil
		})
	}, func(packed []float32) { *into = decomp.PackedOV(H, C, O, half, packed) })
}

// OV returns the weights that turn the scores of a ResNet into contributions, without
// building a tower. They are read once, and must not be written to: all towers of the
// checkpoint have the same. As packed weights they are a set of their own, whatever the
// towers' batch and precision.
func (ck *Checkpoint) OV() (*decomp.OV, error) { return ck.loadOV(par.Team{}) }

// loadOV loads the OV, together with others' weights that are wanted too.
func (ck *Checkpoint) loadOV(team par.Team, others ...*loading) (*decomp.OV, error) {
	if err := ck.Require(AttentionPool); err != nil {
		return nil, err
	}
	ck.ovMutex.Lock()
	defer ck.ovMutex.Unlock()
	ov := ck.ov
	if ov == nil {
		l := newLoading(ck)
		l.ov(&ov)
		others = append(others, l)
	}
	if err := load(team, others...); err != nil {
		return nil, err
	}
	ck.ov = ov
	return ov, nil
}

// attentionWeights are the weights of the class token's attention. The key bias is for SelfSelf alone:
// where queries attend to keys it adds the same number to every logit of a row, which
// the softmax cancels.
type attentionWeights struct {
	position  []float32      // [T,C]
	query     kernel.Weights // W_Qᵀ, [C,C]: a product with a single row is faster this way
	queryBias []float32      // [C]
	key       kernel.Weights // W_K, [C,C]
	keyBias   []float32      // [C]
}

func (l *loading) attention(w *attentionWeights) {
	c := l.ck.Config
	C := c.Neurons()
	l.tensor(&w.position, "visual.attnpool.positional_embedding", c.Tokens()*C)
	const query, key = "visual.attnpool.q_proj.weight", "visual.attnpool.k_proj.weight"
	l.weights(&w.query, query, "transposed", C*C, func(dst kernel.Weights, values []float32) { dst.SetTransposed(values, 1, C, C) })
	l.tensor(&w.queryBias, "visual.attnpool.q_proj.bias", C)
	l.weights(&w.key, key, "tensor", C*C, kernel.Weights.Set)
	l.tensor(&w.keyBias, "visual.attnpool.k_proj.bias", C)
}

func (ck *Checkpoint) keepAll(into map[string]*[]float32) error {
	for _, p := range ck.Config.parameters() { // in the file's order of use, so that the first error is always the same
		if dst, ok := into[p.name]; ok {
			w, err := ck.keep(p.name)
			if err != nil {
				return err
			}
			*dst = w
		}
	}
	return nil
}

// pool is the attention pool on one map of the last stage. Its tokens, and what is
// computed from each of them, are values of the lane's back network; the class token's
// attention and what follows is a network of its own, so that it can run alone.
type pool struct {
	*network
	name                         string
	tokens                       *value // [B,T,C]
	attention, scores, features  *value // [B,H,T], [B,H,C], [B,O]
	all, tokenValues, tokenMixes *value // nil: not computed
}

// declarePool declares a pool's tokens on the map m, and the values and mixes of all tokens.
func (l *lane) declarePool(n *network, name string, m *value, o ImageOptions) (*pool, error) {
	p := &pool{name: name}
	var err error
	if p.tokens, err = n.apply(name+".tokens", tokensOp{l.tower}, m); err != nil {
		return nil, err
	}
	n.keep(p.tokens)
	if o.TokenValues || o.SelfSelf {
		if p.tokenValues, err = n.apply(name+".token_values", newTokenValuesOp(l), p.tokens); err != nil {
			return nil, err
		}
		n.keep(p.tokenValues)
	}
	if o.SelfSelf {
		p.tokenMixes, err = n.apply(name+".self_self", newSelfSelfOp(l.tower), p.tokens, p.tokenValues)
	}
	return p, err
}

// declare declares the class token's attention, the scores and the features. The
// back network must be compiled.
func (p *pool) declare(t *ResNetTower, capacity int) error {
	n := newNetwork()
	x := n.input(p.tokens.name, p.tokens.activation)
	var err error
	if p.attention, err = n.apply(p.name+".attention", newAttentionOp(t.attend, t.config.Neurons(), HeadWidth, capacity), x); err != nil {
		return err
	}
	n.keep(p.attention)
	if p.scores, err = n.apply(p.name+".scores", scoresOp{}, p.attention, x); err != nil {
		return err
	}
	n.keep(p.scores)
	if p.features, err = n.apply(p.name+".features", newFeaturesOp(t, capacity), p.scores); err != nil {
		return err
	}
	p.network = n
	return n.compile()
}

// deliver copies the pool's values to a call's output from image start on.
func (p *pool) deliver(out Output, start int) {
	for _, r := range []struct {
		dst []float32
		v   *value
	}{
		{out.Features, p.features},
		{out.Scores, p.scores},
		{out.Attention, p.attention},
		{out.Tokens, p.tokens},
		{out.AllAttention, p.all},
		{out.TokenValues, p.tokenValues},
		{out.SelfSelf, p.tokenMixes},
	} {
		if r.dst == nil {
			continue
		}
		if r.v == nil {
			panic("clip: output that the tower's options did not ask for")
		}
		r.v.copyTo(r.dst, start)
	}
}

// tokensOp turns a map into tokens: [B,C,H,W] to [B,T,C], the mean first, position
// embedding added.
type tokensOp struct{ t *ResNetTower }

func (o tokensOp) form() form       { return matrixForm }
func (o tokensOp) overwrites() int  { return -1 }
func (o tokensOp) describe() string { return "mean and pixels, plus position" }

func (o tokensOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	C := o.t.config.Neurons()
	if err := wantShape(in[0], C, -1, -1); err != nil {
		return nil, err
	}
	T := 1 + in[0][2]*in[0][3]
	if len(o.t.position) != T*C {
		return nil, fmt.Errorf("%s, want %d, which have positions", quantity.Of(T, "token"), len(o.t.position)/C)
	}
	return tensor.Shape{in[0][0], T, C}, nil
}

func (o tokensOp) run(out *activation, in []*activation, w *workspace) {
	kernel.Tokens(out.rows, in[0].used, o.t.position, w.team)
}

// attentionOp computes the class token's attention in every head: tokens [B,T,C] to
// [B,H,T].
//
// Only the class token's output is needed, so keys are never projected:
//
//	logit[h,t] = q^h · (W_K^h x[t] + B_K^h) = (W_K^hᵀ q^h) · x[t] + const
//
// and neither are values: with s[h] = Σ_t a[h,t] x[t] a head's output is
// W_V^h s[h] + B_V^h, since attention rows sum to one.
type attentionOp struct {
	weights attentionWeights
	width   int       // D
	query   []float32 // [B,C]
	folded  []float32 // [B,H,C], W_K^hᵀ q^h
}

// newAttentionOp is the attention of heads of a width on tokens of a number of channels.
func newAttentionOp(weights attentionWeights, channels, width, capacity int) *attentionOp {
	return &attentionOp{weights, width, make([]float32, capacity*channels), kernel.Alloc(capacity * channels / width * channels)}
}

func (o *attentionOp) form() form       { return matrixForm }
func (o *attentionOp) overwrites() int  { return -1 }
func (o *attentionOp) describe() string { return "softmax of query · keys" }

func (o *attentionOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	err := wantShape(in[0], -1, len(o.weights.queryBias))
	if err != nil {
		return nil, err
	}
	return tensor.Shape{in[0][0], in[0][2] / o.width, in[0][1]}, nil
}

func (o *attentionOp) run(out *activation, in []*activation, w *workspace) {
	x, weights, count := in[0].rows, o.weights, in[0].images()
	H, T, C, D := out.shape[1], in[0].shape[1], in[0].shape[2], o.width
	for b := range count {
		copy(o.query[b*C:(b+1)*C], weights.queryBias)
	}
	scale := float32(1 / math.Sqrt(float64(D)))
	// q = (x[0] W_Qᵀ + B_Q)/√D, the class tokens being T*C apart.
	kernel.Sgemm(1, kernel.Strided(x, count, C, T*C), weights.query.Matrix(0, C, C), 1, kernel.Dense(o.query, count, C), w.team)
	for i := range o.query[:count*C] {
		o.query[i] *= scale
	}
	for h := range H {
		kernel.Sgemm(1, kernel.Strided(o.query[h*D:], count, D, C), weights.key.Matrix(h*D*C, D, C), 0, kernel.Strided(o.folded[h*C:], count, C, H*C), w.team)
	}
	for b := range count {
		kernel.Sgemm(1, kernel.Dense(o.folded[b*H*C:], H, C), kernel.Dense(x[b*T*C:], T, C).T(), 0, kernel.Dense(out.rows[b*H*T:], H, T), w.team)
	}
	kernel.Softmax(out.rows, count*H, T)
}

// scoresOp computes s[h,n] = Σ_t a[h,t]·x[t,n]: attention [B,H,T] and tokens [B,T,C]
// to [B,H,C].
type scoresOp struct{}

func (scoresOp) form() form       { return matrixForm }
func (scoresOp) overwrites() int  { return -1 }
func (scoresOp) describe() string { return "attention · tokens" }

func (scoresOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	if err := wantShape(in[0], -1, -1); err != nil {
		return nil, err
	}
	if err := wantShape(in[1], in[0][2], -1); err != nil {
		return nil, err
	}
	return tensor.Shape{in[0][0], in[0][1], in[1][2]}, nil
}

func (scoresOp) run(out *activation, in []*activation, w *workspace) {
	H, T, C := out.shape[1], in[0].shape[2], out.shape[2]
	for b := range out.images() {
		kernel.Sgemm(1, kernel.Dense(in[0].rows[b*H*T:], H, T), kernel.Dense(in[1].rows[b*T*C:], T, C), 0, kernel.Dense(out.rows[b*H*C:], H, C), w.team)
	}
}

// featuresOp turns scores into image features: [B,H,C] to [B,O].
type featuresOp struct {
	t      *ResNetTower
	values []float32 // [B,C], the heads' outputs before c_proj
}

func newFeaturesOp(t *ResNetTower, capacity int) featuresOp {
	return featuresOp{t, make([]float32, capacity*t.config.Neurons())}
}

func (o featuresOp) form() form       { return vectorForm }
func (o featuresOp) overwrites() int  { return -1 }
func (o featuresOp) describe() string { return "value and output projections" }

func (o featuresOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	if err := wantShape(in[0], o.t.config.Heads(), o.t.config.Neurons()); err != nil {
		return nil, err
	}
	return tensor.Shape{in[0][0], o.t.config.OutDim}, nil
}

func (o featuresOp) run(out *activation, in []*activation, w *workspace) {
	o.t.ov.Features(out.rows, o.values, in[0].rows, out.images(), w.team)
}
