package clip

import (
	"fmt"
	"slices"

	"gorgonia.org/tensor"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// frontStages is the number of stages that run picture by picture. Their maps
// are large and their weights small: one picture's maps stay in the cache. The
// later stages run over all pictures of a lane, so that their large weights
// are streamed once.
const frontStages = 2

// lane runs pictures through the tower: the front network once for each, then
// the back network for all of them. Lanes share the weights and have
// buffers of their own, so that they can run side by side.
type lane struct {
	tower    *ImageTower
	capacity int // pictures of one back run
	front    *network
	back     *network

	team    par.Team
	scratch kernel.Scratch
	slot    int // place of the picture in hand among those of the back run
	count   int // pictures of the back run

	picture []float32  // [3,S,S], the front's input
	between kernel.Map // the front's output, the back's input
	blocks  []kernel.Map
	pool    poolBuffers
	lenses  []poolBuffers
}

// buffers are what the maps of one network lie in. Block outputs alternate
// between two, unless they replace their input.
type buffers struct {
	out             [2][]float32
	current         int
	narrow1         []float32 // after conv1
	narrow2         []float32 // after conv2
	pooled, pooled2 []float32 // halved conv2 and shortcut
}

func newLane(t *ImageTower, capacity int, o ImageOptions) (*lane, error) {
	l := &lane{tower: t, capacity: capacity}
	c, blocks := t.config, t.layers.blocks
	split := slices.IndexFunc(blocks, func(b bottleneck) bool { return b.stage >= frontStages })
	first := blocks[split]
	l.between = kernel.NewMap(first.in, capacity, t.h/first.scale, t.w/first.scale)
	if err := l.declareFront(c, blocks[:split]); err != nil {
		return nil, err
	}
	if err := l.declareBack(c, blocks[split:], o); err != nil {
		return nil, err
	}
	return l, nil
}

// mapValue is a value of a network that is a batch of maps.
type mapValue struct {
	value
	m kernel.Map
}

func mapShape(m kernel.Map) tensor.Shape { return tensor.Shape{m.Blocks(), m.Stride, kernel.Lanes} }

// applyMap declares an operation from maps to a map.
func applyMap(n *network, name string, dst kernel.Map, run func(), in ...mapValue) (mapValue, error) {
	var wants []tensor.Shape
	var values []value
	for _, v := range in {
		wants = append(wants, mapShape(v.m))
		values = append(values, v.value)
	}
	v, err := n.apply(name, dst.Data, mapShape(dst), wants, run, values...)
	return mapValue{v, dst}, err
}

func (l *lane) declareFront(c Config, blocks []bottleneck) error {
	layers, n := l.tower.layers, newNetwork()
	h, w := l.tower.h, l.tower.w
	l.picture = make([]float32, 3*h*w)
	x := n.input("picture", l.picture, 3, h, w)

	a := kernel.NewMap(c.Width/2, 1, h/2, w/2)
	v, err := n.apply("visual.conv1", a.Data, mapShape(a), []tensor.Shape{{3, h, w}}, func() {
		layers.stem.Run(a, l.picture, &l.scratch, l.team)
	}, x)
	if err != nil {
		return err
	}
	b := kernel.NewMap(c.Width/2, 1, h/2, w/2)
	m, err := applyMap(n, "visual.conv2", b, func() { layers.conv2.Run(b, nil, &l.scratch, l.team, a) }, mapValue{v, a})
	if err != nil {
		return err
	}
	wide := kernel.NewMap(c.Width, 1, h/2, w/2)
	if m, err = applyMap(n, "visual.conv3", wide, func() { layers.conv3.Run(wide, nil, &l.scratch, l.team, b) }, m); err != nil {
		return err
	}
	buf := newBuffers(blocks, 1, h, w)
	pooled := kernel.MapOn(buf.out[0], c.Width, 1, h/4, w/4)
	if m, err = applyMap(n, "visual.avgpool", pooled, func() { kernel.AvgPool2(pooled, wide, l.team) }, m); err != nil {
		return err
	}
	one := func(m kernel.Map) kernel.Map { return m }
	for i, blk := range blocks {
		dst, view := buf.next(blk, m.m), one
		if i == len(blocks)-1 {
			dst, view = l.between, func(m kernel.Map) kernel.Map { return m.Slice(l.slot, 1) }
		}
		if m, err = l.declareBlock(n, blk, &buf, m, dst, one, view); err != nil {
			return err
		}
	}
	n.compile()
	l.front = n
	return nil
}

func (l *lane) declareBack(c Config, blocks []bottleneck, o ImageOptions) error {
	n := newNetwork()
	m := mapValue{n.input("layer2", l.between.Data, mapShape(l.between)...), l.between}
	buf := newBuffers(blocks, l.capacity, l.tower.h, l.tower.w)
	counted := func(m kernel.Map) kernel.Map { return m.Slice(0, l.count) }
	var err error
	var kept []mapValue // the last stage's maps
	for _, blk := range blocks {
		dst := buf.next(blk, m.m)
		keep := (o.KeepBlocks || len(o.Lenses) > 0) && blk.stage == len(c.Layers)-1
		if keep {
			dst = kernel.NewMap(blk.out(), l.capacity, dst.H, dst.W)
			l.blocks = append(l.blocks, dst)
		}
		if m, err = l.declareBlock(n, blk, &buf, m, dst, counted, counted); err != nil {
			return err
		}
		if keep {
			kept = append(kept, m)
		}
	}
	if l.pool, err = l.declarePool(n, "visual.attnpool", m, o); err != nil {
		return err
	}
	if o.AllAttention {
		if err := l.declareAllAttention(n, &l.pool); err != nil {
			return err
		}
	}
	for _, i := range o.Lenses {
		p, err := l.declarePool(n, fmt.Sprintf("lens%d", i), kept[i], o)
		if err != nil {
			return err
		}
		l.lenses = append(l.lenses, p)
	}
	n.compile()
	l.back = n
	return nil
}

// declareBlock declares one bottleneck from x to dst. Maps hold the lane's
// capacity; in and out cut them to the pictures of a run.
func (l *lane) declareBlock(n *network, b bottleneck, buf *buffers, x mapValue, dst kernel.Map, in, out func(kernel.Map) kernel.Map) (mapValue, error) {
	images, h, w := x.m.Images, x.m.H, x.m.W
	h1 := kernel.MapOn(buf.narrow1, b.planes, images, h, w)
	h2 := kernel.MapOn(buf.narrow2, b.planes, images, h, w)
	v, err := applyMap(n, b.name+".conv1", h1, func() { b.conv1.Run(in(h1), nil, &l.scratch, l.team, in(x.m)) }, x)
	if err != nil {
		return v, err
	}
	v, err = applyMap(n, b.name+".conv2", h2, func() { b.conv2.Run(in(h2), nil, &l.scratch, l.team, in(h1)) }, v)
	if err != nil {
		return v, err
	}
	shortcut := x
	if b.stride > 1 {
		p := kernel.MapOn(buf.pooled, b.planes, images, h/2, w/2)
		if v, err = applyMap(n, b.name+".avgpool", p, func() { kernel.AvgPool2(in(p), in(h2), l.team) }, v); err != nil {
			return v, err
		}
		s := kernel.MapOn(buf.pooled2, b.in, images, h/2, w/2)
		if shortcut, err = applyMap(n, b.name+".downsample.-1", s, func() { kernel.AvgPool2(in(s), in(x.m), l.team) }, x); err != nil {
			return v, err
		}
	}
	src, res := v.m, shortcut.m
	run := func() {
		residual := in(res)
		b.conv3.Run(out(dst), &residual, &l.scratch, l.team, in(src))
	}
	if b.projects() {
		run = func() { b.conv3.Run(out(dst), nil, &l.scratch, l.team, in(src), in(res)) }
	}
	return applyMap(n, b.name+".conv3", dst, run, v, shortcut)
}

// newBuffers allocates for the largest map of each role, of pictures of h x w
// pixels.
func newBuffers(blocks []bottleneck, images, h, w int) buffers {
	var wide, narrow, pooled, pooled2 int
	for _, b := range blocks {
		before := images * (h / b.scale) * (w / b.scale)
		after := before / (b.stride * b.stride)
		wide = max(wide, kernel.MapLen(b.in, before), kernel.MapLen(b.out(), after))
		narrow = max(narrow, kernel.MapLen(b.planes, before))
		if b.stride > 1 {
			pooled = max(pooled, kernel.MapLen(b.planes, after))
			pooled2 = max(pooled2, kernel.MapLen(b.in, after))
		}
	}
	alloc := kernel.Alloc
	return buffers{
		out:     [2][]float32{alloc(wide), alloc(wide)},
		narrow1: alloc(narrow), narrow2: alloc(narrow), pooled: alloc(pooled), pooled2: alloc(pooled2),
	}
}

// next returns the map that a block's output for the map in goes to: over in, which
// no one else reads, or to the other buffer when the two differ in size.
func (buf *buffers) next(b bottleneck, in kernel.Map) kernel.Map {
	if b.projects() {
		buf.current = 1 - buf.current
	}
	return kernel.MapOn(buf.out[buf.current], b.out(), in.Images, in.H/b.stride, in.W/b.stride)
}

// run sends pictures lo to hi of a call through the tower.
func (l *lane) run(pictures []float32, lo, hi int, out Output, team par.Team) error {
	l.team = team
	each := l.tower.PictureLen()
	for start := lo; start < hi; start += l.capacity {
		l.count = min(l.capacity, hi-start)
		for l.slot = range l.count {
			copy(l.picture, pictures[(start+l.slot)*each:][:each])
			if err := l.front.run(); err != nil {
				return err
			}
		}
		if err := l.back.run(); err != nil {
			return err
		}
		l.deliver(out, start)
	}
	return nil
}

// deliver copies the results of a back run to a call's output from image
// start on.
func (l *lane) deliver(out Output, start int) {
	give := func(dst, src []float32) {
		if dst != nil {
			each := len(src) / l.capacity
			copy(dst[start*each:(start+l.count)*each], src)
		}
	}
	pooled := func(out Output, p poolBuffers) {
		give(out.Features, p.features)
		give(out.Scores, p.scores)
		give(out.Attention, p.attention)
		give(out.Tokens, p.tokens)
		give(out.TokenValues, p.tokenValues)
		give(out.SelfSelf, p.selfSelf)
	}
	pooled(out, l.pool)
	for i, lens := range out.Lenses {
		pooled(lens, l.lenses[i])
	}
	give(out.AllAttention, l.pool.all)
	for i, dst := range out.Blocks {
		if dst == nil {
			continue
		}
		m := l.blocks[i]
		m.Slice(0, l.count).Rows(dst[start*m.H*m.W*m.C:])
	}
}
