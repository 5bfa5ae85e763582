package kernel

import (
	"math"
	"unsafe"

	"github.com/clipnh/clipnh/internal/par"
)

// attentionRows is the number of queries whose attention is in memory at a time, for
// each worker. It is a multiple of the tile heights 6 and 8, and 56 rows of 272 keys stay
// in the second-level cache beside the packed keys and values.
const attentionRows = 48

// Attention computes what the tokens of each image attend to,
//
//	dst[t] = Σ_u softmax_u(q[t]·k[u]/√depth) v[u], in every head
//
// where the heads have width channels each, of which those beyond depth are zero
// padding. It keeps the attention of a few queries at a time, never that of all.
//
// Shapes: qkv has 3·heads·width channels, queries first, then keys and values, each
// [heads,width]; dst has heads·width. The pixels of an image are its tokens.
func Attention(dst, qkv Map, heads, width, depth int, scratch *Scratch, team par.Team) {
	dst.check()
	qkv.check()
	if heads < 1 || width < 1 || width%Lanes != 0 || depth < 1 || depth > width {
		panic("kernel: no such heads")
	}
	if dst.C != heads*width || qkv.C != 3*dst.C || dst.Images != qkv.Images || dst.H != qkv.H || dst.W != qkv.W {
		panic("kernel: attention does not fit")
	}
	tokens := qkv.H * qkv.W
	if tokens == 0 {
		return
	}
	defer scratch.release()
	a := attention{
		family: activeFamily(), dst: dst, qkv: qkv, tokens: tokens,
		keyBlocks: blocksOf(tokens), blocks: width / Lanes, scale: float32(1 / math.Sqrt(float64(depth))),
	}
	// The keys that fill up the last block get no attention: their sums start at -Inf.
	starts := scratch.sharedFloats(a.keyBlocks*Lanes + width)
	clear(starts)
	a.unmasked, a.zeros = starts[:a.keyBlocks*Lanes], starts[a.keyBlocks*Lanes:]
	for u := tokens; u < len(a.unmasked); u++ {
		a.unmasked[u] = float32(math.Inf(-1))
	}
	packed := a.keyBlocks * a.blocks * blockFloats
	scratch.grow(team.Size(), 2*packed+a.keyBlocks*scoreStride*Lanes)
	team.For(qkv.Images*heads, func(lo, hi, worker int) {
		area := scratch.workers[worker]
		keys, values, scores := area.buf[:packed:packed], area.buf[packed:2*packed:2*packed], area.buf[2*packed:]
		for i := lo; i < hi; i++ {
			a.head(area, i/heads*tokens, i%heads, heads, keys, values, scores)
		}
	})
}

// scoreStride is the number of pixels from one block of scores to the next. It is odd, as
// that of maps.
const scoreStride = attentionRows | 1

// attention is what one call of Attention shares among its heads.
type attention struct {
	family            *family
	dst, qkv          Map
	tokens            int
	keyBlocks, blocks int // of the keys and of a head's channels
	scale             float32
	unmasked, zeros   []float32 // what the sums start from: scores, [keyBlocks*Lanes]; outputs, [blocks*Lanes]
}

// head computes one head of the image whose tokens start at pixel first. scores is a map
// [keyBlocks][scoreStride][Lanes] of queries by keys.
func (a *attention) head(area *workArea, first, head, heads int, keys, values, scores []float32) {
	f, key, value := a.family, (heads+head)*a.blocks, (2*heads+head)*a.blocks
	k := packed{kBlocks: a.blocks, nBlocks: a.keyBlocks, width: f.panelWidth(a.keyBlocks), data: keys}
	v := packed{kBlocks: a.keyBlocks, nBlocks: a.blocks, width: f.panelWidth(a.blocks), data: values}
	a.packKeys(&k, first, key)
	a.packValues(&v, first, value)
	table := area.pointers(a.blocks + a.keyBlocks)
	for b := range a.blocks {
		table[b] = unsafe.Pointer(&a.qkv.Data[(head*a.blocks+b)*a.qkv.Stride*Lanes])
	}
	queries, attended := table[:a.blocks], table[a.blocks:]
	for b := range attended {
		attended[b] = unsafe.Pointer(&scores[b*scoreStride*Lanes])
	}
	score := output{c: unsafe.Pointer(&scores[0]), cPixel: laneBytes, cBlock: scoreStride * laneBytes, bias: a.unmasked}
	mixed := output{
		c: unsafe.Pointer(&a.dst.Data[head*a.blocks*a.dst.Stride*Lanes]), cPixel: laneBytes, cBlock: a.dst.Stride * laneBytes, bias: a.zeros,
	}
	parts := (a.tokens + attentionRows - 1) / attentionRows
	for part := range parts {
		lo, hi := a.tokens*part/parts, a.tokens*(part+1)/parts
		f.product(&area.tile, queries, &k, &score, first+lo, 0, hi-lo, 0, k.nBlocks)
		softmax := &area.softmax
		softmax.block, softmax.blocks = scoreStride*laneBytes, a.keyBlocks
		for r := range hi - lo {
			softmax.x = unsafe.Pointer(&scores[r*Lanes])
			f.softmaxPixel(softmax)
		}
		f.product(&area.tile, attended, &v, &mixed, 0, first+lo, hi-lo, 0, v.nBlocks)
	}
}

// packKeys fills p with the keys of the tokens from pixel first on, transposed and scaled:
// p[d,u] = scale key[u,d]. Channels start at the given block.
func (a *attention) packKeys(p *packed, first, block int) {
	for n := 0; n < p.nBlocks; n += p.width {
		w := min(p.width, p.nBlocks-n) * Lanes
		panel := p.data[n*p.kBlocks*blockFloats:][:w*p.kBlocks*Lanes]
		wide := min(w, a.tokens-n*Lanes)
		if wide < w {
			clear(panel)
		}
		for b := range p.kBlocks {
			src := a.qkv.Data[((block+b)*a.qkv.Stride+first+n*Lanes)*Lanes:]
			a.family.transposeAny(panel[b*Lanes*w:], src, w, Lanes, wide, Lanes)
		}
	}
	a.family.scale(&p.data[0], len(p.data), a.scale)
}

// packValues fills p with the values of the same tokens, p[u,d] = value[u,d], with zeros
// after the last.
func (a *attention) packValues(p *packed, first, block int) {
	for n := 0; n < p.nBlocks; n += p.width {
		w := min(p.width, p.nBlocks-n)
		panel := p.data[n*p.kBlocks*blockFloats:][:w*p.kBlocks*blockFloats]
		clear(panel[a.tokens*w*Lanes:])
		for b := range w {
			src := a.qkv.Data[((block+n+b)*a.qkv.Stride+first)*Lanes:][:a.tokens*Lanes]
			if w == 1 {
				copy(panel, src)
				continue
			}
			for u := range a.tokens {
				copy(panel[(u*w+b)*Lanes:][:Lanes], src[u*Lanes:])
			}
		}
	}
}
