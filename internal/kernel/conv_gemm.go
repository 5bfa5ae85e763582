package kernel

import (
	"unsafe"

	"github.com/clipnh/clipnh/internal/par"
)

// runGEMM computes a convolution with kernel 1: a product of the matrices pixels by
// input channels and input by output channels.
func (c *Conv) runGEMM(dst Map, residual *Map, scratch *Scratch, team par.Team, src []Map) {
	blocks := 0
	for _, m := range src {
		blocks += m.Blocks()
	}
	sources := scratch.pointers(blocks)
	n := 0
	for _, m := range src {
		for b := range m.Blocks() {
			sources[n] = unsafe.Pointer(&m.Data[b*m.Stride*Lanes])
			n++
		}
	}
	out := c.output(dst, residual)
	part := 0
	if c.weights.pairs {
		part = max(pixelBytes/laneBytes/c.weights.kBlocks, 4*maxRows) | 1
	}
	scratch.grow(team.Size(), part*c.weights.kBlocks*Lanes)
	c.split(dst.Pixels(), team, func(p0, p1, n0, n1, worker int) {
		area := scratch.workers[worker]
		if c.weights.pairs {
			c.roundedProduct(area, sources, &out, part, p0, p1, n0, n1)
		} else {
			c.family.product(&area.tile, sources, &c.weights, &out, p0, p0, p1-p0, n0, n1)
		}
	})
}

// roundedProduct is product in bfloat16. It rounds the inputs of up to part pixels at a
// time, which stay in the second-level cache.
func (c *Conv) roundedProduct(area *workArea, sources []unsafe.Pointer, out *output, part, p0, p1, n0, n1 int) {
	table := area.pointers(c.weights.kBlocks)
	for b := range table {
		table[b] = unsafe.Pointer(&area.buf[b*part*Lanes])
	}
	for p := p0; p < p1; p += part {
		n := min(part, p1-p)
		c.family.round(area.buf, part, sources, p, n)
		c.family.product(&area.tile, table, &c.weights, out, 0, p, n, n0, n1)
	}
}

// output describes dst for the tile kernels. They read the residual at the same
// offsets; a residual with a different stride is copied to dst first.
func (c *Conv) output(dst Map, residual *Map) output {
	out := output{
		c:      unsafe.Pointer(&dst.Data[0]),
		cPixel: laneBytes, cBlock: dst.Stride * laneBytes,
		bias: c.bias,
		relu: c.spec.Activation == ReLU, activation: c.family.activation(c.spec.Activation),
	}
	if residual != nil {
		r := *residual
		if r.Stride != dst.Stride {
			copyMap(dst, r)
			r = dst
		}
		out.residual = unsafe.Pointer(&r.Data[0])
	}
	return out
}

// copyMap copies the pixels of src to dst, which has the same shape.
func copyMap(dst, src Map) {
	n := src.Pixels() * Lanes
	for b := range src.Blocks() {
		copy(dst.Data[b*dst.Stride*Lanes:][:n], src.Data[b*src.Stride*Lanes:][:n])
	}
}

// split splits the outputs among the team: by pixels, or by panels if there are too few
// pixels for whole tiles; then each worker reads only its share of the weights.
func (c *Conv) split(pixels int, team par.Team, body func(p0, p1, n0, n1, worker int)) {
	m := &c.weights
	panels := (m.nBlocks + m.width - 1) / m.width
	if pixels < 8*maxRows*team.Size() && panels >= team.Size() {
		team.For(panels, func(lo, hi, worker int) {
			body(0, pixels, lo*m.width, min(hi*m.width, m.nBlocks), worker)
		})
		return
	}
	team.For(pixels, func(lo, hi, worker int) { body(lo, hi, 0, m.nBlocks, worker) })
}

// finish applies an activation that the tile kernels do not have to pixels [p0,p1) of
// blocks [n0,n1).
func (c *Conv) finish(dst Map, p0, p1, n0, n1 int) {
	if c.spec.Activation <= ReLU {
		return
	}
	for b := n0; b < n1; b++ {
		c.family.activate(c.spec.Activation, dst.Data[(b*dst.Stride+p0)*Lanes:(b*dst.Stride+p1)*Lanes])
	}
}
