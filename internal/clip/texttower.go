package clip

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/quantity"
)

// TextTower is the causal transformer of a checkpoint, packed for this
// machine. It is not safe for concurrent use: it spreads each call over its
// threads itself.
//
// Because attention is causal, what a token becomes depends only on the
// tokens before it. The tower therefore computes each distinct prefix of a
// batch of texts once (see prefixes), and nothing after a text's last token.
type TextTower struct {
	config     Config
	embedding  []float32 // token embedding, [V,W]
	position   []float32 // [context,W]
	blocks     []textBlock
	finalGamma []float32 // ln_final, [W]
	finalBeta  []float32
	projection *kernel.Conv // W to O

	team    par.Team
	scratch kernel.Scratch
	rows    []float32    // what enters a pass, [prefixes,W], and leaves it, [texts,O]
	areas   [5][]float32 // memory of a pass's maps
}

type textBlock struct {
	gamma1, beta1, gamma2, beta2 []float32 // the two layer norms, [W]
	qkv, out, fc, proj           *kernel.Conv
}

// prefixesPerPass bounds the activations of one pass, and is large enough for
// the products to run at full speed. With a context of 77, a pass holds at
// least one text whatever its length. It bounds the texts of a pass too: equal
// ones add no prefix, yet each has a row in the last layer.
const prefixesPerPass = 1024

// NewTextTower reads and packs the text tower's weights. Errors name the file
// and the tensor.
func NewTextTower(ck *Checkpoint, threads int) (*TextTower, error) {
	if threads < 1 {
		return nil, errors.New("text tower: threads must be at least 1")
	}
	if err := ck.RequireText(); err != nil {
		return nil, err
	}
	t := &TextTower{config: ck.Config, team: par.NewTeam(threads)}
	l := newLoading(ck)
	l.text(t)
	if err := load(t.team, l); err != nil {
		return nil, err
	}
	width := ck.Config.TextWidth
	longest := max(prefixesPerPass, ck.Config.ContextLength)
	for i, channels := range [...]int{width, width, width, max(4*width, ck.Config.OutDim), width} {
		t.areas[i] = kernel.Alloc(kernel.MapLen(channels, longest+64)) // strides are not monotonic in the length
	}
	return t, nil
}

func (l *loading) text(t *TextTower) {
	c := l.ck.Config
	W := c.TextWidth
	l.tensor(&t.embedding, "token_embedding.weight", c.VocabSize*W)
	l.tensor(&t.position, "positional_embedding", c.ContextLength*W)
	l.tensor(&t.finalGamma, "ln_final.weight", W)
	l.tensor(&t.finalBeta, "ln_final.bias", W)
	t.blocks = make([]textBlock, c.TextLayers)
	for i := range t.blocks {
		b, name := &t.blocks[i], fmt.Sprintf("transformer.resblocks.%d.", i)
		l.tensor(&b.gamma1, name+"ln_1.weight", W)
		l.tensor(&b.beta1, name+"ln_1.bias", W)
		l.tensor(&b.gamma2, name+"ln_2.weight", W)
		l.tensor(&b.beta2, name+"ln_2.bias", W)
		l.linear(&b.qkv, name+"attn.in_proj_weight", name+"attn.in_proj_bias", W, 3*W, kernel.None)
		l.linear(&b.out, name+"attn.out_proj.weight", name+"attn.out_proj.bias", W, W, kernel.None)
		l.linear(&b.fc, name+"mlp.c_fc.weight", name+"mlp.c_fc.bias", W, 4*W, c.Activation)
		l.linear(&b.proj, name+"mlp.c_proj.weight", name+"mlp.c_proj.bias", 4*W, W, kernel.None)
	}
	l.conv(&t.projection, "text_projection", linearSpec(W, c.OutDim, kernel.None), func(r *reader) ([][]float32, []float32, error) {
		w, err := r.read(l.ck, "text_projection") // [W,O], where a linear layer has [O,W]
		if err != nil {
			return nil, nil, err
		}
		return [][]float32{transposed(w, W, c.OutDim)}, make([]float32, c.OutDim), nil
	})
}

// linear is a fully connected layer.
func (l *loading) linear(into **kernel.Conv, weight, bias string, in, out int, activation kernel.Activation) {
	l.conv(into, weight, linearSpec(in, out, activation), func(r *reader) ([][]float32, []float32, error) {
		w, b, err := r.both(l.ck, weight, bias)
		return [][]float32{w}, b, err
	})
}

// linearSpec is a fully connected layer as a 1x1 convolution whose pixels are tokens.
func linearSpec(in, out int, activation kernel.Activation) kernel.ConvSpec {
	return kernel.ConvSpec{In: []int{in}, Out: out, Kernel: 1, H: 1, W: prefixesPerPass, Images: 1, Activation: activation}
}

// Config returns the sizes of the tower.
func (t *TextTower) Config() Config { return t.config }

// Encode writes the feature of every text, not normalised, to dst [M,O]. A
// text is its token ids from the start token to the end-of-text token, at most
// the context length; the last id's row is the feature, as in the
// reference, where the end-of-text token is the highest id. progress is
// called with the number of texts done since the last call, and may be nil.
//
// A text's feature does not depend on the texts beside it.
func (t *TextTower) Encode(ctx context.Context, dst []float32, texts [][]int32, progress func(texts int)) error {
	if len(dst) != len(texts)*t.config.OutDim {
		panic("clip: dst is not [M,O]")
	}
	for i, text := range texts {
		if len(text) == 0 || len(text) > t.config.ContextLength {
			return fmt.Errorf("text %d: %s, want 1 to %d", i, quantity.Of(len(text), "token"), t.config.ContextLength)
		}
		for _, id := range text {
			if id < 0 || int(id) >= t.config.VocabSize {
				return fmt.Errorf("text %d: token id %d, want 0 to %d (is the vocabulary the model's?)", i, id, t.config.VocabSize-1)
			}
		}
	}
	order := make([]int, len(texts)) // neighbours share the longest prefixes
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return slices.Compare(texts[a], texts[b]) })
	for len(order) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		var p prefixes
		n := 0
		for n < min(len(order), prefixesPerPass) && (n == 0 || p.len()+len(texts[order[n]]) <= prefixesPerPass) {
			p.add(texts[order[n]])
			n++
		}
		rows := t.pass(&p)
		for i, text := range order[:n] {
			copy(dst[text*t.config.OutDim:][:t.config.OutDim], rows[i*t.config.OutDim:])
		}
		order = order[n:]
		if progress != nil {
			progress(n)
		}
	}
	return nil
}

// pass runs the distinct prefixes of some texts through the transformer and
// returns the texts' features, [texts,O], valid until the next pass.
func (t *TextTower) pass(p *prefixes) []float32 {
	width, n := t.config.TextWidth, p.len()
	area := func(i, channels, tokens int) kernel.Map { return kernel.MapOn(t.areas[i], channels, 1, 1, tokens) }
	x := area(0, width, n)
	t.rows = slices.Grow(t.rows[:0], n*width)[:n*width]
	for i, id := range p.token {
		row, embedding, position := t.rows[i*width:][:width], t.embedding[int(id)*width:], t.position[p.depth(i)*width:]
		for c := range row {
			row[c] = embedding[c] + position[c]
		}
	}
	x.SetRows(t.rows)
	normed, mixed, wide := area(1, width, n), area(2, width, n), area(3, 4*width, n)
	for i, b := range t.blocks {
		kernel.LayerNorm(normed, x, b.gamma1, b.beta1, layerNormEpsilon, t.team)
		qkv := area(3, 3*width, n)
		b.qkv.Run(qkv, nil, &t.scratch, t.team, normed)
		t.team.For(n, func(lo, hi, _ int) { causalAttention(mixed, qkv, p, lo, hi) })
		if i == len(t.blocks)-1 {
			// Only the texts' last tokens are looked at from here on.
			ends := len(p.end)
			last, lastMixed := area(4, width, ends), area(1, width, ends)
			pick(last, x, p.end)
			pick(lastMixed, mixed, p.end)
			x, mixed, normed, wide = last, lastMixed, area(2, width, ends), area(3, 4*width, ends)
		}
		b.out.Run(x, &x, &t.scratch, t.team, mixed)
		kernel.LayerNorm(normed, x, b.gamma2, b.beta2, layerNormEpsilon, t.team)
		b.fc.Run(wide, nil, &t.scratch, t.team, normed)
		b.proj.Run(x, &x, &t.scratch, t.team, wide)
	}
	kernel.LayerNorm(normed, x, t.finalGamma, t.finalBeta, layerNormEpsilon, t.team)
	features := area(3, t.config.OutDim, len(p.end))
	t.projection.Run(features, nil, &t.scratch, t.team, normed)
	t.rows = slices.Grow(t.rows[:0], len(p.end)*t.config.OutDim)[:len(p.end)*t.config.OutDim]
	features.Rows(t.rows)
	return t.rows
}

// layerNormEpsilon is torch's default.
const layerNormEpsilon = 1e-5

// pick copies some tokens of src to dst.
func pick(dst, src kernel.Map, tokens []int) {
	for b := range src.Blocks() {
		for i, token := range tokens {
			copy(dst.Data[(b*dst.Stride+i)*kernel.Lanes:][:kernel.Lanes], src.Data[(b*src.Stride+token)*kernel.Lanes:])
		}
	}
}
