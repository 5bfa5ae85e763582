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
	text   []float64
	along  []float64 // W_O diag(γ) proj·t, [L,W]
	bias   []float64 // B_O diag(γ) proj·t, [L]
	mean   float64   // γ proj·t
	shift  float64   // β proj·t
}

// NewTokenMap prepares to split by the vector t [O].
func NewTokenMap(d *decomp.Tokens, t []float64, team par.Team) *TokenMap {
	m := &TokenMap{tokens: d, text: t, along: make([]float64, d.Layers*d.Width), bias: make([]float64, d.Layers)}
	product := func(row []float32) float64 {
		sum := 0.0
		for o, x := range row {
			sum += float64(x) * t[o]
		}
		return sum
	}
	O := d.OutDim
	team.For(len(m.along), func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			m.along[i] = product(d.Out[i*O : (i+1)*O])
		}
	})
	for l := range m.bias {
		m.bias[l] = product(d.OutBias[l*O : (l+1)*O])
	}
	m.mean, m.shift = product(d.Mean), product(d.Shift)
	return m
}

// Map writes what every token adds to the logit of an image, the class token first, to
// dst [T], and returns what the MLPs add. reads [L,T,W], mlps [L+1,O] and statistics [2] are
// those of the tower, and factor is that of the image's feature.
func (m *TokenMap) Map(dst []float64, reads, mlps, statistics []float32, factor float64) float64 {
	L, W, T := m.tokens.Layers, m.tokens.Width, len(dst)
	mean, inverse := float64(statistics[0]), float64(statistics[1])
	each := (m.shift - mean*inverse*m.mean) / float64((2*L+1)*T) // of each layer
	for t := range dst {
		sum := 0.0
		for l := range L {
			own := m.bias[l] / float64(T)
			along := m.along[l*W : (l+1)*W]
			for i, y := range reads[(l*T+t)*W:][:W] {
				own += float64(y) * along[i]
			}
			sum += own*inverse + each
		}
		dst[t] = factor * sum
	}
	total := 0.0
	for i, x := range mlps {
		total += float64(x) * m.text[i%len(m.text)]
	}
	return factor * total
}

// OwnPair writes what every place adds to pair h*C+n's part to places [M], and returns what
// the class token adds, where tokens [T,C] are the neurons' own activations and weights
// [H,T] those of heads.
func (t *Target) OwnPair(places []float64, pair int, weights, tokens []float32, factor float64) float64 {
	C, T := t.Neurons, len(places)+1
	row, n := weights[pair/C*T:][:T], pair%C
	factor *= t.Products[pair]
	for m := range places {
		places[m] = factor * float64(row[m+1]) * float64(tokens[(m+1)*C+n])
	}
	return factor * float64(row[0]) * float64(tokens[n])
}
