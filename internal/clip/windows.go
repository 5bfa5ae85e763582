package clip

import (
	"slices"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/usage"
)

// Windows are the image tower of a model for windows of images, whose locations are
// compared with texts.
type Windows interface {
	// Cell is the side of a location, in pixels. Windows that are fixed always have the
	// size of the model's images.
	Cell() (pixels int, fixed bool)
	// Of returns the tower for windows of h x w pixels, multiples of a location's side, with
	// an image that is zero. It may be one that was returned before.
	Of(h, w int) (*Window, error)
	// Exact is the tower of a window in float32.
	Exact(*Window) (ImageTower, error)
	// OV is what turns scores of the pairs of an attention pool into contributions, and
	// Tokens what makes Output.Reads what tokens add to features. One of them is nil.
	OV() *decomp.OV
	Tokens() *decomp.Tokens
	// Pairs are those whose neurons and heads are looked at, if any are.
	Pairs() Pairs
}

// WindowOptions say what of windows is looked at.
type WindowOptions struct {
	Threads   int
	Precision kernel.Precision
	Size      int // the side of windows, in pixels; 0: that of the model's images

	// What all heads of all layers add by locations, a tower with a Residual always says.
	Neurons  bool // the neurons of pairs at locations
	Heads    bool // what the heads of pairs add by locations
	Values   bool // the values of locations; with an AttentionPool
	SelfSelf bool // their outputs under attention among likes; with an AttentionPool

	NeuronLayer *int // as of Checkpoint.Pairs
	// MapBlock and PoolBlock are the blocks of the last stage of a ResNet whose maps the
	// neurons give, and which the attention pool is run on; -1 is the last, -2 the one before. A
	// vision transformer has none, and takes no notice of MapBlock.
	MapBlock, PoolBlock int
}

// A Window is an image tower for windows of one size, and what it says of one.
type Window struct {
	Tower         ImageTower
	Width, Height int       // in pixels
	Rows, Cols    int       // in locations
	Image         []float32 // [3,Height,Width], normalised
	Map           []float32 // [T-1,C] of a ResNet, of the neurons
	Seen          Output

	out Output // that the tower fills, on the memory of Map and Seen
}

// Run sends the image through the tower, and fills Map and Seen.
func (w *Window) Run() error { return w.Tower.Run(w.Image, w.out) }

// poolWindows are towers for windows of several sizes that share their weights.
type poolWindows struct {
	ck     *Checkpoint
	packed *ResNetTower
	sized  []*Window // the one used last comes first
	needs  ImageOptions
	block  int  // of the last stage, whose map counts
	lens   bool // whether the attention pool is run on another block's map
}

// maxSizes is how many sizes of windows are prepared at a time. The maps of one
// take 130 MB of RN50x16; images of a data set have few sizes, if any but one.
const maxSizes = 4

func newPoolWindows(ck *Checkpoint, o WindowOptions) (Windows, error) {
	blocks := ck.Config.Layers[len(ck.Config.Layers)-1]
	block, err := blockIndex("{conv-map-idx}", o.MapBlock, blocks)
	if err != nil {
		return nil, err
	}
	pool, err := blockIndex("{sim-map-idx}", o.PoolBlock, blocks)
	if err != nil {
		return nil, err
	}
	t := &poolWindows{ck: ck, block: block, lens: pool != blocks-1}
	// One window at a time, so that all threads share it however few there are.
	t.needs = ImageOptions{
		Batch: 1, Threads: o.Threads, Precision: o.Precision, KeepBlocks: o.Neurons, TokenValues: o.Heads || o.Values, SelfSelf: o.SelfSelf,
	}
	if t.lens {
		t.needs.Lenses = []int{pool}
	}
	t.packed, err = NewResNetTower(ck, t.needs)
	return t, err
}

// blockIndex resolves the index of a block, which counts from the last one if it
// is below zero.
func blockIndex(option string, index, blocks int) (int, error) {
	if index < -blocks || index >= blocks {
		return 0, usage.Errorf("%s %d: the last stage has %s, want %d to %d", option, index, quantity.Of(blocks, "block"), -blocks, blocks-1)
	}
	if index < 0 {
		index += blocks
	}
	return index, nil
}

func (t *poolWindows) Cell() (pixels int, fixed bool) { return cellPixels, false }
func (t *poolWindows) OV() *decomp.OV                 { return t.packed.OV() }
func (t *poolWindows) Tokens() *decomp.Tokens         { return nil }

func (t *poolWindows) Pairs() Pairs {
	p, _ := t.ck.Pairs(nil) // a pool has those of no layer
	return p
}

func (t *poolWindows) Of(h, w int) (*Window, error) {
	for i, s := range t.sized {
		if s.Height == h && s.Width == w {
			t.sized = slices.Insert(slices.Delete(t.sized, i, i+1), 0, s)
			clear(s.Image)
			return s, nil
		}
	}
	tower, err := t.packed.ForSize(h, w)
	if err != nil {
		return nil, err
	}
	s := &Window{Tower: tower, Width: w, Height: h, Image: make([]float32, 3*h*w)}
	c := tower.Config()
	T, C := tower.Tokens(), c.Neurons()
	s.Rows, s.Cols = tower.Grid()
	s.Seen = Output{Attention: make([]float32, c.Heads()*T)}
	if t.needs.TokenValues {
		s.Seen.TokenValues = make([]float32, T*C)
	}
	if t.needs.SelfSelf {
		s.Seen.SelfSelf = make([]float32, T*C)
	}
	if s.out = s.Seen; t.lens {
		s.out = Output{Lenses: []Output{s.Seen}}
	}
	if t.needs.KeepBlocks {
		s.Map = make([]float32, (T-1)*C)
		s.out.Blocks = make([][]float32, c.Layers[len(c.Layers)-1])
		s.out.Blocks[t.block] = s.Map
	}
	t.sized = append([]*Window{s}, t.sized...)
	t.sized = t.sized[:min(len(t.sized), maxSizes)]
	return s, nil
}

func (t *poolWindows) Exact(w *Window) (ImageTower, error) {
	packed, err := NewResNetTower(t.ck, ImageOptions{Batch: t.needs.Batch, Threads: t.needs.Threads})
	if err != nil {
		return nil, err
	}
	return packed.ForSize(w.Height, w.Width)
}

// patchWindows are a vision transformer, whose windows have its own size. What heads read of
// tokens is compared with texts.
type patchWindows struct {
	ck     *Checkpoint
	pairs  Pairs // where some are looked at
	needs  ImageOptions
	tokens *decomp.Tokens
	one    *Window
}

func newPatchWindows(ck *Checkpoint, o WindowOptions) (Windows, error) {
	if o.PoolBlock != -1 { // MapBlock may be of a data set's settings, which are for all models
		return nil, usage.Errorf("{sim-map-idx} %d: a vision transformer has no stages", o.PoolBlock)
	}
	c := ck.Config
	if o.Size != 0 && o.Size != c.ImageSize {
		return nil, usage.Errorf("{slide-crop} %d: windows of a vision transformer have its own size, want %d or 0", o.Size, c.ImageSize)
	}
	t := &patchWindows{ck: ck, needs: ImageOptions{Batch: 1, Threads: o.Threads, Precision: o.Precision, Reads: true}}
	out := Output{Features: make([]float32, c.OutDim), Reads: make([]float32, c.ViT.Layers*c.Tokens()*c.ViT.Width), Statistics: make([]float32, 2)}
	var err error
	if o.Neurons || o.Heads {
		if t.pairs, err = ck.Pairs(o.NeuronLayer); err != nil {
			return nil, err
		}
		t.pairs.Want(&t.needs)
		t.needs.PairTokens = true
		out.Neurons = make([]float32, c.Tokens()*t.pairs.Neurons)
	}
	if t.tokens, err = ck.Tokens(); err != nil {
		return nil, err
	}
	tower, err := NewViTTower(ck, t.needs)
	if err != nil {
		return nil, err
	}
	t.one = &Window{
		Tower: tower, Width: c.ImageSize, Height: c.ImageSize, Rows: c.Grid(), Cols: c.Grid(),
		Image: make([]float32, tower.ImageLen()), Seen: out, out: out,
	}
	return t, nil
}

func (t *patchWindows) Cell() (pixels int, fixed bool) { return t.ck.Config.ViT.Patch, true }
func (t *patchWindows) OV() *decomp.OV                 { return nil }
func (t *patchWindows) Tokens() *decomp.Tokens         { return t.tokens }
func (t *patchWindows) Pairs() Pairs                   { return t.pairs }

func (t *patchWindows) Of(int, int) (*Window, error) {
	clear(t.one.Image)
	return t.one, nil
}

func (t *patchWindows) Exact(*Window) (ImageTower, error) {
	exact := t.needs
	exact.Precision = kernel.Float32
	return NewViTTower(t.ck, exact)
}
