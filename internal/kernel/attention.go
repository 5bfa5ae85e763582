package kernel

import (
	"math"

	"github.com/clipnh/clipnh/internal/par"
)

// attentionRows is the number of queries whose attention is in memory at a time, for
// each worker. It is a multiple of no tile's height in particular: tiles of 14, 8 and 6
// rows all waste little.
const attentionRows = 56

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
	scratch.grow(team.Size(), 3*tokens*width+attentionRows*(tokens+width))
	scale := float32(1 / math.Sqrt(float64(depth)))
	team.For(qkv.Images*heads, func(lo, hi, worker int) {
		buf := scratch.workers[worker].buf
		var parts [3][]float32 // queries, keys and values, [tokens,width]
		for i := range parts {
			parts[i], buf = buf[:tokens*width], buf[tokens*width:]
		}
		weights, mixed := buf[:attentionRows*tokens], buf[attentionRows*tokens:]
		for i := lo; i < hi; i++ {
			image, head := i/heads, i%heads
			for part, rows := range parts {
				qkv.rowsOf(rows, image, (part*heads+head)*width/Lanes, width)
			}
			keys, values := Dense(parts[1], tokens, width), Dense(parts[2], tokens, width)
			for first := 0; first < tokens; first += attentionRows {
				n := min(attentionRows, tokens-first)
				a, m := Dense(weights, n, tokens), Dense(mixed, n, width)
				Sgemm(scale, Dense(parts[0][first*width:], n, width), keys.T(), 0, a, par.Team{})
				Softmax(weights, n, tokens)
				Sgemm(1, a, values, 0, m, par.Team{})
				dst.setRowsOf(mixed, image, first, n, head*width/Lanes, width)
			}
		}
	})
}

// rowsOf writes the channels [block*Lanes, block*Lanes+width) of an image's pixels to
// dst, one row for each pixel.
func (m Map) rowsOf(dst []float32, image, block, width int) {
	pixels := m.H * m.W
	for b := range width / Lanes {
		src := m.Data[((block+b)*m.Stride+image*pixels)*Lanes:][:pixels*Lanes]
		for p := range pixels {
			copy(dst[p*width+b*Lanes:][:Lanes], src[p*Lanes:])
		}
	}
}

// setRowsOf is the opposite, for n pixels of the image from first on.
func (m Map) setRowsOf(src []float32, image, first, n, block, width int) {
	pixels := m.H * m.W
	for b := range width / Lanes {
		dst := m.Data[((block+b)*m.Stride+image*pixels+first)*Lanes:][:n*Lanes]
		for p := range n {
			copy(dst[p*Lanes:][:Lanes], src[p*width+b*Lanes:])
		}
	}
}
