package clip

import (
	"math"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// SinkProbe measures how much each neuron contributes to the attention sink, the
// last token. It is not safe for concurrent use.
type SinkProbe struct {
	tower    *ResNetTower
	diagonal []float32 // (W_Q^h e_n)·(W_K^h e_n)/√D, [H,C]

	query  []float32   // [C]
	folded []float32   // [H,C]
	logits []float32   // [H,T]
	keys   []float32   // [T,C]
	acts   []float32   // [C,T]
	drops  []float32   // [H,C]
	rows   [][]float32 // [C+1,T] and [C,D], one for each worker
}

// NewSinkProbe returns a probe of the tower's attention pool.
func (t *ResNetTower) NewSinkProbe() *SinkProbe {
	c, w := t.config, t.attend
	H, C, T, D := c.Heads(), c.Neurons(), t.Tokens(), HeadWidth
	p := &SinkProbe{
		tower: t, diagonal: make([]float32, H*C), query: make([]float32, C), folded: make([]float32, H*C),
		logits: make([]float32, H*T), keys: make([]float32, T*C), acts: make([]float32, C*T), drops: make([]float32, H*C),
		rows: make([][]float32, t.all.Size()),
	}
	for h := range H {
		sum := make([]float64, C)
		query, key := make([]float32, D), make([]float32, D*C)
		w.key.Read(key, h*D*C)
		for n := range sum {
			w.query.Read(query, n*C+h*D)
			for d, q := range query {
				sum[n] += float64(q) * float64(key[d*C+n])
			}
		}
		for n, x := range sum {
			p.diagonal[h*C+n] = float32(x / math.Sqrt(float64(D)))
		}
	}
	return p
}

// Drops writes to dst [C], for each neuron, by how much the class token's
// attention to the last token, averaged over heads, falls when the neuron's
// activations are set to zero before the position embedding. tokens are those of
// one image, [T,C], embedding added.
//
// With z the activations, zeroing neuron n takes z[m,n]·e_n from token m, the
// class token included. Logits are bilinear in the class token and token m, so
// that with scaled queries q^h = (W_Q^h x[0] + B_Q^h)/√D the new ones are
//
//	l'[h,n,m] = l[h,m] - z[m,n]·u[h,n] - z[0,n]·A[h,n,m] + z[0,n]·z[m,n]·d[h,n]
//
//	l[h,m]   = q^h · W_K^h x[m]
//	u[h,n]   = q^h · W_K^h e_n
//	A[h,n,m] = W_Q^h e_n · W_K^h x[m]/√D
//	d[h,n]   = W_Q^h e_n · W_K^h e_n/√D
//
// up to terms that are the same for all m. A is one product of W_Q^hᵀ with the
// keys for each head; so all neurons together cost 2·T·C² multiply-adds and
// H·C softmax rows, instead of C runs of the pool.
func (p *SinkProbe) Drops(dst, tokens []float32) {
	c, w, team := p.tower.config, p.tower.attend, p.tower.all
	H, C, T, D := c.Heads(), c.Neurons(), p.tower.Tokens(), HeadWidth
	if len(dst) != C || len(tokens) != T*C {
		panic("clip: tokens are not [T,C] or drops not [C]")
	}
	scale := float32(1 / math.Sqrt(float64(D)))
	copy(p.query, w.queryBias)
	kernel.Sgemm(1, kernel.Dense(tokens, 1, C), w.query.Matrix(0, C, C), 1, kernel.Dense(p.query, 1, C), team)
	for i := range p.query {
		p.query[i] *= scale
	}
	for h := range H {
		kernel.Sgemm(1, kernel.Strided(p.query[h*D:], 1, D, C), w.key.Matrix(h*D*C, D, C), 0, kernel.Dense(p.folded[h*C:], 1, C), team)
	}
	kernel.Sgemm(1, kernel.Dense(p.folded, H, C), kernel.Dense(tokens, T, C).T(), 0, kernel.Dense(p.logits, H, T), team)
	kernel.Sgemm(1, kernel.Dense(tokens, T, C), w.key.Matrix(0, C, C).T(), 0, kernel.Dense(p.keys, T, C), team)
	for m := range T {
		for n := range C {
			p.acts[n*T+m] = tokens[m*C+n] - p.tower.position[m*C+n]
		}
	}
	team.For(H, func(lo, hi, worker int) {
		if p.rows[worker] == nil {
			p.rows[worker] = make([]float32, (C+1)*T+C*D)
		}
		for h := lo; h < hi; h++ {
			p.head(h, p.rows[worker])
		}
	})
	clear(dst)
	for i, x := range p.drops { // in the order of heads, whoever computed them
		dst[i%C] += x / float32(H)
	}
}

// head computes one head's drops. rows has space for the attention rows with each
// neuron zeroed, then for the row with none zeroed, and for W_Q^hᵀ.
func (p *SinkProbe) head(h int, rows []float32) {
	c, w := p.tower.config, p.tower.attend
	C, T, D := c.Neurons(), p.tower.Tokens(), HeadWidth
	scale := float32(1 / math.Sqrt(float64(D)))
	l := p.logits[h*T : (h+1)*T]
	rows, query := rows[:(C+1)*T], rows[(C+1)*T:]
	for n := range C {
		w.query.Read(query[n*D:(n+1)*D], n*C+h*D)
	}
	kernel.Sgemm(scale, kernel.Dense(query, C, D), kernel.Strided(p.keys[h*D:], T, D, C).T(),
		0, kernel.Dense(rows, C, T), par.Team{})
	for n := range C {
		row, z := rows[n*T:(n+1)*T], p.acts[n*T:(n+1)*T]
		z0, u, d := z[0], p.folded[h*C+n], p.diagonal[h*C+n]
		for m, a := range row {
			row[m] = l[m] - z[m]*u - z0*(a-z[m]*d)
		}
	}
	copy(rows[C*T:], l)
	kernel.Softmax(rows, C+1, T)
	for n := range C {
		p.drops[h*C+n] = rows[(C+1)*T-1] - rows[(n+1)*T-1]
	}
}
