package kernel

import (
	"unsafe"

	"github.com/clipnh/clipnh/internal/par"
)

// runGEMM computes a convolution with kernel 1, a product of pixels by input
// channels with input by output channels.
func (c *Conv) runGEMM(dst Map, residual *Map, scratch *Scratch, team par.Team, src []Map) {
	sources := scratch.pointers(c.weights.kBlocks)
	n := 0
	for _, m := range src {
		for b := range m.Blocks() {
			sources[n] = unsafe.Pointer(&m.Data[b*m.Stride*Lanes])
			n++
		}
	}
	out := c.output(dst, residual)
	scratch.grow(team.Size(), 0)
	c.split(dst.Pixels(), team, func(p0, p1, n0, n1, worker int) {
		t := &scratch.workers[worker].tile
		c.family.product(t, sources, &c.weights, &out, p0, p0, p1-p0, n0, n1)
		c.finish(dst, p0, p1, n0, n1)
	})
}

// output describes dst for the tile kernels. It hands them the residual as
// long as the activation is one that they know; both share a stride, or the
// residual is copied to dst first.
func (c *Conv) output(dst Map, residual *Map) output {
	out := output{
		c:      unsafe.Pointer(&dst.Data[0]),
		cPixel: laneBytes, cBlock: dst.Stride * laneBytes,
		bias: c.bias,
		relu: c.spec.Activation == ReLU,
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

// split cuts the outputs among the team: by pixels, or by panels where there
// are too few pixels for whole tiles, since then each worker reads its share
// of the weights only.
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

// finish applies an activation that the tile kernels do not know to pixels
// [p0,p1) of blocks [n0,n1).
func (c *Conv) finish(dst Map, p0, p1, n0, n1 int) {
	if c.spec.Activation != QuickGELU {
		return
	}
	for b := n0; b < n1; b++ {
		c.family.activate(dst.Data[(b*dst.Stride+p0)*Lanes : (b*dst.Stride+p1)*Lanes])
	}
}
