package heat

import (
	"fmt"
	"math"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// A Method is a way to compare a location of an image with a text.
type Method int

const (
	ByPairs    Method = iota // neuron maps times head maps of the chosen pairs
	ByHeads                  // head maps of the same pairs alone
	ByNeurons                // neuron maps of the same pairs alone
	ByValues                 // every token's value, projected, as MaskCLIP does
	BySelfSelf               // every token's output under attention among likes
	ByTokens                 // of a vision transformer, what all heads read of a token
)

// Methods are all methods, by the names that people give.
var Methods = []string{"pairs", "heads", "neurons", "values", "self-self", "tokens"}

func (m Method) String() string { return Methods[m] }

// ParseMethod returns the method of a name.
func ParseMethod(name string) (Method, error) {
	for i, n := range Methods {
		if n == name {
			return Method(i), nil
		}
	}
	return 0, fmt.Errorf("method %q, want pairs, heads, neurons, values, self-self or tokens", name)
}

// UsesPairs reports whether the method needs chosen pairs.
func (m Method) UsesPairs() bool { return m <= ByNeurons }

// A Window is what the image tower says about a window of Rows x Cols
// locations; T is one more, the class token being number 0. What no method asks
// for may be nil.
type Window struct {
	Rows, Cols int
	Map        []float32 // [T-1,C], the map whose neurons count
	Attention  []float32 // [H,T], the class token's
	Values     []float32 // [T,C], of all tokens
	SelfSelf   []float32 // [T,C], heads' outputs under attention among likes

	// Of a vision transformer; see clip.Output.
	Reads, Statistics []float32 // [L,T,W] and [2]
	Neurons           []float32 // [T,C]
	Feature           []float32 // [O]
}

// Options says what a Heat is to compute.
type Options struct {
	Methods []Method
	// Sink replaces the last location, an attention sink in the published
	// models, by the mean of its west, north and north-west ones, in neuron maps and
	// in heads' contributions. Windows of a single row or column keep theirs.
	Sink bool
}

// Mapper computes patch logits. It is not safe for concurrent use.
type Mapper struct {
	ov      *decomp.OV
	text    []float32 // [P,O]
	queries int
	options Options

	products, neurons *kernel.Conv // sums over the chosen pairs: [P·H,C] and [P,C]
	counts            []float32    // chosen pairs of each head, over K, [H,P]
	share             float32      // 1/K

	// What cosines with heads' contributions t = W_O^h g + β, β = B_O/(T·H), are
	// made of.
	across   []float32 // W_Oᵀ text, [P,C]
	gram     []float32 // W_O^hᵀ W_O^h, [H,D,D]
	biasSide []float32 // W_Oᵀ B_O, [C]
	biasText []float32 // B_O · text, [P]
	biasNorm float64   // |B_O|²
	spread   []float64 // mean eigenvalues of the Gram matrices, [H]

	scratch    kernel.Scratch
	acts, g    []float32 // [T-1,C]
	turned     []float32 // gram times g, [T-1,C]
	cosines    []float32 // [T-1,H,P]
	sums       []float32 // [T-1,P·H] or [T-1,P]
	outputs    []float32 // [T-1,O]
	in, out    []float32 // memory of maps
	byLocation []float32 // [T-1,P]
}

// NewMapper prepares the methods for unit vectors text [P,O]. pairs may be nil if
// no method uses them. pool is one of NewPool.
func NewMapper(ov *decomp.OV, text []float32, pairs *Pairs, o Options, team par.Team) *Mapper {
	h := &Mapper{ov: ov, text: text, queries: len(text) / ov.OutDim, options: o}
	P, H, C := h.queries, ov.Heads, ov.Neurons
	conv := func(out int, weights []float32) *kernel.Conv {
		spec := kernel.ConvSpec{In: []int{C}, Out: out, Kernel: 1, H: 1, W: 1, Images: 1}
		return kernel.NewConv(spec, [][]float32{weights}, make([]float32, out))
	}
	if pairs != nil {
		h.share = 1 / float32(pairs.K)
	}
	for _, m := range o.Methods {
		switch m {
		case ByPairs:
			weights := make([]float32, H*P*C)
			for i, u := range pairs.Index {
				head, neuron := int(u)/C, int(u)%C
				weights[(head*P+i/pairs.K)*C+neuron] = 1
			}
			h.products = conv(H*P, weights)
			h.prepareCosines(team)
		case ByHeads:
			h.counts = make([]float32, H*P)
			for i, u := range pairs.Index {
				h.counts[int(u)/C*P+i/pairs.K] += h.share
			}
			h.prepareCosines(team)
		case ByNeurons:
			weights := make([]float32, P*C)
			for i, u := range pairs.Index {
				weights[i/pairs.K*C+int(u)%C]++
			}
			h.neurons = conv(P, weights)
		}
	}
	return h
}

// prepareCosines fills in what depends on the weights and the texts only.
func (h *Mapper) prepareCosines(team par.Team) {
	if h.across != nil {
		return
	}
	H, C, O, P := h.ov.Heads, h.ov.Neurons, h.ov.OutDim, h.queries
	D, out, bias := C/H, h.ov.Out, h.ov.OutBias()
	h.across, h.gram, h.biasSide = make([]float32, P*C), make([]float32, C*D), make([]float32, C)
	kernel.Sgemm(1, kernel.Dense(h.text, P, O), kernel.Dense(out, O, C), 0, kernel.Dense(h.across, P, C), team)
	kernel.Sgemm(1, kernel.Dense(bias, 1, O), kernel.Dense(out, O, C), 0, kernel.Dense(h.biasSide, 1, C), team)
	for i := range H {
		kernel.Sgemm(1, kernel.Strided(out[i*D:], O, D, C).T(), kernel.Strided(out[i*D:], O, D, C), 0, kernel.Dense(h.gram[i*D*D:], D, D), team)
		trace := 0.0
		for d := range D {
			trace += float64(h.gram[i*D*D+d*D+d])
		}
		h.spread = append(h.spread, trace/float64(D))
	}
	h.biasText = make([]float32, P)
	for p := range P {
		h.biasText[p] = float32(dot(bias, h.text[p*O:(p+1)*O]))
	}
	h.biasNorm = dot(bias, bias)
}

func dot(a, b []float32) float64 {
	sum := 0.0
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}

// Logits writes the patch logits of a window to dst, [P,T-1] for each of the
// methods, in their order.
func (h *Mapper) Logits(dst [][]float32, w *Window, team par.Team) {
	cells := w.Rows * w.Cols
	h.check(dst, w)
	if h.across != nil {
		h.cosine(w, team)
	}
	if h.products != nil || h.neurons != nil {
		h.acts = append(h.acts[:0], w.Map...)
		h.smoothSink(h.acts, w)
	}
	for i, m := range h.options.Methods {
		h.byLocation = grown(h.byLocation, cells*h.queries)
		switch m {
		case ByPairs:
			h.byProducts(cells, team)
		case ByHeads:
			h.byHeads(cells)
		case ByNeurons:
			h.project(h.byLocation, h.neurons, cells, team)
			for j := range h.byLocation {
				h.byLocation[j] *= h.share
			}
		case ByValues:
			h.byOutputs(w.Values, cells, team)
		case BySelfSelf:
			h.byOutputs(w.SelfSelf, cells, team)
		}
		kernel.Transpose(dst[i], h.byLocation, cells, h.queries)
	}
}

func (h *Mapper) check(dst [][]float32, w *Window) {
	H, C, T := h.ov.Heads, h.ov.Neurons, w.Rows*w.Cols+1
	if len(dst) != len(h.options.Methods) {
		panic("heat: one destination for each method")
	}
	for i, m := range h.options.Methods {
		if len(dst[i]) != h.queries*(T-1) {
			panic("heat: logits are not [P,T-1]")
		}
		ok := true
		switch m {
		case ByPairs:
			ok = len(w.Map) == (T-1)*C && len(w.Attention) == H*T && len(w.Values) == T*C
		case ByHeads:
			ok = len(w.Attention) == H*T && len(w.Values) == T*C
		case ByNeurons:
			ok = len(w.Map) == (T-1)*C
		case ByValues:
			ok = len(w.Values) == T*C
		case BySelfSelf:
			ok = len(w.SelfSelf) == T*C
		}
		if !ok {
			panic("heat: the window lacks what a method needs")
		}
	}
}

// smoothSink replaces the last of rows [T-1,C] as HeatOptions.Sink says.
func (h *Mapper) smoothSink(rows []float32, w *Window) {
	if !h.options.Sink || w.Rows < 2 || w.Cols < 2 {
		return
	}
	C, last := h.ov.Neurons, w.Rows*w.Cols-1
	row := func(i int) []float32 { return rows[i*C : (i+1)*C] }
	west, north, northWest := row(last-1), row(last-w.Cols), row(last-w.Cols-1)
	for n := range row(last) {
		row(last)[n] = (west[n] + north[n] + northWest[n]) / 3
	}
}

// cosine fills h.cosines with the cosines of every head's contribution at every
// location,
//
//	t[m,h] = a^h[m]·W_O^h v^h[m] + β     β = B_O/(T·H)
//
// with every text. With g = a·v, numerators are g·(W_O^hᵀ text) + β·text, and
// squared norms gᵀ(W_O^hᵀ W_O^h)g + 2 g·(W_O^hᵀ β) + |β|²: D wide, never O wide.
func (h *Mapper) cosine(w *Window, team par.Team) {
	H, C, P := h.ov.Heads, h.ov.Neurons, h.queries
	D, cells := C/H, w.Rows*w.Cols
	T := cells + 1
	h.g, h.turned, h.cosines = grown(h.g, cells*C), grown(h.turned, cells*C), grown(h.cosines, cells*H*P)
	team.For(cells, func(lo, hi, _ int) {
		for m := lo; m < hi; m++ {
			for i := range H {
				a := w.Attention[i*T+m+1]
				v, g := w.Values[(m+1)*C+i*D:][:D], h.g[m*C+i*D:][:D]
				for d, x := range v {
					g[d] = a * x
				}
			}
		}
	})
	h.smoothSink(h.g, w)
	part := 1 / (float64(T) * float64(H)) // β is this share of B_O
	team.For(H, func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			kernel.Sgemm(1, kernel.Strided(h.g[i*D:], cells, D, C), kernel.Strided(h.across[i*D:], P, D, C).T(),
				0, kernel.Strided(h.cosines[i*P:], cells, P, H*P), par.Team{})
			kernel.Sgemm(1, kernel.Strided(h.g[i*D:], cells, D, C), kernel.Dense(h.gram[i*D*D:], D, D),
				0, kernel.Strided(h.turned[i*D:], cells, D, C), par.Team{})
			for m := range cells {
				g := h.g[m*C+i*D:][:D]
				scale := 1 / h.norm(g, h.turned[m*C+i*D:][:D], i, part)
				row := h.cosines[(m*H+i)*P:][:P]
				for p := range row {
					row[p] = float32((float64(row[p]) + part*float64(h.biasText[p])) * scale)
				}
			}
		}
	})
}

// tiny bounds norms from below, as torch's normalize does.
const tiny = 1e-12

// norm returns |W_O^h g + part·B_O|; turned is the Gram matrix times g.
func (h *Mapper) norm(g, turned []float32, head int, part float64) float64 {
	C, D := h.ov.Neurons, len(g)
	square, cross, bias := dot(g, turned), 2*part*dot(g, h.biasSide[head*D:(head+1)*D]), part*part*h.biasNorm
	sum := square + cross + bias
	// Where the bias takes away nearly all of the rest, or g lies where W_O^h maps
	// it to nearly nothing, rounding is all that is left of the sum.
	const safe = 1e-3
	size := bias + math.Abs(cross) + dot(g, g)*h.spread[head]
	if sum < safe*size {
		sum = 0
		for o, b := range h.ov.OutBias() {
			t := part*float64(b) + dot(g, h.ov.Out[o*C+head*D:][:D])
			sum += t * t
		}
	}
	return math.Max(math.Sqrt(sum), tiny)
}

// project writes the products of h.acts with packed weights to dst, a row for
// each location.
func (h *Mapper) project(dst []float32, conv *kernel.Conv, cells int, team par.Team) {
	out := conv.Spec().Out
	h.in, h.out = grown(h.in, kernel.MapLen(h.ov.Neurons, cells)), grown(h.out, kernel.MapLen(out, cells))
	from, to := kernel.MapOn(h.in, h.ov.Neurons, 1, 1, cells), kernel.MapOn(h.out, out, 1, 1, cells)
	from.SetRows(h.acts)
	conv.Run(to, nil, &h.scratch, team, from)
	to.Rows(dst)
}

// byProducts computes the mean over a query's pairs (h,n) of Z[m,n]·cos[m,h],
// by first summing Z over the neurons of each head.
func (h *Mapper) byProducts(cells int, team par.Team) {
	H, P := h.ov.Heads, h.queries
	h.sums = grown(h.sums, cells*H*P)
	h.project(h.sums, h.products, cells, team)
	team.For(cells, func(lo, hi, _ int) {
		for m := lo; m < hi; m++ {
			dst := h.byLocation[m*P : (m+1)*P]
			clear(dst)
			for i := range H {
				z, c := h.sums[(m*H+i)*P:][:P], h.cosines[(m*H+i)*P:][:P]
				for p := range dst {
					dst[p] += z[p] * c[p]
				}
			}
			for p := range dst {
				dst[p] *= h.share
			}
		}
	})
}

// byHeads computes the mean over a query's pairs of cos[m,h].
func (h *Mapper) byHeads(cells int) {
	H, P := h.ov.Heads, h.queries
	clear(h.byLocation)
	for m := range cells {
		dst := h.byLocation[m*P : (m+1)*P]
		for i := range H {
			n, c := h.counts[i*P:(i+1)*P], h.cosines[(m*H+i)*P:][:P]
			for p := range dst {
				dst[p] += n[p] * c[p]
			}
		}
	}
}

// byOutputs compares what tokens [T,C] become in the output projection.
func (h *Mapper) byOutputs(tokens []float32, cells int, team par.Team) {
	C, O, P := h.ov.Neurons, h.ov.OutDim, h.queries
	h.outputs = grown(h.outputs, cells*O)
	h.ov.Outputs(h.outputs, tokens[C:], team)
	kernel.Sgemm(1, kernel.Dense(h.outputs, cells, O), kernel.Dense(h.text, P, O).T(), 0, kernel.Dense(h.byLocation, cells, P), team)
	for m := range cells {
		y := h.outputs[m*O : (m+1)*O]
		scale := 1 / math.Max(math.Sqrt(dot(y, y)), tiny)
		for p := range P {
			h.byLocation[m*P+p] = float32(float64(h.byLocation[m*P+p]) * scale)
		}
	}
}

// grown returns n floats, on buf's memory where that is enough.
func grown(buf []float32, n int) []float32 {
	if cap(buf) < n {
		return kernel.Alloc(n)
	}
	return buf[:n]
}
