package heat

import (
	"math"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// TokenMapper computes patch logits of a vision transformer, of what heads read of tokens; see
// decomp.Tokens. With r[l,m,h] what head h of layer l adds to the feature f by location m,
// and Z[m,n] the activation of neuron n there, logits are
//
//	tokens    M/|f| · Σ_{l,h} r[l,m,h]·text      M locations
//	pairs     mean over the chosen (l,h,n) of Z[m,n]·cos(r[l,m,h], text)
//	heads     mean over them of cos(r[l,m,h], text)
//	neurons   mean over them of Z[m,n]
//
// It is not safe for concurrent use.
type TokenMapper struct {
	tokens  *decomp.Tokens
	text    []float32 // [P,O]
	queries int
	options Options

	// Of the chosen pairs:
	first, heads, neurons int // the first layer that has heads of pairs, heads of a layer, and C
	share                 float32
	lists                 [][]chosenNeuron // by head of all layers from first on

	across []float32 // Out·text, [L,W,P]
	other  []float64 // of each text: Σ_l OutBias·text, Mean·text and Shift·text, [3,P]

	cosines    []float32
	byLocation []float32 // [T,P] or [T-1,P]
}

// chosenNeuron is a neuron that a query has chosen with a head.
type chosenNeuron struct{ query, neuron int32 }

// PairHeads says which heads the pairs of a vision transformer have, heads of each layer from
// First on, and how many neurons.
type PairHeads struct{ First, Heads, Neurons int }

// NewTokenMapper prepares the methods for unit vectors text [P,O]. pairs may be nil if no
// method uses them, and then so may of.
func NewTokenMapper(t *decomp.Tokens, text []float32, pairs *Pairs, of PairHeads, o Options, team par.Team) *TokenMapper {
	O := t.OutDim
	h := &TokenMapper{tokens: t, text: text, queries: len(text) / O, options: o, first: of.First, heads: of.Heads, neurons: of.Neurons}
	P := h.queries
	if pairs != nil {
		h.share = 1 / float32(pairs.K)
		h.lists = make([][]chosenNeuron, (t.Layers-of.First)*of.Heads)
		for i, u := range pairs.Index {
			head := int(u) / of.Neurons
			h.lists[head] = append(h.lists[head], chosenNeuron{int32(i / pairs.K), u % int32(of.Neurons)})
		}
	}
	h.across, h.other = make([]float32, t.Layers*t.Width*P), make([]float64, 3*P)
	kernel.Sgemm(1, kernel.Dense(t.Out, t.Layers*t.Width, O), kernel.Dense(text, P, O).T(), 0, kernel.Dense(h.across, t.Layers*t.Width, P), team)
	for p := range P {
		row := text[p*O : (p+1)*O]
		for l := range t.Layers {
			h.other[p] += dot(t.OutBias[l*O:(l+1)*O], row)
		}
		h.other[P+p], h.other[2*P+p] = dot(t.Mean, row), dot(t.Shift, row)
	}
	return h
}

// Logits writes the patch logits of a window to dst, [P,T-1] for each of the methods, in
// their order.
func (h *TokenMapper) Logits(dst [][]float32, w *Window, team par.Team) {
	cells, P := w.Rows*w.Cols, h.queries
	if len(dst) != len(h.options.Methods) || len(w.Reads) != h.tokens.Layers*(cells+1)*h.tokens.Width || len(w.Statistics) != 2 {
		panic("heat: the window lacks what a method needs")
	}
	cosines := false
	for i, m := range h.options.Methods {
		if len(dst[i]) != P*cells || m.UsesPairs() && (h.lists == nil || len(w.Neurons) != (cells+1)*h.neurons) {
			panic("heat: logits are not [P,T-1], or pairs are missing")
		}
		if (m == ByPairs || m == ByHeads) && !cosines {
			cosines = true
			h.cosine(w, team)
		}
		h.byLocation = grown(h.byLocation, cells*P)
		if m == ByTokens {
			h.byTokens(w, team)
		} else {
			h.byPairs(m, w, team)
		}
		kernel.Transpose(dst[i], h.byLocation, cells, P)
	}
}

// byTokens fills byLocation with what every location adds to the cosine with each text,
// times the number of locations.
func (h *TokenMapper) byTokens(w *Window, team par.Team) {
	t, P, cells := h.tokens, h.queries, w.Rows*w.Cols
	T, W := cells+1, t.Width
	for l := range t.Layers {
		beta := float32(1)
		if l == 0 {
			beta = 0
		}
		kernel.Sgemm(1, kernel.Dense(w.Reads[(l*T+1)*W:], cells, W), kernel.Dense(h.across[l*W*P:], W, P), beta, kernel.Dense(h.byLocation, cells, P), team)
	}
	mean, inverse := float64(w.Statistics[0]), float64(w.Statistics[1])
	scale := float64(cells) / math.Max(decomp.Norm(w.Feature), tiny)
	share := float64(t.Layers) / float64((2*t.Layers+1)*T) // of the norm's mean and bias
	for i, x := range h.byLocation[:cells*P] {
		p := i % P
		rest := h.other[p]*inverse/float64(T) + (h.other[2*P+p]-mean*inverse*h.other[P+p])*share
		h.byLocation[i] = float32(scale * (float64(x)*inverse + rest))
	}
}

// cosine fills cosines with those of every head's part at every location with every text,
// [heads,T-1,P].
func (h *TokenMapper) cosine(w *Window, team par.Team) {
	t, P, O, cells := h.tokens, h.queries, h.tokens.OutDim, w.Rows*w.Cols
	T, W, D := cells+1, t.Width, t.Width/h.heads
	H := len(h.lists)
	h.cosines = grown(h.cosines, H*cells*P)
	mean, inverse := float64(w.Statistics[0]), float64(w.Statistics[1])
	shares := float64(T * h.heads)
	team.For(H, func(lo, hi, _ int) {
		parts := make([]float32, cells*O)
		for i := lo; i < hi; i++ {
			l, head := h.first+i/h.heads, i%h.heads
			for m := range cells {
				for o := range O {
					constant := float64(t.OutBias[l*O+o])/shares - mean*float64(t.Mean[o])/(float64(2*t.Layers+1)*shares)
					parts[m*O+o] = float32(constant*inverse + float64(t.Shift[o])/(float64(2*t.Layers+1)*shares))
				}
			}
			kernel.Sgemm(w.Statistics[1], kernel.Strided(w.Reads[(l*T+1)*W+head*D:], cells, D, W), kernel.Dense(t.Out[(l*W+head*D)*O:], D, O),
				1, kernel.Dense(parts, cells, O), par.Team{})
			row := h.cosines[i*cells*P:][:cells*P]
			kernel.Sgemm(1, kernel.Dense(parts, cells, O), kernel.Dense(h.text, P, O).T(), 0, kernel.Dense(row, cells, P), par.Team{})
			for m := range cells {
				scale := 1 / math.Max(decomp.Norm(parts[m*O:(m+1)*O]), tiny)
				for p := range P {
					row[m*P+p] = float32(float64(row[m*P+p]) * scale)
				}
			}
		}
	})
}

// byPairs fills byLocation with means over the chosen pairs.
func (h *TokenMapper) byPairs(method Method, w *Window, team par.Team) {
	P, cells, N := h.queries, w.Rows*w.Cols, h.neurons
	team.For(cells, func(lo, hi, _ int) {
		sums := make([]float32, P)
		for m := lo; m < hi; m++ {
			dst, z := h.byLocation[m*P:(m+1)*P], w.Neurons[(m+1)*N:(m+2)*N]
			clear(dst)
			for head, list := range h.lists {
				clear(sums)
				for _, c := range list {
					if method == ByHeads {
						sums[c.query]++
					} else {
						sums[c.query] += z[c.neuron]
					}
				}
				for p, x := range sums {
					if method != ByNeurons {
						x *= h.cosines[(head*cells+m)*P+p]
					}
					dst[p] += x
				}
			}
			for p := range dst {
				dst[p] *= h.share
			}
		}
	})
}
