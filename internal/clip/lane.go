package clip

import (
	"fmt"
	"slices"

	"gorgonia.org/tensor"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// frontStages is the number of stages that run image by image. Their maps are large
// and their weights small: one image's maps stay in the cache. The later stages run
// over all images of a lane, so that their large weights are streamed once.
const frontStages = 2

// lane runs images through the tower: the front network once for each, then the
// back network and the attention pools for all of them. Lanes share the weights and
// have memory of their own, so that they can run side by side.
type lane struct {
	tower    *ResNetTower
	capacity int // images of one back run
	work     workspace

	front, back *network
	image       *activation // [1,3,H,W], the front's input
	last        *value      // the front's output, on a part of between
	between     *activation // [capacity,C,H,W], the back's input
	blocks      []*value    // the last stage's maps, where they are kept

	pool   *pool
	lenses []*pool
}

func newLane(t *ResNetTower, capacity int, o ImageOptions) (*lane, error) {
	l := &lane{tower: t, capacity: capacity}
	blocks := t.layers.blocks
	split := slices.IndexFunc(blocks, func(b bottleneck) bool { return b.stage >= frontStages })
	if err := l.declareFront(blocks[:split]); err != nil {
		return nil, err
	}
	if err := l.declareBack(blocks[split:], o); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *lane) declareFront(blocks []bottleneck) error {
	layers, n := l.tower.layers, newNetwork()
	shape := tensor.Shape{1, 3, l.tower.h, l.tower.w}
	l.image = newActivation(form{rank: 4}, shape, make([]float32, shape.TotalSize()))
	v := n.input("image", l.image)
	var err error
	for _, step := range []struct {
		name string
		op   operation
	}{
		{"visual.conv1", stemOp{layers.stem, l.tower.config.Width / 2}},
		{"visual.conv2", convOp{layers.conv2}},
		{"visual.conv3", convOp{layers.conv3}},
		{"visual.avgpool", averageOp{}},
	} {
		if v, err = n.apply(step.name, step.op, v); err != nil {
			return err
		}
	}
	for _, b := range blocks {
		if v, err = declareBlock(n, b, v); err != nil {
			return err
		}
	}
	shape = v.node.Shape()
	shape[0] = l.capacity
	l.between = newActivation(mapForm, shape, kernel.Alloc(activationLen(mapForm, shape)))
	n.place(v, l.between.whole.Slice(0, 1))
	l.front, l.last = n, v
	return n.compile()
}

func (l *lane) declareBack(blocks []bottleneck, o ImageOptions) error {
	n := newNetwork()
	v := n.input(l.last.name, l.between)
	var err error
	for _, b := range blocks {
		if v, err = declareBlock(n, b, v); err != nil {
			return err
		}
		if (o.KeepBlocks || len(o.Lenses) > 0) && b.stage == len(l.tower.config.Layers)-1 {
			n.keep(v)
			l.blocks = append(l.blocks, v)
		}
	}
	if l.pool, err = l.declarePool(n, "visual.attnpool", v, o); err != nil {
		return err
	}
	if o.AllAttention {
		if l.pool.all, err = n.apply("visual.attnpool.all_attention", newAllAttentionOp(l.tower), l.pool.tokens); err != nil {
			return err
		}
	}
	for _, i := range o.Lenses {
		p, err := l.declarePool(n, fmt.Sprintf("lens%d", i), l.blocks[i], o)
		if err != nil {
			return err
		}
		l.lenses = append(l.lenses, p)
	}
	l.back = n
	if err := n.compile(); err != nil {
		return err
	}
	for _, p := range append([]*pool{l.pool}, l.lenses...) {
		if err := p.declare(l.tower, l.capacity); err != nil {
			return err
		}
	}
	return nil
}

// declareBlock declares one bottleneck on x and returns its output.
func declareBlock(n *network, b bottleneck, x *value) (*value, error) {
	v, err := n.apply(b.name+".conv1", convOp{b.conv1}, x)
	if err != nil {
		return nil, err
	}
	if v, err = n.apply(b.name+".conv2", convOp{b.conv2}, v); err != nil {
		return nil, err
	}
	shortcut := x
	if b.stride > 1 {
		if v, err = n.apply(b.name+".avgpool", averageOp{}, v); err != nil {
			return nil, err
		}
		if shortcut, err = n.apply(b.name+".downsample.-1", averageOp{}, x); err != nil {
			return nil, err
		}
	}
	if b.projects() {
		return n.apply(b.name+".conv3", convOp{b.conv3}, v, shortcut)
	}
	return n.apply(b.name+".conv3", residualOp{b.conv3}, v, shortcut)
}

// run sends images lo to hi of a call through the tower.
func (l *lane) run(images []float32, lo, hi int, out Output, team par.Team) error {
	l.work.team = team
	each := l.tower.ImageLen()
	for start := lo; start < hi; start += l.capacity {
		count := min(l.capacity, hi-start)
		for i := range count {
			copy(l.image.rows, images[(start+i)*each:][:each])
			l.last.move(l.between.whole.Slice(i, 1))
			if err := l.front.run(1, &l.work); err != nil {
				return err
			}
		}
		if err := l.back.run(count, &l.work); err != nil {
			return err
		}
		for _, p := range append([]*pool{l.pool}, l.lenses...) {
			if err := p.run(count, &l.work); err != nil {
				return err
			}
		}
		l.deliver(out, start)
	}
	return nil
}

// deliver copies the results of a run to a call's output from image start on.
func (l *lane) deliver(out Output, start int) {
	l.pool.deliver(out, start)
	for i, lens := range out.Lenses {
		l.lenses[i].deliver(lens, start)
	}
	for i, dst := range out.Blocks {
		if dst != nil {
			l.blocks[i].copyTo(dst, start)
		}
	}
}

// Graph lists the networks that run image by image, over a lane's images, and for the
// attention pool, joined where one hands its result to the next.
func (t *ResNetTower) Graph() []GraphNode {
	l := t.lanes[0]
	return graphOf(l.front, l.back, l.pool.network)
}
