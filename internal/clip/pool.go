package clip

import (
	"math"

	"gorgonia.org/tensor"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
)

func readPool(ck *Checkpoint, r *reader) (*decomp.Pool, error) {
	var value, valueBias, out, outBias []float32
	err := r.keepAll(ck, map[string]*[]float32{
		"visual.attnpool.v_proj.weight": &value,
		"visual.attnpool.v_proj.bias":   &valueBias,
		"visual.attnpool.c_proj.weight": &out,
		"visual.attnpool.c_proj.bias":   &outBias,
	})
	if err != nil {
		return nil, err
	}
	return decomp.NewPool(ck.Config.Heads(), value, valueBias, out, outBias), nil
}

// Pool reads the weights that turn scores into contributions, without
// building a tower.
func (ck *Checkpoint) Pool() (*decomp.Pool, error) { return readPool(ck, new(reader)) }

// attentionWeights are what the class token's attention is made of. The key
// bias is left out: it adds the same to every logit of a row, which the
// softmax takes away again.
type attentionWeights struct {
	position  []float32 // [T,C]
	query     []float32 // W_Q, [C,C]
	queryBias []float32 // [C]
	key       []float32 // W_K, [C,C]
}

func readAttentionWeights(ck *Checkpoint, r *reader) (attentionWeights, error) {
	var w attentionWeights
	err := r.keepAll(ck, map[string]*[]float32{
		"visual.attnpool.positional_embedding": &w.position,
		"visual.attnpool.q_proj.weight":        &w.query,
		"visual.attnpool.q_proj.bias":          &w.queryBias,
		"visual.attnpool.k_proj.weight":        &w.key,
	})
	return w, err
}

func (r *reader) keepAll(ck *Checkpoint, into map[string]*[]float32) error {
	for _, p := range ck.Config.parameters() { // in the file's order of use, so that the first error is always the same
		if dst, ok := into[p.name]; ok {
			w, err := r.keep(ck, p.name)
			if err != nil {
				return err
			}
			*dst = w
		}
	}
	return nil
}

// poolBuffers hold the values of the attention pool for a lane's pictures.
type poolBuffers struct {
	tokens    []float32 // [B,T,C]
	attention []float32 // [B,H,T]
	scores    []float32 // [B,H,C]
	features  []float32 // [B,O]
	query     []float32 // [B,C]
	folded    []float32 // [B,H,C], W_K^hᵀ q^h
	values    []float32 // [B,C], the heads' outputs before c_proj
}

// declarePool declares the attention pool on the last map: tokens, the class
// token's attention, scores, features.
//
// Only the class token's output is needed, so keys are never projected:
//
//	logit[h,t] = q^h · (W_K^h x[t] + B_K^h) = (W_K^hᵀ q^h) · x[t] + const
//
// and neither are values: with s[h] = Σ_t a[h,t] x[t] a head's output is
// W_V^h s[h] + B_V^h, since attention rows sum to one.
func (l *lane) declarePool(n *network, m mapValue) error {
	c := l.tower.config
	tokens, heads, neurons, capacity := c.Tokens(), c.Heads(), c.Neurons(), l.capacity
	l.pool = poolBuffers{
		tokens:    kernel.Alloc(capacity * tokens * neurons),
		attention: make([]float32, capacity*heads*tokens),
		scores:    kernel.Alloc(capacity * heads * neurons),
		features:  make([]float32, capacity*c.OutDim),
		query:     make([]float32, capacity*neurons),
		folded:    kernel.Alloc(capacity * heads * neurons),
		values:    make([]float32, capacity*neurons),
	}
	tokenShape := tensor.Shape{capacity, tokens, neurons}
	attentionShape := tensor.Shape{capacity, heads, tokens}
	scoreShape := tensor.Shape{capacity, heads, neurons}

	x, err := n.apply("visual.attnpool.tokens", l.pool.tokens, tokenShape, []tensor.Shape{mapShape(m.m)}, func() {
		kernel.Tokens(l.pool.tokens, m.m.Slice(0, l.count), l.tower.attend.position, l.team)
	}, m.value)
	if err != nil {
		return err
	}
	a, err := n.apply("visual.attnpool.attention", l.pool.attention, attentionShape, []tensor.Shape{tokenShape}, l.attention, x)
	if err != nil {
		return err
	}
	s, err := n.apply("visual.attnpool.scores", l.pool.scores, scoreShape, []tensor.Shape{attentionShape, tokenShape}, l.scores, a, x)
	if err != nil {
		return err
	}
	_, err = n.apply("visual.attnpool.features", l.pool.features, tensor.Shape{capacity, c.OutDim}, []tensor.Shape{scoreShape}, l.features, s)
	return err
}

// attention computes the class token's attention row in every head.
func (l *lane) attention() {
	c, w, p := l.tower.config, l.tower.attend, l.pool
	T, H, C, D := c.Tokens(), c.Heads(), c.Neurons(), HeadWidth
	for b := range l.count {
		copy(p.query[b*C:(b+1)*C], w.queryBias)
	}
	scale := float32(1 / math.Sqrt(float64(D)))
	// q = (x[0] W_Qᵀ + B_Q)/√D, the class tokens being T*C apart.
	kernel.Sgemm(false, true, l.count, C, C, 1, p.tokens, T*C, w.query, C, 1, p.query, C, l.team)
	for i := range p.query[:l.count*C] {
		p.query[i] *= scale
	}
	for h := range H {
		kernel.Sgemm(false, false, l.count, C, D, 1, p.query[h*D:], C, w.key[h*D*C:], C, 0, p.folded[h*C:], H*C, l.team)
	}
	for b := range l.count {
		kernel.Sgemm(false, true, H, T, C, 1, p.folded[b*H*C:], C, p.tokens[b*T*C:], C, 0, p.attention[b*H*T:], T, l.team)
	}
	kernel.Softmax(p.attention, l.count*H, T)
}

// scores computes s[h,n] = Σ_t a[h,t]·x[t,n].
func (l *lane) scores() {
	c, p := l.tower.config, l.pool
	T, H, C := c.Tokens(), c.Heads(), c.Neurons()
	for b := range l.count {
		kernel.Sgemm(false, false, H, C, T, 1, p.attention[b*H*T:], T, p.tokens[b*T*C:], C, 0, p.scores[b*H*C:], C, l.team)
	}
}

// features computes the image features of the scores.
func (l *lane) features() {
	l.tower.pool.Features(l.pool.features, l.pool.values, l.pool.scores, l.count, l.team)
}
