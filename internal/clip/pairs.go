package clip

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/decomp"
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

	ck *Checkpoint
}

// Whole reports whether the contributions of the pairs sum to the image feature, as in an
// attention pool. Those of a layer's neurons are a part of it.
func (p Pairs) Whole() bool { return p.LayerHeads == 0 }

// Pairs returns those of the model. A vision transformer has them for each layer of
// neurons but the last; neuronLayer says which, and is nil for a ResNet.
func (ck *Checkpoint) Pairs(neuronLayer *int) (Pairs, error) {
	c := ck.Config
	p := Pairs{Heads: c.Heads(), Neurons: c.Neurons(), ck: ck}
	switch {
	case c.ViT == (ViT{}) && neuronLayer != nil:
		return p, usage.Errorf("%s: {neuron-layer} %d: the image tower is a CLIP-ResNet, whose pairs are those of the attention pool", ck.path, *neuronLayer)
	case c.ViT == (ViT{}):
		return p, nil
	case neuronLayer == nil:
		return p, usage.Errorf("%s: the image tower is a vision transformer: want the layer whose neurons to look at, {neuron-layer} 0 to %d", ck.path, c.ViT.Layers-2)
	}
	if err := c.ViT.checkNeuronLayer(*neuronLayer); err != nil {
		return p, fmt.Errorf("%s: %w", ck.path, err)
	}
	p.FirstLayer, p.LayerHeads = *neuronLayer+1, c.ViT.Heads
	p.Heads = (c.ViT.Layers - p.FirstLayer) * c.ViT.Heads
	return p, nil
}

// OV reads the weights that turn the scores of the pairs into contributions.
func (p Pairs) OV() (*decomp.OV, error) {
	if p.Whole() {
		return p.ck.OV()
	}
	return p.ck.LayerPairs(p.FirstLayer - 1)
}

// Want asks a tower for the scores of the pairs.
func (p Pairs) Want(o *ImageOptions) {
	if !p.Whole() {
		o.Pairs, o.NeuronLayer = true, p.FirstLayer-1
	}
}
