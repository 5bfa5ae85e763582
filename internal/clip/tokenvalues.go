package clip

import (
	"math"

	"gorgonia.org/tensor"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
)

// This file computes what single tokens would give, which the image feature
// does not need: the values of all tokens, and attention among likes.

// readValues packs the value projection, for as many pixels as a picture of
// the model's size has tokens.
func readValues(ck *Checkpoint, pool *decomp.Pool, r *reader) (*kernel.Conv, error) {
	bias, err := r.read(ck, "visual.attnpool.v_proj.bias")
	if err != nil {
		return nil, err
	}
	C := ck.Config.Neurons()
	spec := kernel.ConvSpec{In: []int{C}, Out: C, Kernel: 1, H: 1, W: ck.Config.Tokens(), Images: 1}
	return kernel.NewConv(spec, [][]float32{pool.Value}, bias), nil
}

// declareTokenOutputs declares the values of all tokens of a pool and, if so
// asked, their outputs under attention among likes.
func (l *lane) declareTokenOutputs(n *network, name string, p *poolBuffers, selfSelf bool) error {
	C, H, T := l.tower.config.Neurons(), l.tower.config.Heads(), l.tower.Tokens()
	shape := tensor.Shape{l.capacity, T, C}
	p.tokenValues = kernel.Alloc(l.capacity * T * C)
	tokens, values := kernel.NewMap(C, l.capacity, 1, T), kernel.NewMap(C, l.capacity, 1, T)
	b := *p
	v, err := n.apply(name+".token_values", p.tokenValues, shape, []tensor.Shape{shape}, func() {
		in, out := tokens.Slice(0, l.count), values.Slice(0, l.count)
		in.SetRows(b.tokens)
		l.tower.values.Run(out, nil, &l.scratch, l.team, in)
		out.Rows(b.tokenValues)
	}, p.token)
	if err != nil || !selfSelf {
		return err
	}
	p.selfSelf = kernel.Alloc(l.capacity * T * C)
	p.queries, p.keys = make([]float32, T*C), make([]float32, T*C)
	rows := make([]float32, H*T*T)
	b = *p
	_, err = n.apply(name+".self_self", p.selfSelf, shape, []tensor.Shape{shape, shape}, func() { l.selfSelf(b, rows) }, p.token, v)
	return err
}

// selfSelf computes Output.SelfSelf, picture by picture; rows has space for
// [H,T,T].
func (l *lane) selfSelf(p poolBuffers, rows []float32) {
	c, w := l.tower.config, l.tower.attend
	T, H, C, D := l.tower.Tokens(), c.Heads(), c.Neurons(), HeadWidth
	scale := float32(1 / math.Sqrt(float64(D)))
	for b := range l.count {
		x := p.tokens[b*T*C : (b+1)*T*C]
		l.queries(p.queries, x)
		for t := range T {
			copy(p.keys[t*C:(t+1)*C], w.keyBias)
		}
		kernel.Sgemm(1, kernel.Dense(x, T, C), kernel.Dense(w.key, C, C).T(), 1, kernel.Dense(p.keys, T, C), l.team)
		values, dst := p.tokenValues[b*T*C:(b+1)*T*C], p.selfSelf[b*T*C:(b+1)*T*C]
		for i, likes := range [][]float32{p.queries, p.keys} {
			for h := range H {
				kernel.Sgemm(scale, kernel.Strided(likes[h*D:], T, D, C), kernel.Strided(likes[h*D:], T, D, C).T(),
					0, kernel.Dense(rows[h*T*T:], T, T), l.team)
			}
			l.team.For(H*T, func(lo, hi, _ int) { kernel.Softmax(rows[lo*T:hi*T], hi-lo, T) })
			for h := range H {
				kernel.Sgemm(1, kernel.Dense(rows[h*T*T:], T, T), kernel.Strided(values[h*D:], T, D, C),
					float32(i), kernel.Strided(dst[h*D:], T, D, C), l.team)
			}
		}
	}
}
