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

// attentionWeights are what attention is made of. The key bias is for SelfSelf
// alone: where queries attend to keys it adds the same to every logit of a row,
// which the softmax takes away again.
type attentionWeights struct {
	position  []float32 // [T,C]
	query     []float32 // W_Qᵀ, [C,C]: a product with a single row reads it faster so
	queryBias []float32 // [C]
	key       []float32 // W_K, [C,C]
	keyBias   []float32 // [C]
}

func readAttentionWeights(ck *Checkpoint, r *reader) (attentionWeights, error) {
	var w attentionWeights
	err := r.keepAll(ck, map[string]*[]float32{
		"visual.attnpool.positional_embedding": &w.position,
		"visual.attnpool.q_proj.weight":        &w.query,
		"visual.attnpool.q_proj.bias":          &w.queryBias,
		"visual.attnpool.k_proj.weight":        &w.key,
		"visual.attnpool.k_proj.bias":          &w.keyBias,
	})
	if err == nil {
		w.query = transposed(w.query, ck.Config.Neurons(), ck.Config.Neurons())
	}
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

	token         value     // tokens, in the graph
	all           []float32 // [B,H,T,T], where every token's attention is wanted
	queries, keys []float32 // [T,C], of one picture
	tokenValues   []float32 // [B,T,C]
	selfSelf      []float32 // [B,T,C]
}

// declarePool declares the attention pool on a map of the last stage: tokens,
// the class token's attention, scores, features.
//
// Only the class token's output is needed, so keys are never projected:
//
//	logit[h,t] = q^h · (W_K^h x[t] + B_K^h) = (W_K^hᵀ q^h) · x[t] + const
//
// and neither are values: with s[h] = Σ_t a[h,t] x[t] a head's output is
// W_V^h s[h] + B_V^h, since attention rows sum to one.
func (l *lane) declarePool(n *network, name string, m mapValue, o ImageOptions) (poolBuffers, error) {
	c := l.tower.config
	tokens, heads, neurons, capacity := l.tower.Tokens(), c.Heads(), c.Neurons(), l.capacity
	p := poolBuffers{
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

	x, err := n.apply(name+".tokens", p.tokens, tokenShape, []tensor.Shape{mapShape(m.m)}, func() {
		kernel.Tokens(p.tokens, m.m.Slice(0, l.count), l.tower.position, l.team)
	}, m.value)
	if err != nil {
		return p, err
	}
	p.token = x
	a, err := n.apply(name+".attention", p.attention, attentionShape, []tensor.Shape{tokenShape}, func() { l.attention(p) }, x)
	if err != nil {
		return p, err
	}
	s, err := n.apply(name+".scores", p.scores, scoreShape, []tensor.Shape{attentionShape, tokenShape}, func() { l.scores(p) }, a, x)
	if err != nil {
		return p, err
	}
	_, err = n.apply(name+".features", p.features, tensor.Shape{capacity, c.OutDim}, []tensor.Shape{scoreShape}, func() { l.features(p) }, s)
	if err == nil && (o.TokenValues || o.SelfSelf) {
		err = l.declareTokenOutputs(n, name, &p, o.SelfSelf)
	}
	return p, err
}

// declareAllAttention declares the attention of every token, which scores do
// not need: it projects all tokens to queries and keys.
func (l *lane) declareAllAttention(n *network, p *poolBuffers) error {
	c := l.tower.config
	T, H, C := l.tower.Tokens(), c.Heads(), c.Neurons()
	p.all = make([]float32, l.capacity*H*T*T)
	p.queries, p.keys = make([]float32, T*C), make([]float32, T*C)
	_, err := n.apply("visual.attnpool.all_attention", p.all, tensor.Shape{l.capacity, H, T, T},
		[]tensor.Shape{p.token.shape}, func() { l.allAttention(*p) }, p.token)
	return err
}

// allAttention computes the attention rows of every token in every head,
//
//	a[h,i,·] = softmax over t of (W_Q^h x[i] + B_Q^h)·(W_K^h x[t])/√D
//
// picture by picture. The key bias adds q·B_K to a whole row, which the softmax
// takes away again.
func (l *lane) allAttention(p poolBuffers) {
	c, w := l.tower.config, l.tower.attend
	T, H, C, D := l.tower.Tokens(), c.Heads(), c.Neurons(), HeadWidth
	scale := float32(1 / math.Sqrt(float64(D)))
	for b := range l.count {
		x := p.tokens[b*T*C : (b+1)*T*C]
		l.queries(p.queries, x)
		kernel.Sgemm(1, kernel.Dense(x, T, C), kernel.Dense(w.key, C, C).T(), 0, kernel.Dense(p.keys, T, C), l.team)
		for h := range H {
			kernel.Sgemm(scale, kernel.Strided(p.queries[h*D:], T, D, C), kernel.Strided(p.keys[h*D:], T, D, C).T(),
				0, kernel.Dense(p.all[(b*H+h)*T*T:], T, T), l.team)
		}
	}
	kernel.Softmax(p.all, l.count*H*T, T)
}

// queries projects the tokens x [T,C] of a picture to queries, [T,C].
func (l *lane) queries(dst, x []float32) {
	C, w := l.tower.config.Neurons(), l.tower.attend
	T := len(x) / C
	for t := range T {
		copy(dst[t*C:(t+1)*C], w.queryBias)
	}
	kernel.Sgemm(1, kernel.Dense(x, T, C), kernel.Dense(w.query, C, C), 1, kernel.Dense(dst, T, C), l.team)
}

// attention computes the class token's attention row in every head.
func (l *lane) attention(p poolBuffers) {
	c, w := l.tower.config, l.tower.attend
	T, H, C, D := l.tower.Tokens(), c.Heads(), c.Neurons(), HeadWidth
	for b := range l.count {
		copy(p.query[b*C:(b+1)*C], w.queryBias)
	}
	scale := float32(1 / math.Sqrt(float64(D)))
	// q = (x[0] W_Qᵀ + B_Q)/√D, the class tokens being T*C apart.
	kernel.Sgemm(1, kernel.Strided(p.tokens, l.count, C, T*C), kernel.Dense(w.query, C, C), 1, kernel.Dense(p.query, l.count, C), l.team)
	for i := range p.query[:l.count*C] {
		p.query[i] *= scale
	}
	for h := range H {
		kernel.Sgemm(1, kernel.Strided(p.query[h*D:], l.count, D, C), kernel.Dense(w.key[h*D*C:], D, C),
			0, kernel.Strided(p.folded[h*C:], l.count, C, H*C), l.team)
	}
	for b := range l.count {
		kernel.Sgemm(1, kernel.Dense(p.folded[b*H*C:], H, C), kernel.Dense(p.tokens[b*T*C:], T, C).T(),
			0, kernel.Dense(p.attention[b*H*T:], H, T), l.team)
	}
	kernel.Softmax(p.attention, l.count*H, T)
}

// scores computes s[h,n] = Σ_t a[h,t]·x[t,n].
func (l *lane) scores(p poolBuffers) {
	c := l.tower.config
	T, H, C := l.tower.Tokens(), c.Heads(), c.Neurons()
	for b := range l.count {
		kernel.Sgemm(1, kernel.Dense(p.attention[b*H*T:], H, T), kernel.Dense(p.tokens[b*T*C:], T, C),
			0, kernel.Dense(p.scores[b*H*C:], H, C), l.team)
	}
}

// features computes the image features of the scores.
func (l *lane) features(p poolBuffers) {
	l.tower.pool.Features(p.features, p.values, p.scores, l.count, l.team)
}
