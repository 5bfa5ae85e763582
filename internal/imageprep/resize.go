package imageprep

import (
	"encoding/binary"
	"math"
)

// Filter is an interpolation kernel.
type Filter int

// The kernels of Pillow's BILINEAR and BICUBIC (a = -1/2).
const (
	Bilinear Filter = iota
	Bicubic
)

// support is how far a kernel reaches, in source pixels when enlarging.
func (f Filter) support() float64 {
	if f == Bilinear {
		return 1
	}
	return 2
}

// at evaluates the kernel. The conversions keep products and sums apart, so
// that no machine fuses them and rounds otherwise than Pillow.
func (f Filter) at(x float64) float64 {
	x = math.Abs(x)
	switch {
	case f == Bilinear && x < 1:
		return 1 - x
	case f == Bicubic && x < 1:
		return float64((float64(1.5*x)-2.5)*x*x) + 1
	case f == Bicubic && x < 2:
		return (float64((float64((x-5)*x)+8)*x) - 4) * -0.5
	}
	return 0
}

// weightBits are the fractional bits of a weight.
const weightBits = 22

// taps are the weights of one pass: output i is the sum over j of
// weights[i*most+j] times input first[i]+j, j < count[i].
type taps struct {
	most    int // weights kept per output
	first   []int
	count   []int
	weights []int64
}

// newTaps computes the weights by which outputs from..to-1 of size out are made
// of size in pixels, rounded to fixed point.
func newTaps(in, out, from, to int, f Filter) *taps {
	t := &taps{}
	f.eachOutput(in, out, from, to, func(most, first int, weights []float64) {
		if t.weights == nil {
			t.most = most
			t.first, t.count = make([]int, 0, to-from), make([]int, 0, to-from)
			t.weights = make([]int64, (to-from)*most)
		}
		into := t.weights[len(t.first)*most:]
		for j, v := range weights {
			into[j] = int64(float64(v*(1<<weightBits)) + math.Copysign(0.5, v))
		}
		t.first, t.count = append(t.first, first), append(t.count, len(weights))
	})
	return t
}

// eachOutput computes the weights by which outputs from..to-1 of size out are
// made of size in pixels, as Pillow does: the kernel widened when shrinking, cut
// at the edges and normalised in float64. It calls visit for each output, with
// the first pixel that it is made of; no output has more than most weights.
func (f Filter) eachOutput(in, out, from, to int, visit func(most, first int, weights []float64)) {
	scale := float64(in) / float64(out)
	stretch := max(scale, 1)
	support := f.support() * stretch
	most := int(math.Ceil(support))*2 + 1
	w := make([]float64, most)
	for i := from; i < to; i++ {
		middle := float64((float64(i) + 0.5) * scale)
		first := max(0, int(middle-support+0.5))
		n := min(in, int(middle+support+0.5)) - first
		sum := 0.0
		for j := range n {
			w[j] = f.at(float64((float64(j+first) - middle + 0.5) * (1 / stretch)))
			sum += w[j]
		}
		if sum != 0 {
			for j := range n {
				w[j] /= sum
			}
		}
		visit(most, first, w[:n])
	}
}

// reach returns the range of inputs that the outputs need.
func (t *taps) reach() (from, to int) {
	last := len(t.first) - 1
	return t.first[0], t.first[last] + t.count[last]
}

// Resize scales an image to w x h as Pillow's resize does: antialiased, first
// across, then down, each pass only if its size changes, with 8-bit pixels in
// between and fixed-point sums. The result shares no memory with src.
func Resize(src *RGB, w, h int, f Filter) *RGB {
	return resample(src, w, h, 0, 0, w, h, f)
}

// resample returns the part of Resize's result from x0, y0 up to x1, y1.
func resample(src *RGB, w, h, x0, y0, x1, y1 int, f Filter) *RGB {
	out := newRGB(x1-x0, y1-y0)
	var down *taps
	top, bottom := y0, y1 // the rows that the pass down needs
	if h != src.H {
		down = newTaps(src.H, h, y0, y1, f)
		top, bottom = down.reach()
	}
	rows, stride := src.Pix[3*src.W*top:3*src.W*bottom], 3*src.W
	if w != src.W {
		across := newTaps(src.W, w, x0, x1, f)
		to := out.Pix
		if down != nil {
			to = make([]byte, (bottom-top)*3*out.W)
		}
		across.rows(to, rows, stride)
		if down == nil {
			return out
		}
		rows, stride = to, 3*out.W
	} else {
		rows = rows[3*x0:]
	}
	for y := range out.H {
		dst := out.Pix[3*out.W*y:][:3*out.W]
		if down == nil {
			copy(dst, rows[y*stride:])
			continue
		}
		weights := down.weights[y*down.most:][:down.count[y]]
		mix(dst, rows[(down.first[y]-top)*stride:], stride, weights)
	}
	return out
}

// Two sums are kept in one word, the second 2^32 times larger: products of a
// byte and a weight stay within 31 bits. They begin at half a unit, for
// rounding, and a bias that keeps them positive; sampleOf takes it off.
const (
	twice    = 1<<32 + 1
	beginSum = (1<<(weightBits-1) + 256<<weightBits) * twice
)

// sampleOf maps the upper 10 bits of a sum to its pixel.
var sampleOf = func() (t [1024]byte) {
	for i := range t {
		t[i] = byte(max(0, min(i-256, 255)))
	}
	return t
}()

func lower(sum int64) byte { return sampleOf[uint32(sum)>>weightBits] }
func upper(sum int64) byte { return sampleOf[uint64(sum)>>(32+weightBits)] }

// rows makes the pass across: every row of src, stride apart, to one of dst.
// Two rows are done at a time.
func (t *taps) rows(dst, src []byte, stride int) {
	width := 3 * len(t.first)
	from, to := t.reach()
	pairs := make([]int64, 3*(to-from))
	n := len(dst) / width
	for y := 0; y < n; y += 2 {
		one := src[y*stride+3*from : y*stride+3*to]
		other := one // of an odd number of rows the last is its own partner
		if y+1 < n {
			other = src[(y+1)*stride+3*from : (y+1)*stride+3*to]
		}
		for i := range pairs {
			pairs[i] = int64(one[i]) | int64(other[i])<<32
		}
		first := dst[y*width:][:width]
		second := dst[min(y+1, n-1)*width:][:width]
		for i, start := range t.first {
			in := pairs[3*(start-from):]
			r, g, b := int64(beginSum), int64(beginSum), int64(beginSum)
			for j, w := range t.weights[i*t.most:][:t.count[i]] {
				p := in[3*j : 3*j+3 : 3*j+3]
				r += p[0] * w
				g += p[1] * w
				b += p[2] * w
			}
			p, q := first[3*i:3*i+3:3*i+3], second[3*i:3*i+3:3*i+3]
			p[0], p[1], p[2] = lower(r), lower(g), lower(b)
			q[0], q[1], q[2] = upper(r), upper(g), upper(b)
		}
	}
}

// mix makes one row of the pass down: the weighted sum of rows stride apart.
func mix(dst, rows []byte, stride int, weights []int64) {
	const mask = 0xff * twice
	x := 0
	for ; x+8 <= len(dst); x += 8 {
		a, b, c, d := int64(beginSum), int64(beginSum), int64(beginSum), int64(beginSum)
		at := x
		for _, w := range weights {
			v := binary.LittleEndian.Uint64(rows[at : at+8])
			a += int64(v&mask) * w
			b += int64(v>>8&mask) * w
			c += int64(v>>16&mask) * w
			d += int64(v>>24&mask) * w
			at += stride
		}
		p := (*[8]byte)(dst[x:])
		p[0], p[1], p[2], p[3] = lower(a), lower(b), lower(c), lower(d)
		p[4], p[5], p[6], p[7] = upper(a), upper(b), upper(c), upper(d)
	}
	for ; x < len(dst); x++ {
		sum := int64(beginSum)
		for j, w := range weights {
			sum += int64(rows[j*stride+x]) * w
		}
		dst[x] = lower(sum)
	}
}
