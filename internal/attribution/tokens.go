package attribution

import (
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
)

// TokenMap splits a logit by what heads read of tokens, of all layers of a vision transformer.
// Tokens but the first are places. What the class token adds and what the MLPs add belongs
// to none: with a place's share it is the logit; see decomp.Tokens.
type TokenMap struct {
	tokens *decomp.Tokens
	heads  int // of a layer
	text   []float64
	rays   []ray // of heads, [L·H]
}

// NewTokenMap prepares to split by the vector t [O], for layers of n heads each.
func NewTokenMap(d *decomp.Tokens, n int, t []float64, team par.Team) *TokenMap {
	m := &TokenMap{tokens: d, heads: n, text: t, rays: make([]ray, d.Layers*n)}
	each := d.Width / n * d.OutDim
	team.For(len(m.rays), func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			m.rays[i] = newRay(d, i/n, d.Out[i*each:(i+1)*each], t)
		}
	})
	return m
}

// Heads writes what every token adds to the logit of an image by each head, the class token
// first, to dst [L·H,T]; see Heads.Along. reads [L,T,W] and statistics [2] are those of the
// tower, and factor is that of the image's feature.
func (m *TokenMap) Heads(dst []float64, reads, statistics []float32, factor float64) {
	W, T := m.tokens.Width, len(dst)/len(m.rays)
	for i, r := range m.rays {
		layer, head := i/m.heads, i%m.heads
		row := dst[i*T : (i+1)*T]
		r.tokens(row, reads[layer*T*W+head*W/m.heads:], W, 1/float64(m.heads), residualParts(m.tokens), statistics)
		for t := range row {
			row[t] *= factor
		}
	}
}

// MLPs is what the MLPs add to the logit of an image, and the token that enters the first
// layer. mlps [L+1,O] are those of the tower.
func (m *TokenMap) MLPs(mlps []float32, factor float64) float64 {
	total := 0.0
	for i, x := range mlps {
		total += float64(x) * m.text[i%len(m.text)]
	}
	return factor * total
}

// Map writes what every token adds to the logit of an image, the class token first, to
// dst [T], and returns what the MLPs add; see Heads and MLPs.
func (m *TokenMap) Map(dst []float64, reads, mlps, statistics []float32, factor float64) float64 {
	heads := make([]float64, len(m.rays)*len(dst))
	m.Heads(heads, reads, statistics, factor)
	SumHeads(dst, heads)
	return m.MLPs(mlps, factor)
}

// SumHeads adds maps of heads [H,T] up, to dst [T].
func SumHeads(dst, heads []float64) {
	clear(dst)
	for i, x := range heads {
		dst[i%len(dst)] += x
	}
}

// OwnPair writes what every place adds to pair h*C+n's part to places [M], and returns what
// the class token adds, where tokens [T,C] are the neurons' own activations and weights
// [H,T] those of heads.
func (t *Target) OwnPair(places []float64, pair int, weights, tokens []float32, factor float64) float64 {
	clear(places)
	return t.AddOwn(places, pair, weights, tokens, factor*t.Products[pair])
}

// AddOwn adds to places [M] what every place adds to the score of pair h*C+n, times factor, and
// returns what the class token does; see OwnPair.
func (t *Target) AddOwn(places []float64, pair int, weights, tokens []float32, factor float64) float64 {
	C, T := t.Neurons, len(places)+1
	row, n := weights[pair/C*T:][:T], pair%C
	for m := range places {
		places[m] += factor * float64(row[m+1]) * float64(tokens[(m+1)*C+n])
	}
	return factor * float64(row[0]) * float64(tokens[n])
}
