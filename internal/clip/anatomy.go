package clip

import (
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/decomp"
)

// anatomy is how image towers of one family are built and taken apart. There are two,
// ResNet and ViT, and what differs between them is asked here and nowhere else: stages ask
// a Checkpoint, its Pairs or its towers.
type anatomy interface {
	family() string
	heads() int
	neurons() int
	cell() int  // side of what becomes a token, in pixels
	patch() int // the same of a tower that cuts images into patches, or 0
	width() int
	depths() []int
	// layered are the layers that have heads, and the heads of each: 0 of one pool.
	layered() (layers, heads int)
	describe(c Config) []SizeRow
	// parameters adds the tensors of the tower, in the order in which it uses them.
	parameters(c Config, add func(name string, shape ...int))
	validate(c Config) error

	// has returns the reason why the tower has no such structure, or nil.
	has(s Structure) error
	tower(ck *Checkpoint, o ImageOptions) (ImageTower, error)
	scores(o ImageOptions) int // of an image, by a tower with these options
	windows(ck *Checkpoint, o WindowOptions) (Windows, error)
	// pairs are those of Checkpoint.Pairs.
	pairs(neuronLayer *int) (pairKind, error)
}

// A Structure is what image towers of one family have and the others lack, and what some
// ways to look at a model are about.
type Structure int

const (
	AttentionPool Structure = iota // one pool of heads over the maps of the last stage, whose pairs sum to the feature
	Residual                       // a residual, to which the heads and the MLP of each layer add
)

// Require returns an error, with the reason, unless the image tower has a structure.
func (ck *Checkpoint) Require(s Structure) error {
	if err := ck.Config.image().has(s); err != nil {
		return fmt.Errorf("%s: %w", ck.path, err)
	}
	return nil
}

// Has reports whether the image tower has a structure.
func (c Config) Has(s Structure) bool { return c.image().has(s) == nil }

var (
	errNoPool     = errors.New("the image tower is a vision transformer (ViT), want a CLIP-ResNet, with an attention pool")
	errNoResidual = errors.New("the image tower is a CLIP-ResNet, want a vision transformer (ViT)")
)

func (ResNet) has(s Structure) error {
	if s == Residual {
		return errNoResidual
	}
	return nil
}

func (ViT) has(s Structure) error {
	if s == AttentionPool {
		return errNoPool
	}
	return nil
}

// NewImageTower packs the image tower of a checkpoint. Errors name the file and the
// tensor.
func NewImageTower(ck *Checkpoint, o ImageOptions) (ImageTower, error) {
	return ck.Config.image().tower(ck, o)
}

func (ResNet) tower(ck *Checkpoint, o ImageOptions) (ImageTower, error) {
	return NewResNetTower(ck, o)
}

// ScoresLen is how many scores of an image a tower with these options computes.
func (c Config) ScoresLen(o ImageOptions) int { return c.image().scores(o) }

func (r ResNet) scores(ImageOptions) int { return poolPairs{r}.heads() * r.neurons() }

func (v ViT) scores(o ImageOptions) int {
	n := 0
	for _, layer := range o.neuronLayers() {
		n += layerPairs{v, layer}.heads() * v.MLP
	}
	return n
}

// neuronLayers are the layers whose neurons are scored.
func (o ImageOptions) neuronLayers() []int {
	if !o.Pairs {
		return nil
	}
	return append([]int{o.NeuronLayer}, o.MoreLayers...)
}

func (ViT) tower(ck *Checkpoint, o ImageOptions) (ImageTower, error) { return NewViTTower(ck, o) }

// pairKind is where the pairs of an image tower are: in an attention pool, or behind the
// neurons of a layer.
type pairKind interface {
	// heads are H, of all layers; layers are Pairs.FirstLayer and LayerHeads.
	heads() int
	layers() (first, heads int)
	ov(ck *Checkpoint) (*decomp.OV, error)
	want(o *ImageOptions)
	tower(p Pairs, o ImageOptions) (PairTower, error)
	weights(p Pairs) PairWeights
}
