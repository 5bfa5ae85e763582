package clip

import (
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
)

// PairTower is an image tower that says where in an image the scores of pairs come from. A
// score is a sum over tokens, the class token first,
//
//	s[h,n] = Σ_t weight[h,t]·x[t,n]
//
// of attention and what enters an attention pool, or of attention over the deviations of norms
// and the activations of a layer's neurons in a vision transformer.
type PairTower interface {
	ImageTower
	Pairs() Pairs
	OV() *decomp.OV
	// Room has memory for Features, Scores and what the methods below read, of n images.
	Room(n int) Output
	// Weights are those of heads in what was computed, [B,H,T], and Neurons x, [B,T,C].
	Weights(Output) []float32
	Neurons(Output) []float32
	// Attention is the class token's, of one image, by the heads that have pairs, rows summing to
	// 1, [H,T]. A vision transformer has it with ImageOptions.ClassAttention.
	Attention(Output) []float32
	// Position is the position embedding in x, [T,C], of a class token that is the mean of
	// the others; nil where x is no place's but the token's own.
	Position() []float32
	// Tokens is what makes Output.Reads what tokens add to features; nil where pairs are all
	// that is read of them, or reads were not asked for.
	Tokens() *decomp.Tokens
}

// NewPairTower packs the tower for the pairs. With o.Reads, that of a vision transformer has
// Reads and MLPs too. Errors name the file and the tensor.
func NewPairTower(pairs Pairs, o ImageOptions) (PairTower, error) { return pairs.kind.tower(pairs, o) }

// NewPoolTower is the tower of an attention pool for its pairs.
func NewPoolTower(pairs Pairs, t *ResNetTower) PairTower { return poolTower{t, pairs} }

// poolTower is that of the pairs of an attention pool.
type poolTower struct {
	*ResNetTower
	pairs Pairs
}

func (t poolTower) Pairs() Pairs                 { return t.pairs }
func (t poolTower) Weights(o Output) []float32   { return o.Attention }
func (t poolTower) Neurons(o Output) []float32   { return o.Tokens }
func (t poolTower) Attention(o Output) []float32 { return o.Attention }
func (t poolTower) Tokens() *decomp.Tokens       { return nil }

func (t poolTower) Room(images int) Output {
	c := t.Config()
	return Output{
		Features: make([]float32, images*c.OutDim), Scores: make([]float32, images*c.Heads()*c.Neurons()),
		Attention: make([]float32, images*c.Heads()*c.Tokens()), Tokens: make([]float32, images*c.Tokens()*c.Neurons()),
	}
}

// neuronTower is that of the pairs of a layer's neurons.
type neuronTower struct {
	*ViTTower
	pairs  Pairs
	ov     *decomp.OV
	tokens *decomp.Tokens
}

func (t *neuronTower) Pairs() Pairs               { return t.pairs }
func (t *neuronTower) OV() *decomp.OV             { return t.ov }
func (t *neuronTower) Weights(o Output) []float32 { return o.Weights }
func (t *neuronTower) Neurons(o Output) []float32 { return o.Neurons }
func (t *neuronTower) Position() []float32        { return nil }
func (t *neuronTower) Attention(o Output) []float32 {
	return o.Attention[t.pairs.FirstLayer*t.pairs.LayerHeads*t.config.Tokens():]
}
func (t *neuronTower) Tokens() *decomp.Tokens { return t.tokens }

func (t *neuronTower) Room(images int) Output {
	v, T, O := t.config.ViT, t.config.Tokens(), t.config.OutDim
	out := Output{
		Features: make([]float32, images*O), Scores: make([]float32, images*t.pairs.Heads*t.pairs.Neurons),
		Weights: make([]float32, images*t.pairs.Heads*T), Neurons: make([]float32, images*T*t.pairs.Neurons), Statistics: make([]float32, 2*images),
	}
	if t.options.Reads {
		out.Reads, out.MLPs = make([]float32, images*v.Layers*T*v.Width), make([]float32, images*(v.Layers+1)*O)
	}
	if t.options.ClassAttention {
		out.Attention = make([]float32, images*v.Layers*v.Heads*T)
	}
	return out
}

// Of is the part of an output of images that image i has.
func (o Output) Of(i, images int) Output {
	return o.part(func(x []float32) []float32 { each := len(x) / images; return x[i*each : (i+1)*each] })
}

// First is the part of an output of images that the first n have.
func (o Output) First(n, images int) Output {
	return o.part(func(x []float32) []float32 { return x[:len(x)/images*n] })
}

// part cuts what is of one tower run without blocks and lenses.
func (o Output) part(cut func([]float32) []float32) Output {
	return Output{
		Features: cut(o.Features), Scores: cut(o.Scores), Attention: cut(o.Attention), Tokens: cut(o.Tokens),
		AllAttention: cut(o.AllAttention), TokenValues: cut(o.TokenValues), SelfSelf: cut(o.SelfSelf),
		Common: cut(o.Common), Heads: cut(o.Heads), MLPs: cut(o.MLPs), TokenParts: cut(o.TokenParts),
		Weights: cut(o.Weights), Neurons: cut(o.Neurons), Reads: cut(o.Reads), Statistics: cut(o.Statistics),
	}
}

// Tokens reads what makes of a vision transformer's Output.Reads what tokens add to features.
func (ck *Checkpoint) Tokens() (*decomp.Tokens, error) {
	var r reader
	parts, err := readPartWeights(ck, &r)
	if err != nil {
		return nil, err
	}
	v, O := ck.Config.ViT, ck.Config.OutDim
	D, padded := v.HeadWidth(), v.paddedWidth()
	t := &decomp.Tokens{Layers: v.Layers, Width: v.Width, OutDim: O, Mean: parts.mean, Shift: parts.shift, Out: kernel.Alloc(v.Layers * v.Width * O)}
	for l, heads := range parts.heads {
		for h := range v.Heads {
			copy(t.Out[(l*v.Width+h*D)*O:(l*v.Width+(h+1)*D)*O], heads[h*padded*O:])
		}
		t.OutBias = append(t.OutBias, parts.outBias[l]...)
	}
	return t, nil
}
