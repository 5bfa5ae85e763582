package kernel

import (
	"math"
	"unsafe"

	"github.com/clipnh/clipnh/internal/par"
)

// tileSize returns m of F(m x m).
func (a Algorithm) tileSize() int {
	if a == Winograd4 {
		return 4
	}
	return 2
}

// packWinograd transforms and packs 3x3 weights: one matrix of input by output channels
// per tap, all contiguous.
func (c *Conv) packWinograd(w []float32) {
	s := &c.spec
	m := s.Algorithm.tileSize()
	n := m + 2
	p := &c.weights
	kBlocks, nBlocks, width, pairs, all := p.kBlocks, p.nBlocks, p.width, p.pairs, p.data
	size := kBlocks * nBlocks * blockFloats
	// Works on one block of inputs by one panel at a time: the taps are far apart in
	// memory, and so each part of a tap is written at once.
	part := newWinogradPart(m, width*Lanes)
	in := s.In[0]
	for first := 0; first < nBlocks; first += width {
		lanes := min(width, nBlocks-first) * Lanes
		columns := min(lanes, s.Out-first*Lanes)
		for i := 0; i < in; i += Lanes {
			rows := min(Lanes, in-i)
			for j := range columns {
				for l := range rows {
					part.set(l, j, (*[taps]float32)(w[((first*Lanes+j)*in+i+l)*taps:]))
				}
			}
			for t := range n * n {
				panel := all[t*size+first*kBlocks*blockFloats:][:lanes*kBlocks*Lanes]
				for l := range rows {
					row := part.row(t, l)[:columns]
					if !pairs {
						copy(panel[(i+l)*lanes:], row)
						continue
					}
					for j, v := range row {
						c.weights.set(panel, lanes, i/Lanes, l, j, v)
					}
				}
			}
		}
	}
}

// winogradPart holds the weights of all taps for a block of inputs by a panel.
type winogradPart struct {
	m, lanes, tap int // tap is the distance between taps
	data          []float32
}

func newWinogradPart(m, lanes int) *winogradPart {
	const apart = Lanes // keeps the taps in different cache sets
	tap := Lanes*lanes + apart
	return &winogradPart{m, lanes, tap, make([]float32, (m+2)*(m+2)*tap)}
}

// row returns one input's weights for a tap.
func (p *winogradPart) row(tap, input int) []float32 {
	return p.data[tap*p.tap+input*p.lanes:][:p.lanes]
}

// set stores G k G^T for one input and output. The compiler keeps the values of a line in
// registers, since the lines' functions are inlined and return no arrays.
func (p *winogradPart) set(input, output int, k *[taps]float32) {
	at := input*p.lanes + output
	if p.m == 2 {
		a0, a1, a2, a3 := winogradKernelLine2(float64(k[0]), float64(k[3]), float64(k[6]))
		b0, b1, b2, b3 := winogradKernelLine2(float64(k[1]), float64(k[4]), float64(k[7]))
		c0, c1, c2, c3 := winogradKernelLine2(float64(k[2]), float64(k[5]), float64(k[8]))
		p.line2(at, a0, b0, c0)
		p.line2(at+4*p.tap, a1, b1, c1)
		p.line2(at+8*p.tap, a2, b2, c2)
		p.line2(at+12*p.tap, a3, b3, c3)
		return
	}
	a0, a1, a2, a3, a4, a5 := winogradKernelLine4(float64(k[0]), float64(k[3]), float64(k[6]))
	b0, b1, b2, b3, b4, b5 := winogradKernelLine4(float64(k[1]), float64(k[4]), float64(k[7]))
	c0, c1, c2, c3, c4, c5 := winogradKernelLine4(float64(k[2]), float64(k[5]), float64(k[8]))
	p.line4(at, a0, b0, c0)
	p.line4(at+6*p.tap, a1, b1, c1)
	p.line4(at+12*p.tap, a2, b2, c2)
	p.line4(at+18*p.tap, a3, b3, c3)
	p.line4(at+24*p.tap, a4, b4, c4)
	p.line4(at+30*p.tap, a5, b5, c5)
}

// line2 stores the four taps of a row of F(2x2), the first at index at.
func (p *winogradPart) line2(at int, a, b, c float64) {
	v0, v1, v2, v3 := winogradKernelLine2(a, b, c)
	tap := p.tap
	data := p.data[at:]
	data[0], data[tap], data[2*tap], data[3*tap] = float32(v0), float32(v1), float32(v2), float32(v3)
}

// line4 stores the six taps of a row of F(4x4), the first at index at.
func (p *winogradPart) line4(at int, a, b, c float64) {
	v0, v1, v2, v3, v4, v5 := winogradKernelLine4(a, b, c)
	tap := p.tap
	data := p.data[at:]
	data[0], data[tap], data[2*tap] = float32(v0), float32(v1), float32(v2)
	data[3*tap], data[4*tap], data[5*tap] = float32(v3), float32(v4), float32(v5)
}

// winograd is one Run of a Winograd convolution.
type winograd struct {
	conv          *Conv
	m, n          int // outputs and inputs along the side of a tile
	src, dst      Map
	out           output
	across, tiles int // number of tiles in a row and in all images
	// Products and transformed inputs are [n*n taps][blocks][tiles][Lanes] for a group
	// of tiles; the distances between taps and blocks are in pixels.
	block, inTap, outTap int
}

// groupBytes bounds the size of a group of tiles, transformed inputs and products, so
// that both stay in the second-level cache. minGroup is the smallest number of tiles
// that makes reading the weights worthwhile.
const (
	groupBytes = 640 << 10
	minGroup   = 48
)

// runWinograd computes a 3x3 convolution from products of transformed tiles:
// for each of the n*n taps, tiles by input channels with input by output
// channels.
func (c *Conv) runWinograd(dst Map, residual *Map, scratch *Scratch, team par.Team, src Map) {
	m := c.spec.Algorithm.tileSize()
	w := &winograd{conv: c, m: m, n: m + 2, src: src, dst: dst, across: (dst.W + m - 1) / m}
	w.tiles = dst.Images * ((dst.H + m - 1) / m) * w.across
	w.out = c.output(dst, nil)
	if residual != nil && &residual.Data[0] != &dst.Data[0] {
		copyMap(dst, *residual)
	}
	taps := w.n * w.n
	perTile := taps * (src.Blocks() + dst.Blocks()) * laneBytes
	group := max(minGroup, groupBytes/perTile)
	groups := (w.tiles + group - 1) / group
	if groups < team.Size() {
		w.shared(residual != nil, scratch, team)
		return
	}
	groups = (groups + team.Size() - 1) / team.Size() * team.Size()
	group = (w.tiles + groups - 1) / groups
	inFloats, outFloats := w.layout(group)
	scratch.grow(team.Size(), inFloats+outFloats)
	team.For(groups, func(lo, hi, worker int) {
		area := scratch.workers[worker]
		in, out := area.buf[:inFloats], area.buf[inFloats:inFloats+outFloats]
		sources := area.pointers(src.Blocks())
		w.sources(sources, in)
		for g := lo; g < hi; g++ {
			t0, t1 := w.tiles*g/groups, w.tiles*(g+1)/groups
			w.transformIn(area, in, t0, t1, 0, src.Blocks())
			for tap := range taps {
				w.round(in, sources, tap, t1-t0)
				w.multiply(area, sources, out, tap, t1-t0, 0, c.weights.nBlocks)
			}
			w.transformOut(area, out, t0, t1, 0, c.weights.nBlocks, residual != nil)
		}
	})
}

// shared handles maps with too few tiles for a group per worker: the workers share one
// group and split it by channels, so that each weight is read once.
func (w *winograd) shared(add bool, scratch *Scratch, team par.Team) {
	m := &w.conv.weights
	inFloats, outFloats := w.layout(w.tiles)
	buf := scratch.sharedFloats(inFloats + outFloats)
	in, out := buf[:inFloats], buf[inFloats:]
	scratch.grow(team.Size(), 0)
	sources := scratch.pointers(w.src.Blocks())
	w.sources(sources, in)
	team.For(w.src.Blocks(), func(lo, hi, worker int) {
		w.transformIn(scratch.workers[worker], in, 0, w.tiles, lo, hi)
	})
	if m.pairs {
		team.For(w.n*w.n, func(lo, hi, _ int) {
			for tap := lo; tap < hi; tap++ {
				w.round(in, sources, tap, w.tiles)
			}
		})
	}
	panels := (m.nBlocks + m.width - 1) / m.width
	team.For(w.n*w.n*panels, func(lo, hi, worker int) {
		for i := lo; i < hi; {
			tap, p := i/panels, i%panels
			n := min(panels-p, hi-i)
			w.multiply(scratch.workers[worker], sources, out, tap, w.tiles, p*m.width, min((p+n)*m.width, m.nBlocks))
			i += n
		}
	})
	team.For(m.nBlocks, func(lo, hi, worker int) {
		w.transformOut(scratch.workers[worker], out, 0, w.tiles, lo, hi, add)
	})
}

// layout sets the distances for groups of up to the given number of tiles and returns
// the number of floats of inputs and products. It avoids distances near a multiple of
// 4 KiB, as PixelStride does.
func (w *winograd) layout(tiles int) (inFloats, outFloats int) {
	const page = 4096 / laneBytes
	w.block = tiles | 1
	apart := func(pixels int) int {
		if pixels%page < 2 {
			return pixels + 2
		}
		return pixels
	}
	w.inTap = apart(w.block * w.src.Blocks())
	w.outTap = apart(w.block * w.conv.weights.nBlocks)
	return w.n * w.n * w.inTap * Lanes, w.n * w.n * w.outTap * Lanes
}

// sources fills the table of input blocks in tap 0.
func (w *winograd) sources(table []unsafe.Pointer, in []float32) {
	for b := range table {
		table[b] = unsafe.Pointer(&in[b*w.block*Lanes])
	}
}

// round converts a tap's inputs to pairs of bfloat16 values in place, if the weights
// are pairs. Pairs of blocks go to the first half of the blocks, where they overwrite
// only pixels that were already read.
func (w *winograd) round(in []float32, sources []unsafe.Pointer, tap, tiles int) {
	if w.conv.weights.pairs {
		w.conv.family.round(in[tap*w.inTap*Lanes:], w.block, sources, tap*w.inTap, tiles)
	}
}

// multiply computes one tap's products for blocks [n0,n1) of outputs.
func (w *winograd) multiply(area *workArea, sources []unsafe.Pointer, out []float32, tap, tiles, n0, n1 int) {
	c := w.conv
	size := c.weights.kBlocks * c.weights.nBlocks * blockFloats
	m := c.weights
	m.data = c.weights.data[tap*size:]
	o := output{
		c:      unsafe.Pointer(&out[tap*w.outTap*Lanes]),
		cPixel: laneBytes, cBlock: w.block * laneBytes,
		bias: c.zeros,
	}
	c.family.product(&area.tile, sources, &m, &o, tap*w.inTap, 0, tiles, n0, n1)
}

// zeroRow replaces a row above or below the map.
var zeroRow = Alloc(6 * Lanes)

// transformIn transforms blocks [b0,b1) of the inputs of tiles [t0,t1).
func (w *winograd) transformIn(area *workArea, in []float32, t0, t1, b0, b1 int) {
	t := &area.in
	run := w.conv.family.winogradIn[w.m]
	t.tap, t.block, t.blocks = w.inTap*laneBytes, w.block*laneBytes, b1-b0
	t.work = unsafe.Pointer(&area.work[0])
	x := w.src
	down := (x.H + w.m - 1) / w.m
	for i := t0; i < t1; i++ {
		image, ty, tx := i/(down*w.across), i/w.across%down, i%w.across
		top, left := ty*w.m-1, tx*w.m-1
		t.columns = inside(left, w.n, x.W)
		for r := range w.n {
			y := top + r
			if y < 0 || y >= x.H {
				t.rows[r], t.step[r] = unsafe.Pointer(&zeroRow[Lanes]), 0
				continue
			}
			pixel := b0*x.Stride + (image*x.H+y)*x.W + left + 1
			t.rows[r], t.step[r] = unsafe.Pointer(&x.Data[pixel*Lanes]), x.Stride*laneBytes
		}
		t.dst = unsafe.Pointer(&in[(b0*w.block+i-t0)*Lanes])
		run(t)
	}
}

// inside returns a mask of n bits: bit c is set if column first+c is in a map of the
// given width.
func inside(first, n, width int) int {
	bits := 1<<min(n, width-first) - 1
	if first < 0 {
		bits &^= 1<<-first - 1
	}
	return bits
}

// transformOut transforms blocks [b0,b1) of the products of tiles [t0,t1).
func (w *winograd) transformOut(area *workArea, out []float32, t0, t1, b0, b1 int, add bool) {
	t := &area.out
	run := w.conv.family.winogradOut[w.m]
	t.tap, t.block, t.blocks = w.outTap*laneBytes, w.block*laneBytes, b1-b0
	t.bias = unsafe.Pointer(&w.conv.bias[b0*Lanes])
	t.work = unsafe.Pointer(&area.work[0])
	t.floor, t.add = float32(math.Inf(-1)), 0
	if w.out.relu {
		t.floor = 0
	}
	if add {
		t.add = 1
	}
	y := w.dst
	down := (y.H + w.m - 1) / w.m
	for i := t0; i < t1; i++ {
		image, ty, tx := i/(down*w.across), i/w.across%down, i%w.across
		top, left := ty*w.m, tx*w.m
		t.columns = inside(left, w.m, y.W)
		for r := range w.m {
			if top+r >= y.H {
				t.rows[r], t.step[r] = unsafe.Pointer(&area.waste[0]), 0
				continue
			}
			pixel := b0*y.Stride + (image*y.H+top+r)*y.W + left
			t.rows[r], t.step[r] = unsafe.Pointer(&y.Data[pixel*Lanes]), y.Stride*laneBytes
		}
		t.src = unsafe.Pointer(&out[(b0*w.block+i-t0)*Lanes])
		run(t)
	}
	w.finish(t0, t1, b0, b1)
}

// finish applies an activation that the transform does not have to tiles [t0,t1) of
// blocks [b0,b1).
func (w *winograd) finish(t0, t1, b0, b1 int) {
	if w.conv.spec.Activation <= ReLU {
		return
	}
	y := w.dst
	down := (y.H + w.m - 1) / w.m
	for i := t0; i < t1; i++ {
		image, ty, tx := i/(down*w.across), i/w.across%down, i%w.across
		top, left := ty*w.m, tx*w.m
		for row := top; row < min(top+w.m, y.H); row++ {
			first := (image*y.H+row)*y.W + left
			c := w.conv
			c.finish(y, first, first+min(w.m, y.W-left), b0, b1)
		}
	}
}
