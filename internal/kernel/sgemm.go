package kernel

import (
	"sync"
	"unsafe"

	"github.com/clipnh/clipnh/internal/par"
)

// Sgemm computes
//
//	C = alpha * A * B + beta * C
//
// for A [M,K], B [K,N] and C [M,N]; A and B may be transposed, C may not. With
// beta 0, C is written without being read. Sums run over K in order, independent of
// M, N and the team.
//
// Sgemm panics if shapes do not match, a slice is too short or a stride too small. C
// must not overlap A or B. Only B may be of Weights.
func Sgemm(alpha float32, a, b Matrix, beta float32, c Matrix, team par.Team) {
	a.check()
	b.check()
	c.check()
	m, n, k := c.Rows, c.Cols, a.Cols
	if a.Rows != m || b.Rows != k || b.Cols != n {
		panic("kernel: shapes of matrices do not match")
	}
	if c.Transposed {
		panic("kernel: transposed result")
	}
	if a.halves != nil || c.halves != nil {
		panic("kernel: weights that are not the second factor")
	}
	if m == 0 || n == 0 {
		return
	}
	if alpha == 0 || k == 0 {
		c.scale(beta)
		return
	}
	g := sgemm{family: activeFamily(), k: k, alpha: alpha, a: a, b: b, beta: beta, c: c}
	if 2*m*n*k < minParallelFLOPs {
		team = par.Team{}
	}
	if m <= fewRows && !b.Transposed && n >= Lanes && g.family.addRows != nil {
		whole := n &^ (Lanes - 1)
		team.For(whole/Lanes, func(lo, hi, _ int) { g.rows(m, lo*Lanes, hi*Lanes) })
		if whole < n {
			g.run(0, m, whole, n)
		}
		return
	}
	// Workers split the columns if there are more of them than rows, since each worker
	// packs the whole other matrix.
	if n >= m {
		panels := (n + Lanes*maxWidth - 1) / (Lanes * maxWidth)
		team.For(panels, func(lo, hi, _ int) {
			g.run(0, m, lo*Lanes*maxWidth, min(n, hi*Lanes*maxWidth))
		})
		return
	}
	team.For(m, func(lo, hi, _ int) { g.run(lo, hi, 0, n) })
}

// minParallelFLOPs is the work below which starting workers costs more than it saves.
const minParallelFLOPs = 200_000

// fewRows is the number of rows up to which B is read in place: packing it would take
// longer than multiplying. The products of RN50's attention pool with eight images take
// 6.5 ms in place and 7.8 with packing (Zen 5, AVX-512; with AVX2 7.3 and 12.6; go test
// -bench Rows).
const fewRows = 8

// rows computes the first m rows of C for whole groups of columns [n0,n1) by
// adding up rows of B.
func (g *sgemm) rows(m, n0, n1 int) {
	const together = 16 // rows of B, which stay in a cache for the next row of C
	part := g.c.at(0, n0, m, n1-n0)
	part.scale(g.beta)
	var a [together]float32
	for k := 0; k < g.k; k += together {
		depth := min(together, g.k-k)
		for i := range m {
			for p := range depth {
				at := i*g.a.Stride + k + p
				if g.a.Transposed {
					at = (k+p)*g.a.Stride + i
				}
				a[p] = g.alpha * g.a.Data[at]
			}
			y, at := &g.c.Data[i*g.c.Stride+n0], k*g.b.Stride+n0
			if g.b.halves != nil {
				g.family.addHalfRows(y, &a[0], &g.b.halves[at], g.b.Stride*2, depth, n1-n0)
			} else {
				g.family.addRows(y, &a[0], &g.b.Data[at], g.b.Stride*4, depth, n1-n0)
			}
		}
	}
}

// sgemm holds the operands of one call.
type sgemm struct {
	family      *family
	k           int
	alpha, beta float32
	a, b, c     Matrix
}

// The blocks of A and B that are packed at a time: kPart rows of B by
// nPart columns stay in the last-level cache, mPart rows of A in the second.
const (
	kPart = 256
	nPart = 1536
	mPart = 252 // a multiple of the tile heights 14, 6 and 4
)

// sgemmArea is the scratch memory of one worker.
type sgemmArea struct {
	tile       tileArgs
	sources    [kPart / Lanes]unsafe.Pointer
	zero       [maxWidth * Lanes]float32
	edge       [maxRows * maxWidth * Lanes]float32 // a tile that extends beyond C
	a, b       []float32
	transposed []float32 // the transpose of a part of A
	widened    []float32 // a part of B in float32
}

var sgemmAreas = sync.Pool{New: func() any { return new(sgemmArea) }}

// floats returns n floats, in buf if it is large enough.
func floats(buf []float32, n int) []float32 {
	if len(buf) < n {
		return Alloc(n)
	}
	return buf
}

// run computes rows [m0,m1) by columns [n0,n1) of C.
func (g *sgemm) run(m0, m1, n0, n1 int) {
	area := sgemmAreas.Get().(*sgemmArea)
	defer sgemmAreas.Put(area)
	f := g.family
	if g.beta != 0 {
		part := g.c.at(m0, n0, m1-m0, n1-n0)
		part.scale(g.beta)
	}
	for n := n0; n < n1; n += nPart {
		cols := min(nPart, n1-n)
		nBlocks := blocksOf(cols)
		width := f.panelWidth(nBlocks)
		for k := 0; k < g.k; k += kPart {
			depth := min(kPart, g.k-k)
			kBlocks := blocksOf(depth)
			area.b = floats(area.b, kBlocks*nBlocks*blockFloats)
			p := packed{kBlocks: kBlocks, nBlocks: nBlocks, width: width, data: area.b}
			g.packB(area, &p, k, depth, n, cols)
			rows := len(f.tiles[width]) - 1
			for m := m0; m < m1; m += mPart {
				count := min(mPart, m1-m)
				area.a = floats(area.a, (count+rows)*kBlocks*Lanes)
				g.packA(area, area.a, m, count, rows, k, depth)
				g.block(area, &p, m, count, rows, n, cols, k == 0 && g.beta == 0)
			}
		}
	}
}

// block multiplies the packed parts into C[m:m+count, n:n+cols].
func (g *sgemm) block(area *sgemmArea, p *packed, m, count, rows, n, cols int, first bool) {
	t := &area.tile
	*t = tileArgs{blocks: p.kBlocks, sources: unsafe.Pointer(&area.sources[0])}
	for i := range p.kBlocks {
		area.sources[i] = unsafe.Pointer(&area.a[i*rows*Lanes])
	}
	if first {
		t.bias = unsafe.Pointer(&area.zero[0])
	}
	for nb := 0; nb < p.nBlocks; nb += p.width {
		b, w := p.panel(nb, 0)
		t.b = b
		next, bytes := uintptr(b), w*p.kBlocks*blockFloats*4 // the next panel follows this one
		next += uintptr(bytes)
		wide := min(w*Lanes, cols-nb*Lanes)
		t.pace = pace(w, (count+rows-1)/rows)
		for i := 0; i < count; i += rows {
			t.rows = min(rows, count-i)
			t.pixel = i * p.kBlocks * laneBytes
			t.next, t.nextEnd = next+uintptr(bytes*i/count), next+uintptr(bytes*min(i+rows, count)/count)
			c := g.c.Data[(m+i)*g.c.Stride+n+nb*Lanes:]
			if wide == w*Lanes {
				t.c, t.cPixel, t.cBlock = unsafe.Pointer(&c[0]), g.c.Stride*4, laneBytes
				g.family.tiles[w][t.rows](t)
				continue
			}
			t.c, t.cPixel, t.cBlock = unsafe.Pointer(&area.edge[0]), w*laneBytes, laneBytes
			if !first {
				for r := range t.rows {
					copy(area.edge[r*w*Lanes:], c[r*g.c.Stride:][:wide])
				}
			}
			g.family.tiles[w][t.rows](t)
			for r := range t.rows {
				copy(c[r*g.c.Stride:][:wide], area.edge[r*w*Lanes:])
			}
		}
	}
}

// packB fills p with B[k:k+depth, n:n+cols], with zeros around it.
func (g *sgemm) packB(area *sgemmArea, p *packed, k, depth, n, cols int) {
	for nb := 0; nb < p.nBlocks; nb += p.width {
		w := min(p.width, p.nBlocks-nb) * Lanes
		d := p.data[nb*Lanes*p.kBlocks*Lanes:][:w*p.kBlocks*Lanes]
		wide, from := min(w, cols-nb*Lanes), n+nb*Lanes
		if wide < w || depth < p.kBlocks*Lanes {
			clear(d)
		}
		switch stride := g.b.Stride; {
		case g.b.Transposed && g.b.halves != nil:
			area.widened = floats(area.widened, wide*depth)
			for j := range wide {
				widen(area.widened[j*depth:][:depth], g.b.halves[(from+j)*stride+k:])
			}
			g.family.transposeAny(d, area.widened, w, depth, wide, depth)
		case g.b.Transposed:
			g.family.transposeAny(d, g.b.Data[from*stride+k:], w, stride, wide, depth)
		case g.b.halves != nil:
			for i := range depth {
				widen(d[i*w:][:wide], g.b.halves[(k+i)*stride+from:])
			}
		default:
			for i := range depth {
				copy(d[i*w:][:wide], g.b.Data[(k+i)*stride+from:])
			}
		}
	}
}

// packA fills d with alpha * A[m:m+count, k:k+depth] as tiles of rows
// pixels: [tile][block of k][row][Lanes], with zeros after the last k.
func (g *sgemm) packA(area *sgemmArea, d []float32, m, count, rows, k, depth int) {
	src, ld := g.a.Data, g.a.Stride
	first := m*ld + k
	if g.a.Transposed {
		area.transposed = floats(area.transposed, count*depth)
		g.family.transposeAny(area.transposed, g.a.Data[k*g.a.Stride+m:], depth, g.a.Stride, depth, count)
		src, ld, first = area.transposed, depth, 0
	}
	kBlocks := blocksOf(depth)
	for i := range count {
		at := (i/rows*kBlocks*rows + i%rows) * Lanes
		row := src[first+i*ld:][:depth]
		for b := range kBlocks {
			v := d[at+b*rows*Lanes:][:Lanes]
			n := copy(v, row[b*Lanes:])
			clear(v[n:])
			if g.alpha != 1 {
				for l := range n {
					v[l] *= g.alpha
				}
			}
		}
	}
}

// transposeAny writes the transpose of src, rows x columns, to dst; the
// distances between rows are in floats.
func (f *family) transposeAny(dst, src []float32, dstRow, srcRow, rows, columns int) {
	r8, c8 := rows&^7, columns&^7
	if r8 > 0 && c8 > 0 {
		f.transpose(&dst[0], &src[0], dstRow*4, srcRow*4, r8, c8)
	}
	for r := range rows {
		row := src[r*srcRow:][:columns]
		from := 0
		if r < r8 {
			from = c8
		}
		for j := from; j < columns; j++ {
			dst[j*dstRow+r] = row[j]
		}
	}
}
