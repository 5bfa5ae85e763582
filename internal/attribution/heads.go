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
	texts          int
	along          []float64 // out·text, [P,width]
	bias           []float64 // OutBias·text, [P]
	mean, shift    []float64 // Mean·text and Shift·text, [P]
}

// NewHeads prepares count heads of a layer from head first on, of which a layer has all, for
// vectors texts [P,O], of which there may be none.
func NewHeads(d *decomp.Tokens, layer, first, count, all int, texts []float32) *Heads {
	O, D := d.OutDim, d.Width/all
	h := &Heads{
		tokens: d, layer: layer, channel: first * D, width: count * D, share: float64(count) / float64(all), texts: len(texts) / O,
		out: d.Out[(layer*d.Width+first*D)*O:][:count*D*O],
	}
	for p := range h.texts {
		row := texts[p*O : (p+1)*O]
		for i := range h.width {
			h.along = append(h.along, product(h.out[i*O:(i+1)*O], row))
		}
		h.bias = append(h.bias, product(d.OutBias[layer*O:(layer+1)*O], row))
		h.mean, h.shift = append(h.mean, product(d.Mean, row)), append(h.shift, product(d.Shift, row))
	}
	return h
}

func product(a, b []float32) float64 {
	sum := 0.0
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}

// Along writes r·text of every token's part r to dst [T], the class token first, for text p.
// reads [L,T,W] and statistics [2] are the image's.
func (h *Heads) Along(dst []float64, p int, reads, statistics []float32) {
	T, W := len(dst), h.tokens.Width
	mean, inverse := float64(statistics[0]), float64(statistics[1])
	parts := float64(2*h.tokens.Layers + 1)
	each := h.share / float64(T) * (h.bias[p]*inverse + (h.shift[p]-mean*inverse*h.mean[p])/parts)
	along := h.along[p*h.width : (p+1)*h.width]
	for t := range dst {
		sum := 0.0
		for i, y := range reads[(h.layer*T+t)*W+h.channel:][:h.width] {
			sum += float64(y) * along[i]
		}
		dst[t] = sum*inverse + each
	}
}

// Norms writes |r| of every token's part r to dst [T], the class token first, and returns the
// norm of their sum. reads [L,T,W] and statistics [2] are the image's.
func (h *Heads) Norms(dst []float64, reads, statistics []float32) float64 {
	T, W, O := len(dst), h.tokens.Width, h.tokens.OutDim
	mean, inverse := float64(statistics[0]), float64(statistics[1])
	parts := float64(2*h.tokens.Layers + 1)
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
