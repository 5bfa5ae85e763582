package clip

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/usage"
)

// Pairs are the neuron-head pairs of a model: those of the attention pool of a ResNet, or
// those that the neurons of one layer of a vision transformer make with the heads of all
// later layers, one layer after the other.
type Pairs struct {
	Heads, Neurons int // H, of all layers, and C

	// FirstLayer and LayerHeads are the first layer that has heads of pairs, and how many
	// it has; zero in an attention pool.
	FirstLayer, LayerHeads int

	ck   *Checkpoint
	kind pairKind
}

// Whole reports whether the contributions of the pairs sum to the image feature, as in an
// attention pool. Those of a layer's neurons are a part of it.
func (p Pairs) Whole() bool { return p.LayerHeads == 0 }

// Pairs returns those of the model. A vision transformer has them for each layer of
// neurons but the last; neuronLayer says which, and is nil for a ResNet.
func (ck *Checkpoint) Pairs(neuronLayer *int) (Pairs, error) {
	p := Pairs{Neurons: ck.Config.Neurons(), ck: ck}
	kind, err := ck.anatomy().pairs(neuronLayer)
	if err != nil {
		return p, fmt.Errorf("%s: %w", ck.path, err)
	}
	p.kind, p.Heads = kind, kind.heads()
	p.FirstLayer, p.LayerHeads = kind.layers()
	return p, nil
}

// OV reads the weights that turn the scores of the pairs into contributions.
func (p Pairs) OV() (*decomp.OV, error) { return p.kind.ov(p.ck) }

// PublishedOV is OV of the published form of pairs that are a part of the image feature, with
// directions that are not centred; see Output.Common.
func (p Pairs) PublishedOV() (*decomp.OV, error) { return p.kind.publishedOV(p.ck) }

// Want asks a tower for the scores of the pairs.
func (p Pairs) Want(o *ImageOptions) { p.kind.want(o) }

// Weights returns where the pairs are in the weights.
func (p Pairs) Weights() PairWeights { return p.kind.weights(p) }

// pairKind is where the pairs of an image tower are: in an attention pool, or behind the
// neurons of a layer.
type pairKind interface {
	// heads are H, of all layers; layers are Pairs.FirstLayer and LayerHeads.
	heads() int
	layers() (first, heads int)
	ov(ck *Checkpoint) (*decomp.OV, error)
	publishedOV(ck *Checkpoint) (*decomp.OV, error)
	want(o *ImageOptions)
	tower(p Pairs, o ImageOptions) (PairTower, error)
	weights(p Pairs) PairWeights
}

// poolPairs are those of an attention pool.
type poolPairs struct{ pool ResNet }

func (p pooled) pairs(neuronLayer *int) (pairKind, error) {
	if neuronLayer != nil {
		return nil, usage.Errorf("{neuron-layer} %d: the image tower is a CLIP-ResNet, whose pairs are those of the attention pool", *neuronLayer)
	}
	return poolPairs{p.sizes}, nil
}

func (k poolPairs) heads() int                          { return k.pool.heads() }
func (poolPairs) layers() (first, heads int)            { return 0, 0 }
func (poolPairs) ov(ck *Checkpoint) (*decomp.OV, error) { return ck.OV() }
func (poolPairs) publishedOV(*Checkpoint) (*decomp.OV, error) {
	panic("clip: published form of the pairs of an attention pool, which has none")
}
func (poolPairs) want(*ImageOptions)          {}
func (poolPairs) weights(p Pairs) PairWeights { return poolWeights{p} }

func (poolPairs) tower(p Pairs, o ImageOptions) (PairTower, error) {
	t, err := NewResNetTower(p.ck, o)
	if err != nil {
		return nil, err
	}
	return NewPoolTower(p, t), nil
}

// layerPairs are those of the neurons of a layer.
type layerPairs struct {
	sizes ViT
	layer int
}

func (l layered) pairs(neuronLayer *int) (pairKind, error) {
	if neuronLayer == nil && l.sizes.Layers > 1 {
		last := l.sizes.Layers - 2
		return nil, hint.With(
			usage.Errorf("the image tower is a vision transformer: want the layer whose neurons to look at, {neuron-layer} 0 to %d", last),
			fmt.Sprintf("a layer at about three quarters of the depth is usual, such as 9 of the 12 of a ViT-B/32: here {neuron-layer} %d", min(l.sizes.Layers*3/4, last)),
		)
	}
	layer := 0
	if neuronLayer != nil {
		layer = *neuronLayer
	}
	return layerPairs{l.sizes, layer}, l.sizes.checkNeuronLayer(layer)
}

func (k layerPairs) heads() int                            { return (k.sizes.Layers - k.layer - 1) * k.sizes.Heads }
func (k layerPairs) layers() (first, heads int)            { return k.layer + 1, k.sizes.Heads }
func (k layerPairs) ov(ck *Checkpoint) (*decomp.OV, error) { return ck.LayerPairs(k.layer) }
func (k layerPairs) publishedOV(ck *Checkpoint) (*decomp.OV, error) {
	return ck.PublishedLayerPairs(k.layer)
}
func (k layerPairs) want(o *ImageOptions)        { o.Pairs, o.NeuronLayer = true, k.layer }
func (k layerPairs) weights(p Pairs) PairWeights { return neuronWeights{p, k.layer} }

func (k layerPairs) tower(p Pairs, o ImageOptions) (PairTower, error) {
	k.want(&o)
	o.PairTokens, o.FirstOrder = true, o.Reads
	t, err := NewViTTower(p.ck, o)
	if err != nil {
		return nil, err
	}
	n := &neuronTower{ViTTower: t, pairs: p}
	if n.ov, err = p.OV(); err != nil {
		return nil, err
	}
	if o.Reads {
		n.tokens, err = p.ck.Tokens()
	}
	return n, err
}
