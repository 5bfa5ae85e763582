package clip

import (
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/par"
)

// ImageOptions says how an ImageTower will be used.
type ImageOptions struct {
	// Batch is the number of images in most calls of Run. It bounds the memory.
	// Algorithms are chosen for a batch of 1 or for larger ones, so features of
	// one image and of a batch may differ in rounding.
	Batch int
	// Threads share the work; at least one.
	Threads int
	// Precision is that of the convolutions' products: kernel.Float32, or
	// kernel.BFloat16 where kernel.HasBFloat16 says so, which is faster; features are then
	// off by some percent of the largest.
	Precision kernel.Precision
	// KeepBlocks keeps the map of every block of the last stage for Output.Blocks.
	KeepBlocks bool
	// Lenses are blocks of the last stage, by index, whose maps the attention
	// pool is run on as well, for Output.Lenses.
	Lenses []int
	// AllAttention computes the attention rows of all tokens, for
	// Output.AllAttention.
	AllAttention bool
	// TokenValues and SelfSelf compute the fields of Output of the same names.
	TokenValues, SelfSelf bool
}

// ImageTower is the ModifiedResNet of a checkpoint with its attention pool,
// packed for this machine. It is not safe for concurrent use: it
// spreads each call over its threads itself.
type ImageTower struct {
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

// Output receives the results of a run. What is nil is left out.
type Output struct {
	Features  []float32 // [B,O], not normalised
	Scores    []float32 // [B,H,C], s[h,n] = Σ_t a[h,t]·x[t,n]
	Attention []float32 // [B,H,T], the class token's attention, rows summing to 1
	Tokens    []float32 // [B,T,C], position embedding added
	// Blocks has one [B,T-1,C] per block of the last stage, location-major;
	// it needs KeepBlocks. Those that are nil are left out.
	Blocks [][]float32
	// Lenses has the Features, Scores, Attention and Tokens of the pool on each
	// map of ImageOptions.Lenses, in their order.
	Lenses []Output
	// AllAttention is the attention of every token, [B,H,T,T]; row 0 is
	// Attention up to rounding. It needs ImageOptions.AllAttention.
	AllAttention []float32
	// TokenValues has the value of every token, W_V x[t] + B_V with channels
	// h*D+d, [B,T,C]; it needs ImageOptions.TokenValues.
	TokenValues []float32
	// SelfSelf has the heads' outputs of every token, [B,T,C], were queries to
	// attend to queries and keys to keys,
	//
	//	y[t,h] = Σ_u (softmax_u(q[t]·q[u]/√D) + softmax_u(k[t]·k[u]/√D)) · value[u,h]
	//
	// so that attention sums to two; it needs ImageOptions.SelfSelf.
	SelfSelf []float32
}

// plannedBatch is the batch that layers are planned for when a tower sees more than
// one image at a time. It is a constant, so that results do not depend on the number
// of images in a call.
const plannedBatch = 8

// NewImageTower reads the image tower's weights, folds the batch norms into
// them and packs them. Errors name the file and the tensor.
func NewImageTower(ck *Checkpoint, o ImageOptions) (*ImageTower, error) {
	if o.Batch < 1 || o.Threads < 1 {
		return nil, errors.New("image tower: batch and threads must be at least 1")
	}
	if o.Precision == kernel.BFloat16 && !kernel.HasBFloat16() {
		return nil, fmt.Errorf("image tower: this processor has no bfloat16 products (AVX512-BF16, or BF16 on arm64), or %s holds it back", cpu.Variable)
	}
	target := packing{images: 1, precision: o.Precision}
	if o.Batch > 1 {
		target.images = plannedBatch
	}
	side := ck.Config.ImageSize
	t := &ImageTower{config: ck.Config, options: o, h: side, w: side, all: par.NewTeam(o.Threads)}
	var err error
	var r reader
	if t.layers, err = readImageLayers(ck, &r, target); err != nil {
		return nil, err
	}
	if t.ov, err = readOV(ck, &r); err != nil {
		return nil, err
	}
	if t.attend, err = readAttentionWeights(ck, &r); err != nil {
		return nil, err
	}
	if o.TokenValues || o.SelfSelf {
		if t.values, err = readValues(ck, t.ov, &r); err != nil {
			return nil, err
		}
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
func (t *ImageTower) addLanes() error {
	o := t.options
	threads := min(o.Threads, o.Batch)
	for range threads {
		l, err := newLane(t, (o.Batch+threads-1)/threads, o)
		if err != nil {
			return err
		}
		t.lanes = append(t.lanes, l)
	}
	return nil
}

// Config returns the sizes of the tower.
func (t *ImageTower) Config() Config { return t.config }

// Pool returns the weights that turn scores into contributions.
func (t *ImageTower) OV() *decomp.OV { return t.ov }

// ImageLen is the number of floats of one normalised image, 3*S*S, or 3*h*w
// of a tower of another size.
func (t *ImageTower) ImageLen() int { return 3 * t.h * t.w }

// Run sends images [B,3,S,S] through the tower and fills out. Any B is allowed. The
// results for an image depend neither on the other images of the call nor on the
// number of threads.
func (t *ImageTower) Run(images []float32, out Output) error {
	n := len(images) / t.ImageLen()
	if len(images) != n*t.ImageLen() {
		panic("clip: images are not [B,3,S,S]")
	}
	return t.share(n, func(l *lane, lo, hi int, team par.Team) error { return l.run(images, lo, hi, out, team) })
}

// share cuts n images into a range for each lane and runs work on all of them;
// a lane that works alone has all threads.
func (t *ImageTower) share(n int, work func(l *lane, lo, hi int, team par.Team) error) error {
	if n < len(t.lanes) || len(t.lanes) == 1 {
		return work(t.lanes[0], 0, n, t.all)
	}
	errs := make([]error, len(t.lanes))
	var running par.Group
	for w, l := range t.lanes {
		running.Go(func() {
			errs[w] = work(l, n*w/len(t.lanes), n*(w+1)/len(t.lanes), par.NewTeam(1))
		})
	}
	running.Wait()
	return errors.Join(errs...)
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

func readImageLayers(ck *Checkpoint, r *reader, target packing) (imageLayers, error) {
	c := ck.Config
	var l imageLayers
	w, bias, err := r.folded(ck, "visual.conv1", "visual.bn1")
	if err != nil {
		return l, err
	}
	l.stem = kernel.NewStem(c.Width/2, c.ImageSize, c.ImageSize, w, bias)

	conv := func(conv, norm string, in, out, size, side, images int) (*kernel.Conv, error) {
		w, bias, err := r.folded(ck, conv, norm)
		if err != nil {
			return nil, err
		}
		return kernel.NewConv(kernel.ConvSpec{
			In: []int{in}, Out: out, Kernel: size, H: side, W: side, Images: images, Activation: kernel.ReLU,
			Precision: target.precision,
		}, [][]float32{w}, bias), nil
	}
	half := c.ImageSize / 2
	if l.conv2, err = conv("visual.conv2", "visual.bn2", c.Width/2, c.Width/2, 3, half, 1); err != nil {
		return l, err
	}
	if l.conv3, err = conv("visual.conv3", "visual.bn3", c.Width/2, c.Width, 3, half, 1); err != nil {
		return l, err
	}
	for _, b := range c.blocks() {
		images := 1
		if b.stage >= frontStages {
			images = target.images
		}
		packed := bottleneck{block: b}
		if packed.conv1, err = conv(b.name+".conv1", b.name+".bn1", b.in, b.planes, 1, c.ImageSize/b.scale, images); err != nil {
			return l, err
		}
		if packed.conv2, err = conv(b.name+".conv2", b.name+".bn2", b.planes, b.planes, 3, c.ImageSize/b.scale, images); err != nil {
			return l, err
		}
		if packed.conv3, err = readExpansion(ck, r, b, images, target.precision); err != nil {
			return l, err
		}
		l.blocks = append(l.blocks, packed)
	}
	return l, nil
}

// readExpansion packs the last convolution of a block, with the shortcut's
// beside it where there is one; their biases add up.
func readExpansion(ck *Checkpoint, r *reader, b block, images int, precision kernel.Precision) (*kernel.Conv, error) {
	w, bias, err := r.folded(ck, b.name+".conv3", b.name+".bn3")
	if err != nil {
		return nil, err
	}
	side := ck.Config.ImageSize / (b.scale * b.stride)
	spec := kernel.ConvSpec{
		In: []int{b.planes}, Out: b.out(), Kernel: 1, H: side, W: side, Images: images, Activation: kernel.ReLU,
		Precision: precision,
	}
	weights := [][]float32{w}
	if b.projects() {
		var other reader // both weights are needed at once
		shortcut, shift, err := other.folded(ck, b.name+".downsample.0", b.name+".downsample.1")
		if err != nil {
			return nil, err
		}
		for i := range bias {
			bias[i] += shift[i]
		}
		spec.In = append(spec.In, b.in)
		weights = append(weights, shortcut)
	}
	return kernel.NewConv(spec, weights, bias), nil
}
