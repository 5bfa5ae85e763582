package clip

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// ResNetTower is the ModifiedResNet of a checkpoint with its attention pool,
// packed for this machine. It is not safe for concurrent use: it
// spreads each call over its threads itself.
type ResNetTower struct {
	config   Config
	options  ImageOptions
	h, w     int // of images, in pixels
	layers   imageLayers
	ov       *decomp.OV
	attend   attentionWeights
	position []float32    // [T,C], embedding of the tokens of h x w pixels
	values   *kernel.Conv // W_V and B_V packed, where tokens' values are wanted
	lanes    []*lane
	all      par.Team
}

// plannedBatch is the batch that layers are planned for when a tower sees more than
// one image at a time. It is a constant, so that results do not depend on the number
// of images in a call.
const plannedBatch = 8

// NewResNetTower reads the image tower's weights, folds the batch norms into
// them and packs them. Errors name the file and the tensor, or say that the image tower
// is none.
func NewResNetTower(ck *Checkpoint, o ImageOptions) (*ResNetTower, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := ck.Require(AttentionPool); err != nil {
		return nil, err
	}
	if err := ck.RequireImages(); err != nil && !o.Unfed {
		return nil, err
	}
	target := packing{images: 1, precision: o.Precision}
	if o.Batch > 1 {
		target.images = plannedBatch
	}
	side := ck.Config.ImageSize
	t := &ResNetTower{config: ck.Config, options: o, h: side, w: side, all: par.NewTeam(o.Threads)}
	l := newLoading(ck)
	l.imageLayers(&t.layers, target)
	l.attention(&t.attend)
	if o.TokenValues || o.SelfSelf {
		l.values(&t.values)
	}
	var err error
	if t.ov, err = ck.loadOV(t.all, l); err != nil {
		return nil, err
	}
	for _, i := range o.Lenses {
		if last := len(ck.Config.Layers) - 1; i < 0 || i >= ck.Config.Layers[last] {
			return nil, fmt.Errorf("image tower: block %d of the last stage, want 0 to %d", i, ck.Config.Layers[last]-1)
		}
	}
	t.position = t.attend.position
	return t, t.addLanes()
}

// addLanes makes the lanes for images of the tower's size.
func (t *ResNetTower) addLanes() (err error) {
	t.lanes, err = lanesOf(t.options, func(capacity int) (*lane, error) { return newLane(t, capacity, t.options) })
	return err
}

// Config returns the sizes of the tower.
func (t *ResNetTower) Config() Config { return t.config }

// OV returns the weights that turn scores into contributions.
func (t *ResNetTower) OV() *decomp.OV { return t.ov }

// ImageLen is the number of floats of one normalised image, 3*S*S, or 3*h*w
// of a tower of another size.
func (t *ResNetTower) ImageLen() int { return 3 * t.h * t.w }

// ScoresLen is H*C.
func (t *ResNetTower) ScoresLen() int { return t.options.ScoresLen(t.config) }

// Run sends images [B,3,S,S] through the tower and fills out. Any B is allowed. The
// results for an image depend neither on the other images of the call nor on the
// number of threads.
func (t *ResNetTower) Run(images []float32, out Output) error {
	n := len(images) / t.ImageLen()
	if len(images) != n*t.ImageLen() {
		panic("clip: images are not [B,3,S,S]")
	}
	return share(t.lanes, t.all, n, func(l *lane, lo, hi int, team par.Team) error { return l.run(images, lo, hi, out, team) })
}

// packing says what the layers are packed for.
type packing struct {
	images    int // at a time, in the stages that run over a batch
	precision kernel.Precision
}

// imageLayers are the packed convolutions.
type imageLayers struct {
	stem         *kernel.Stem
	conv2, conv3 *kernel.Conv
	blocks       []bottleneck
}

// bottleneck is a residual block: 1x1, 3x3, 1x1. When the block projects, its
// shortcut is a second source of conv3, and both become one product.
type bottleneck struct {
	block
	conv1, conv2, conv3 *kernel.Conv
}

func (l *loading) imageLayers(layers *imageLayers, target packing) {
	c := l.ck.Config
	width := c.Width / 2
	l.add("visual.conv1", "stem", kernel.StemLen(width), func(r *reader, dst []float32) error {
		w, bias, err := r.folded(l.ck, "visual.conv1", "visual.bn1")
		if err == nil {
			kernel.PackStem(dst, width, w, bias)
		}
		return err
	}, func(packed []float32) { layers.stem = kernel.PackedStem(width, c.ImageSize, c.ImageSize, packed) })

	conv := func(into **kernel.Conv, conv, norm string, in, out, size, side, images int) {
		l.conv(into, conv, kernel.ConvSpec{
			In: []int{in}, Out: out, Kernel: size, H: side, W: side, Images: images, Activation: kernel.ReLU,
			Precision: target.precision,
		}, func(r *reader) ([][]float32, []float32, error) {
			w, bias, err := r.folded(l.ck, conv, norm)
			return [][]float32{w}, bias, err
		})
	}
	half := c.ImageSize / 2
	conv(&layers.conv2, "visual.conv2", "visual.bn2", width, width, 3, half, 1)
	conv(&layers.conv3, "visual.conv3", "visual.bn3", width, c.Width, 3, half, 1)
	blocks := c.blocks()
	layers.blocks = make([]bottleneck, len(blocks))
	for i, b := range blocks {
		images := 1
		if b.stage >= frontStages {
			images = target.images
		}
		packed, side := &layers.blocks[i], c.ImageSize/b.scale
		packed.block = b
		conv(&packed.conv1, b.name+".conv1", b.name+".bn1", b.in, b.planes, 1, side, images)
		conv(&packed.conv2, b.name+".conv2", b.name+".bn2", b.planes, b.planes, 3, side, images)
		l.expansion(&packed.conv3, b, images, target.precision)
	}
}

// expansion is the last convolution of a block, with the shortcut's beside it where there
// is one; their biases add up.
func (l *loading) expansion(into **kernel.Conv, b block, images int, precision kernel.Precision) {
	side := l.ck.Config.ImageSize / (b.scale * b.stride)
	spec := kernel.ConvSpec{
		In: []int{b.planes}, Out: b.out(), Kernel: 1, H: side, W: side, Images: images, Activation: kernel.ReLU,
		Precision: precision,
	}
	if b.projects() {
		spec.In = append(spec.In, b.in)
	}
	l.conv(into, b.name+".conv3", spec, func(r *reader) ([][]float32, []float32, error) {
		w, bias, err := r.folded(l.ck, b.name+".conv3", b.name+".bn3")
		if err != nil || !b.projects() {
			return [][]float32{w}, bias, err
		}
		var other reader // both weights are needed at once
		shortcut, shift, err := other.folded(l.ck, b.name+".downsample.0", b.name+".downsample.1")
		if err != nil {
			return nil, nil, err
		}
		for i := range bias {
			bias[i] += shift[i]
		}
		return [][]float32{w, shortcut}, bias, nil
	})
}
