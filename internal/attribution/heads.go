package attribution

import (
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// Heads splits what heads of one layer of a vision transformer add to the image feature, one
// head or several in a row, by the tokens that they read; see decomp.Tokens. Over all tokens
// the parts sum to what the heads add: their shares of the output bias and of the last norm's
// mean and bias are spread evenly over tokens.
type Heads struct {
	tokens         *decomp.Tokens
	layer, channel int       // channel is the first of their reads
	width          int       // how many channels their reads have
	share          float64   // of a token's heads
	out            []float32 // the rows of Out, [width,O]
	rays           []ray     // of texts, [P]
}

// A ray is a vector t as heads of one layer see it.
type ray struct {
	along             []float64 // W_O diag(γ) proj·t, of their reads
	bias, mean, shift float64   // B_O diag(γ) proj·t, γ proj·t and β proj·t
}

// tokens writes r·t of every token's part r to dst [T]. reads begin with the heads' first channel
// of the first token, each token W channels after the one before; share is that of the heads of
// all that their layer has, and parts is 2L+1.
func (r ray) tokens(dst []float64, reads []float32, W int, share float64, parts int, statistics []float32) {
	mean, inverse := float64(statistics[0]), float64(statistics[1])
	each := share / float64(len(dst)) * (r.bias*inverse + (r.shift-mean*inverse*r.mean)/float64(parts))
	for t := range dst {
		sum := 0.0
		for i, y := range reads[t*W:][:len(r.along)] {
			sum += float64(y) * r.along[i]
		}
		dst[t] = sum*inverse + each
	}
}

// residualParts are those of the class token's residual.
func residualParts(d *decomp.Tokens) int { return 2*d.Layers + 1 }

// NewHeads prepares count heads of a layer from head first on, of which a layer has all, for
// vectors texts [P,O], of which there may be none.
func NewHeads(d *decomp.Tokens, layer, first, count, all int, texts []float32) *Heads {
	O, D := d.OutDim, d.Width/all
	h := &Heads{
		tokens: d, layer: layer, channel: first * D, width: count * D, share: float64(count) / float64(all),
		out: d.Out[(layer*d.Width+first*D)*O:][:count*D*O],
	}
	for p := range len(texts) / O {
		h.rays = append(h.rays, newRay(d, layer, h.out, Difference(texts[p*O:(p+1)*O], nil)))
	}
	return h
}

// newRay is that of the vector t [O] for heads of a layer whose rows of Out are out.
func newRay(d *decomp.Tokens, layer int, out []float32, t []float64) ray {
	O := d.OutDim
	r := ray{
		along: make([]float64, len(out)/O), bias: product(d.OutBias[layer*O:(layer+1)*O], t),
		mean: product(d.Mean, t), shift: product(d.Shift, t),
	}
	for i := range r.along {
		r.along[i] = product(out[i*O:(i+1)*O], t)
	}
	return r
}

func product(a []float32, t []float64) float64 {
	sum := 0.0
	for i, x := range a {
		sum += float64(x) * t[i]
	}
	return sum
}

// Along writes r·text of every token's part r to dst [T], the class token first, for text p.
// reads [L,T,W] and statistics [2] are the image's.
func (h *Heads) Along(dst []float64, p int, reads, statistics []float32) {
	T, W := len(dst), h.tokens.Width
	h.rays[p].tokens(dst, reads[h.layer*T*W+h.channel:], W, h.share, residualParts(h.tokens), statistics)
}

// Norms writes |r| of every token's part r to dst [T], the class token first, and returns the
// norm of their sum. reads [L,T,W] and statistics [2] are the image's.
func (h *Heads) Norms(dst []float64, reads, statistics []float32) float64 {
	T, W, O := len(dst), h.tokens.Width, h.tokens.OutDim
	mean, inverse := float64(statistics[0]), float64(statistics[1])
	parts := float64(residualParts(h.tokens))
	rows, sum := make([]float32, T*O), make([]float32, O)
	bias := h.tokens.OutBias[h.layer*O : (h.layer+1)*O]
	for i := range rows {
		o := i % O
		rows[i] = float32(h.share / float64(T) * (float64(bias[o])*inverse + (float64(h.tokens.Shift[o])-mean*inverse*float64(h.tokens.Mean[o]))/parts))
	}
	kernel.Sgemm(statistics[1], kernel.Strided(reads[h.layer*T*W+h.channel:], T, h.width, W), kernel.Dense(h.out, h.width, O),
		1, kernel.Dense(rows, T, O), par.NewTeam(1))
	for t := range dst {
		row := rows[t*O : (t+1)*O]
		dst[t] = decomp.Norm(row)
		for o, x := range row {
			sum[o] += x
		}
	}
	return decomp.Norm(sum)
}
