package clip

import (
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/quantity"
)

// ViTTower is the vision transformer of a checkpoint, packed for this machine.
type ViTTower struct {
	config  Config
	options ImageOptions
	weights *vitWeights
	parts   *partWeights    // where parts are wanted
	common  []*commonWeight // of what has scores, where they are wanted
	lanes   []*vitLane
	all     par.Team
}

// NewViTTower reads the image tower's weights and packs them. Errors name the file
// and the tensor, or say that the image tower is no vision transformer.
func NewViTTower(ck *Checkpoint, o ImageOptions) (*ViTTower, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := ck.Require(Residual); err != nil {
		return nil, err
	}
	if err := ck.RequireImages(); err != nil && !o.Unfed {
		return nil, err
	}
	layers := o.neuronLayers()
	for i, layer := range layers {
		if err := ck.Config.ViT.checkNeuronLayer(layer); err != nil {
			return nil, err
		}
		if i > 0 && (layer <= layers[i-1] || o.PairTokens) {
			return nil, errors.New("image tower: several layers of neurons, want them ascending, and scores alone")
		}
	}
	t := &ViTTower{config: ck.Config, options: o, all: par.NewTeam(o.Threads)}
	t.weights = new(vitWeights)
	l := newLoading(ck)
	l.vit(t.weights, o.Precision)
	if err := load(t.all, l); err != nil {
		return nil, err
	}
	var r reader
	var err error
	if o.FirstOrder || o.TokenParts || o.ClassParts {
		if t.parts, err = readPartWeights(ck, &r); err != nil {
			return nil, err
		}
	}
	if o.Common {
		if t.common, err = readCommonWeights(ck, layers); err != nil {
			return nil, err
		}
	}
	t.lanes, err = lanesOf(o, func(capacity int) (*vitLane, error) { return newViTLane(t, capacity) })
	return t, err
}

// Config returns the sizes of the tower.
func (t *ViTTower) Config() Config { return t.config }

// ImageLen is the number of floats of one normalised image, 3*S*S.
func (t *ViTTower) ImageLen() int { return 3 * t.config.ImageSize * t.config.ImageSize }

// ScoresLen is P*H*N of the P layers after that of the neurons.
func (t *ViTTower) ScoresLen() int { return t.options.ScoresLen(t.config) }

// Run sends images [B,3,S,S] through the tower and fills out; see ImageTower.
func (t *ViTTower) Run(images []float32, out Output) error {
	n := len(images) / t.ImageLen()
	if len(images) != n*t.ImageLen() {
		panic("clip: images are not [B,3,S,S]")
	}
	return share(t.lanes, t.all, n, func(l *vitLane, lo, hi int, team par.Team) error { return l.run(images, lo, hi, out, team) })
}

// Graph lists the values of the tower's one network.
func (t *ViTTower) Graph() []GraphNode { return graphOf(t.lanes[0].network) }

// Plan lists the products and the attention of every layer; of the last, those of the
// class token.
func (t *ViTTower) Plan() []PlannedLayer {
	v, T := t.config.ViT, t.config.Tokens()
	var plan []PlannedLayer
	add := func(name, kernel, algorithm string, in, out int, multiplies, weights int64) {
		plan = append(plan, PlannedLayer{
			Name: name, Kernel: kernel, In: in, Out: out, Side: t.config.Grid(), Algorithm: algorithm,
			GFLOP: 2 * float64(multiplies) / 1e9, Bytes: weights,
		})
	}
	product := func(name string, op layerOp, tokens int) {
		s := op.Spec()
		add(name, "product", s.Algorithm.String(), s.In[0], s.Out, int64(s.In[0])*int64(s.Out)*int64(tokens), op.WeightBytes())
	}
	product("visual.conv1", layerOp{t.weights.patches, ""}, T-1)
	for i, l := range t.weights.layers {
		name, tokens, read := v.layer(i), T, int64(T)*int64(v.Width) // by each token, of keys and of values
		if i == v.Layers-1 {
			tokens, read = 1, read*int64(v.Heads) // the heads read unprojected tokens
		}
		product(name+"attn.in_proj", layerOp{l.qkv, ""}, tokens)
		add(name+"attn", "attention", fmt.Sprintf("%s of %d", quantity.Of(v.Heads, "head"), v.HeadWidth()), 3*v.Width, v.Width, 2*int64(tokens)*read, 0)
		product(name+"attn.out_proj", layerOp{l.out, ""}, tokens)
		product(name+"mlp.c_fc", layerOp{l.fc, ""}, tokens)
		product(name+"mlp.c_proj", layerOp{l.proj, ""}, tokens)
	}
	product("visual.proj", layerOp{t.weights.projection, ""}, 1)
	return plan
}
