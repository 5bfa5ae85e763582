package kernel

import (
	"unsafe"

	"github.com/clipnh/clipnh/internal/par"
)

// taps is the number of weights of a 3x3 kernel.
const taps = 9

// runDirect computes a 3x3 convolution as a product whose inputs are nine shifted views
// of a copy of src with a border of zeros. A table of addresses replaces the matrix
// that would contain every pixel nine times.
func (c *Conv) runDirect(dst Map, residual *Map, scratch *Scratch, team par.Team, src Map) {
	pw, ph := src.W+2, src.H+2
	stride := PixelStride(src.Images * pw * ph)
	padded := scratch.sharedFloats(src.Blocks() * stride * Lanes)
	team.For(src.Blocks(), func(lo, hi, _ int) {
		for b := lo; b < hi; b++ {
			padBlock(padded[b*stride*Lanes:], src, b)
		}
	})
	sources := scratch.pointers(c.weights.kBlocks)
	for i := range sources {
		b, t := i/taps, i%taps
		sources[i] = unsafe.Pointer(&padded[(b*stride+t/3*pw+t%3)*Lanes])
	}
	out := c.output(dst, residual)
	scratch.grow(team.Size(), 0)
	m := &c.weights
	panels := (m.nBlocks + m.width - 1) / m.width
	rows := src.Images * src.H
	if rows >= 2*team.Size() || panels < team.Size() {
		team.For(rows, func(lo, hi, worker int) {
			c.directRows(&scratch.workers[worker].tile, sources, dst, &out, lo, hi, 0, m.nBlocks)
		})
		return
	}
	team.For(panels, func(lo, hi, worker int) {
		c.directRows(&scratch.workers[worker].tile, sources, dst, &out, 0, rows, lo*m.width, min(hi*m.width, m.nBlocks))
	})
}

// padBlock copies block b of src to dst, with a border of one zero pixel around each
// image.
func padBlock(dst []float32, src Map, b int) {
	pw, ph := src.W+2, src.H+2
	row := src.W * Lanes
	for i := range src.Images {
		d := dst[i*pw*ph*Lanes:][:pw*ph*Lanes]
		s := src.Data[(b*src.Stride+i*src.H*src.W)*Lanes:]
		clear(d[:(pw+1)*Lanes])
		at := (pw + 1) * Lanes
		for y := range src.H {
			copy(d[at:at+row], s[y*row:])
			clear(d[at+row : at+row+2*Lanes])
			at += row + 2*Lanes
		}
		clear(d[at:])
	}
}

// directRows computes rows [r0,r1), numbered over all images, for the panels of blocks
// [n0,n1). As in product, the inputs of a panel are handled in parts of whole blocks.
func (c *Conv) directRows(t *tileArgs, sources []unsafe.Pointer, dst Map, out *output, r0, r1, n0, n1 int) {
	const chunk = 2 * taps
	m := &c.weights
	pw, ph := dst.W+2, dst.H+2
	for n := n0; n < n1; n += m.width {
		for k := 0; k < m.kBlocks; k += chunk {
			blocks := min(chunk, m.kBlocks-k)
			b, w := m.panel(n, k)
			t.b, t.blocks = b, blocks
			t.sources = unsafe.Pointer(&sources[k])
			out.set(t, n, k == 0, k+blocks == m.kBlocks)
			next := m.following(n, k, blocks, n0, n1)
			for r := r0; r < r1; r++ {
				img, y := r/dst.H, r%dst.H
				from, to := (img*ph+y)*pw, r*dst.W
				row(c.family.tiles[w], t, out, w, n, from, to, dst.W, next)
			}
		}
	}
	c.finish(dst, r0*dst.W, r1*dst.W, n0, n1)
}
