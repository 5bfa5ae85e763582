package kernel

import "unsafe"

// tileArgs are the arguments of a tile kernel, which computes
//
//	for r in 0..rows, j in 0..width*Lanes:
//	    s = bias[j] + residual[r,j], or c[r,j] if there is no bias
//	    for i in 0..blocks, k in 0..Lanes:
//	        s += sources[i][pixel + r*Lanes + k] * b[i*Lanes+k, j]
//	    c[r,j] = max(s, 0) if relu else s
//
// with the sum in exactly this order for every output. rows and width are fixed per
// kernel; offsets are in bytes. The generated assembly uses the offsets of these
// fields; a test compares them.
type tileArgs struct {
	sources  unsafe.Pointer // *[blocks]unsafe.Pointer: pixel 0 of each block of inputs
	pixel    int            // offset of the tile's first pixel in every block
	blocks   int            // blocks of inputs, at least 1
	b        unsafe.Pointer // weights [blocks*Lanes][width*Lanes]
	c        unsafe.Pointer // first output
	cPixel   int            // offset from one pixel to the next in c and residual
	cBlock   int            // offset from one block of outputs to the next
	bias     unsafe.Pointer // [width*Lanes], or nil: continue from c
	residual unsafe.Pointer // nil, or in the layout of c; read only if there is a bias
	relu     int            // 1 or 0
	next     uintptr        // range to prefetch: this tile's share of the next panel;
	nextEnd  uintptr        // it may extend outside of it; only NEON's tiles read the end
	pace     uintptr        // bytes of it to prefetch for every four inputs, on average
	rows     int            // number of pixels of the tile
}

// tileFunc is a tile kernel.
type tileFunc func(*tileArgs)

// packed is a matrix [kBlocks*Lanes][nBlocks*Lanes] split into panels of width blocks
// of columns; the last panel may be narrower. Panels are row-major and contiguous, so
// that the panel of block n starts at data[n*Lanes*kBlocks*Lanes].
type packed struct {
	kBlocks, nBlocks, width int
	pairs                   bool // rows of pairs of bfloat16 values
	alternate               bool // pairs of an even row and the next in turn
	data                    []float32
}

// blockFloats is the size of a block of inputs by a block of outputs.
const blockFloats = Lanes * Lanes

// panel returns the address of row block k in the panel that starts at block n, and the
// panel's number of blocks.
func (p *packed) panel(n, k int) (unsafe.Pointer, int) {
	w := min(p.width, p.nBlocks-n)
	return unsafe.Pointer(&p.data[(n*p.kBlocks+k*w)*blockFloats]), w
}

// at returns the index in data of row k, column n.
func (p *packed) at(k, n int) int {
	first := n / Lanes / p.width * p.width
	w := min(p.width, p.nBlocks-first)
	return first*p.kBlocks*blockFloats + k*w*Lanes + n - first*Lanes
}

// output describes where the tiles of a product are written.
type output struct {
	c, residual    unsafe.Pointer // pixel 0 of block 0; residual may be nil
	cPixel, cBlock int            // as in tileArgs
	bias           []float32      // [nBlocks*Lanes]; nil adds to c
	relu           bool
	// activation, unless nil, replaces n values at x; it is applied to what is complete,
	// while it is in a cache.
	activation func(x *float32, n int)
}

// kChunk is the number of input blocks that a product of many pixels handles before it
// moves to the next panel, so that the panel's part (48 KiB at three blocks) and the
// pixels' part stay in the second-level cache. Of few pixels it handles as many as fit into
// pixelBytes: then all sums stay in registers. Sums that are stored must be loaded again
// before a tile's first products can end, and meanwhile the weights that pass through the
// cache have driven them out of it. Only two or three tiles share a panel there, so that
// each of them would wait.
const kChunk = 16

// pixelBytes bounds the size of the pixels' part in the second-level cache.
const pixelBytes = 256 << 10

// product multiplies count pixels with the panels from block n0 to n1; n0 must be a
// multiple of the panel width. Sources start at pixel from, outputs at pixel to. The
// sums do not depend on how a product is split.
func (f *family) product(t *tileArgs, sources []unsafe.Pointer, m *packed, out *output, from, to, count, n0, n1 int) {
	most := max(kChunk, pixelBytes/laneBytes/max(count, 1))
	passes := (m.kBlocks + most - 1) / most
	chunk := (m.kBlocks + passes - 1) / passes
	block := max(pixelBytes/laneBytes/chunk, 4*maxRows)
	parts := (count + block - 1) / block
	for i := range parts {
		lo, hi := count*i/parts, count*(i+1)/parts
		for k := 0; k < m.kBlocks; k += chunk {
			blocks := min(chunk, m.kBlocks-k)
			t.sources = unsafe.Pointer(&sources[k])
			t.blocks = blocks
			for n := n0; n < n1; n += m.width {
				b, w := m.panel(n, k)
				t.b = b
				out.set(t, n, k == 0, k+blocks == m.kBlocks)
				next := m.following(n, k, blocks, n0, n1)
				row(f.kernels(m.pairs, w), t, out, w, n, from+lo, to+lo, hi-lo, next)
				if k+blocks == m.kBlocks {
					out.complete(n, w, to+lo, hi-lo)
				}
			}
		}
	}
}

// complete applies the activation to count pixels of w blocks from block n on.
func (o *output) complete(n, w, to, count int) {
	if o.activation == nil || count == 0 {
		return
	}
	for b := n; b < n+w; b++ {
		o.activation((*float32)(unsafe.Add(o.c, b*o.cBlock+to*o.cPixel)), count*Lanes)
	}
}

// kernels returns the tile kernels for a panel of the given width.
func (f *family) kernels(pairs bool, width int) []tileFunc {
	if pairs {
		return f.pairTiles[width]
	}
	return f.tiles[width]
}

// maxRows is the largest number of pixels in a tile of any family.
const maxRows = 14

// following returns the address of the panel part that product reads after the one at
// block n and row k.
func (p *packed) following(n, k, blocks, n0, n1 int) unsafe.Pointer {
	switch {
	case n+p.width < n1:
		n += p.width
	case k+blocks < p.kBlocks:
		n, k = n0, k+blocks
	default: // the next matrix, if there is one, as with Winograd's taps
		if size := p.kBlocks * p.nBlocks * blockFloats; len(p.data) > size {
			return unsafe.Pointer(&p.data[size+n0*p.kBlocks*blockFloats])
		}
		n, k = n0, 0
	}
	b, _ := p.panel(n, k)
	return b
}

// set prepares t for the panel at block n. first and last say whether this part of the
// inputs begins and ends the sum.
func (o *output) set(t *tileArgs, n int, first, last bool) {
	t.cPixel, t.cBlock = o.cPixel, o.cBlock
	t.bias, t.relu = nil, 0
	if first && o.bias != nil {
		t.bias = unsafe.Pointer(&o.bias[n*Lanes])
	}
	if last && o.relu {
		t.relu = 1
	}
}

// pace returns the bytes of the next panel that each of some tiles prefetches for every four
// inputs: the panel evenly over the time of all tiles. Where few tiles share a panel its
// weights come from memory about as fast as memory gives them. Requests that come faster
// than that wait in the buffers in which the tile's own weights come from the second-level
// cache, and while they come slower memory idles.
func pace(width, tiles int) uintptr {
	all := 4 * width * laneBytes // what the four inputs read of this panel
	return uintptr((all + tiles - 1) / tiles)
}

// row runs the tiles of count pixels for the panel at block n, which t holds. Sources
// start at pixel from, outputs at pixel to. Each tile prefetches a share of the next
// panel part.
func row(kernels []tileFunc, t *tileArgs, out *output, width, n, from, to, count int, next unsafe.Pointer) {
	if count == 0 {
		return
	}
	largest := len(kernels) - 1
	tiles := (count + largest - 1) / largest
	rows, more := count/tiles, count%tiles // more of the tiles have a row more
	share := uintptr(t.blocks*width*blockFloats*4/tiles+cacheLine-1) &^ (cacheLine - 1)
	c := n*out.cBlock + to*out.cPixel
	residual := out.residual != nil && t.bias != nil
	t.pixel, t.next, t.residual = from*laneBytes, uintptr(next), nil
	t.pace = pace(width, tiles)
	for i := range tiles {
		t.rows = rows
		if i < more {
			t.rows++
		}
		t.c = unsafe.Add(out.c, c)
		if residual {
			t.residual = unsafe.Add(out.residual, c)
		}
		t.nextEnd = t.next + share
		kernels[t.rows](t)
		t.pixel += t.rows * laneBytes
		t.next = t.nextEnd
		c += t.rows * out.cPixel
	}
}
