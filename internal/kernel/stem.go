package kernel

import (
	"unsafe"

	"github.com/clipnh/clipnh/internal/par"
)

// Stem is the network's first convolution: 3x3, stride 2, padding 1, from
// three planar colours, followed by a ReLU.
type Stem struct {
	out, h, w int
	family    *family
	weights   packed
	bias      []float32
}

// stemTaps is the number of inputs of each output of the stem: 3 colours of 3x3.
const stemTaps = 3 * 3 * 3

// StemLen returns the number of values that PackStem fills.
func StemLen(out int) int { return (blocksOf(stemTaps)*Lanes + 1) * blocksOf(out) * Lanes }

// PackStem packs weights [out][3][3][3] and bias [out] into dst, StemLen values that are
// zero.
func PackStem(dst []float32, out int, weights, bias []float32) {
	if len(weights) != out*stemTaps || len(bias) != out {
		panic("kernel: wrong length of stem weights")
	}
	s := PackedStem(out, 2, 2, dst)
	copy(s.bias, bias)
	for o := range out {
		for k := range stemTaps {
			s.weights.data[s.weights.at(k, o)] = weights[o*stemTaps+k]
		}
	}
}

// PackedStem returns the stem whose weights PackStem packed, which it retains and does
// not write to. h and w, both even, are the image size for FLOPs; Run accepts other sizes
// too.
func PackedStem(out, h, w int, weights []float32) *Stem {
	if out < 1 || h < 2 || w < 2 || h%2 != 0 || w%2 != 0 {
		panic("kernel: bad stem shape")
	}
	if len(weights) != StemLen(out) {
		panic("kernel: wrong length of packed stem")
	}
	f, n := activeFamily(), blocksOf(out)
	p := packed{kBlocks: blocksOf(stemTaps), nBlocks: n, width: f.panelWidth(n)}
	each := p.kBlocks * n * blockFloats
	p.data = weights[:each:each]
	return &Stem{out: out, h: h, w: w, family: f, weights: p, bias: weights[each:]}
}

// FLOPs returns the number of floating-point operations for a number of images.
func (s *Stem) FLOPs(images int) float64 {
	return 2 * stemTaps * float64(s.out) * float64(images*s.h*s.w/4)
}

// WeightBytes returns the size of the packed weights in memory.
func (s *Stem) WeightBytes() int64 { return int64(len(s.weights.data)+len(s.bias)) * 4 }

// stemPixels is the number of output pixels gathered at a time, whose inputs fit into
// the first-level cache.
const stemPixels = 112

// Run computes dst [B], of h/2 by w/2 pixels, from images [B][3][h][w]. The size is
// that of dst.
func (s *Stem) Run(dst Map, images []float32, scratch *Scratch, team par.Team) {
	dst.check()
	if dst.C != s.out {
		panic("kernel: stem output does not fit")
	}
	if len(images) < 4*3*dst.Pixels() {
		panic("kernel: short images")
	}
	if dst.Pixels() == 0 {
		return
	}
	defer scratch.release()
	blocks := s.weights.kBlocks
	scratch.grow(team.Size(), blocks*stemPixels*Lanes)
	out := output{
		c:      unsafe.Pointer(&dst.Data[0]),
		cPixel: laneBytes, cBlock: dst.Stride * laneBytes,
		bias: s.bias, relu: true,
	}
	team.For(dst.Images*dst.H, func(lo, hi, worker int) {
		area := scratch.workers[worker]
		var sources [(stemTaps + Lanes - 1) / Lanes]unsafe.Pointer
		for b := range sources {
			sources[b] = unsafe.Pointer(&area.buf[b*stemPixels*Lanes])
		}
		s.rows(area, sources[:], dst, images, &out, lo, hi)
	})
}

// rows computes output rows [lo,hi), numbered over all images.
func (s *Stem) rows(area *workArea, sources []unsafe.Pointer, dst Map, images []float32, out *output, lo, hi int) {
	for r := lo; r < hi; r++ {
		img, y := r/dst.H, r%dst.H
		for x := 0; x < dst.W; x += stemPixels {
			n := min(stemPixels, dst.W-x)
			gather(area.buf, images[img*4*3*dst.H*dst.W:], 2*dst.H, 2*dst.W, y, x, n)
			first := *out
			first.c = unsafe.Add(out.c, (r*dst.W+x)*laneBytes)
			s.family.product(&area.tile, sources, &s.weights, &first, 0, 0, n, 0, s.weights.nBlocks)
		}
	}
}

// gather copies the inputs of n output pixels of row y, from x on, of an image of height
// by width pixels to buf: input k = (colour, dy, dx) of pixel p goes to
// [k/Lanes][p][k%Lanes]. The lanes after the last input are zero.
func gather(buf, image []float32, height, width, y, x, n int) {
	for k := range stemTaps {
		c, dy, dx := k/9, k/3%3-1, k%3-1
		d := buf[k/Lanes*stemPixels*Lanes+k%Lanes:]
		sy := 2*y + dy
		if sy < 0 || sy >= height {
			for p := range n {
				d[p*Lanes] = 0
			}
			continue
		}
		row := image[(c*height+sy)*width:][:width]
		p := 0
		if 2*x+dx < 0 {
			d[0] = 0
			p = 1
		}
		for ; p < n; p++ {
			d[p*Lanes] = row[2*(x+p)+dx]
		}
	}
	for k := stemTaps; k < blocksOf(stemTaps)*Lanes; k++ {
		d := buf[k/Lanes*stemPixels*Lanes+k%Lanes:]
		for p := range n {
			d[p*Lanes] = 0
		}
	}
}
