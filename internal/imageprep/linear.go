package imageprep

import "math"

// linearBits are the fractional bits of ResizeLinear's weights.
const linearBits = 11

// linearTaps are the weights of one direction: output i is made of inputs
// left[i] and right[i], with weights in units of 2^-linearBits.
type linearTaps struct {
	left, right []int
	near, far   []int32
}

// newLinearTaps computes the weights for out values of in, with OpenCV's
// conversions: positions in float64, fractions in float32, weights rounded half
// to even. Positions outside take the edge.
func newLinearTaps(in, out int) *linearTaps {
	t := &linearTaps{make([]int, out), make([]int, out), make([]int32, out), make([]int32, out)}
	scale := 1 / (float64(out) / float64(in))
	for i := range out {
		at := float32(float64((float64(i)+0.5)*scale) - 0.5)
		first := int(math.Floor(float64(at)))
		part := at - float32(first)
		t.left[i] = min(max(first, 0), in-1)
		t.right[i] = min(max(first+1, 0), in-1)
		t.near[i] = int32(math.RoundToEven(float64((1 - part) * (1 << linearBits))))
		t.far[i] = int32(math.RoundToEven(float64(part * (1 << linearBits))))
	}
	return t
}

// ResizeLinear scales an image to w x h as OpenCV's resize does with
// INTER_LINEAR: each pixel from the four nearest, without antialiasing, in
// fixed point. The result shares no memory with src.
//
// Across, a value is near*s[left] + far*s[right], of 11 fractional bits; down,
//
//	d = (near*(top>>4)>>16 + far*(bottom>>4)>>16 + 2) >> 2
//
// It equals OpenCV's to the byte where OpenCV is built without vendors'
// libraries; scripts/linear_sweep.py compares.
func ResizeLinear(src *RGB, w, h int) *RGB {
	out := newRGB(w, h)
	across, down := newLinearTaps(src.W, w), newLinearTaps(src.H, h)
	top, bottom := newLinearRow(w), newLinearRow(w)
	for y := range h {
		if top.from != down.left[y] {
			top, bottom = bottom, top // the next row's upper is often this one's lower
		}
		top.fill(src, down.left[y], across)
		bottom.fill(src, down.right[y], across)
		near, far := down.near[y], down.far[y]
		row := out.Pix[3*w*y:][:3*w]
		for x := range row {
			row[x] = byte((near*(top.sums[x]>>4)>>16 + far*(bottom.sums[x]>>4)>>16 + 2) >> 2)
		}
	}
	return out
}

// linearRow is a row of src scaled across.
type linearRow struct {
	from int // the row of src; -1: none yet
	sums []int32
}

func newLinearRow(w int) *linearRow { return &linearRow{from: -1, sums: make([]int32, 3*w)} }

// fill makes the row of src's row y, if it is not that already.
func (r *linearRow) fill(src *RGB, y int, t *linearTaps) {
	if r.from == y {
		return
	}
	r.from = y
	row := src.Pix[3*src.W*y:][:3*src.W]
	for i, near := range t.near {
		far := t.far[i]
		a, b := row[3*t.left[i]:][:3], row[3*t.right[i]:][:3]
		sum := r.sums[3*i:][:3]
		sum[0] = near*int32(a[0]) + far*int32(b[0])
		sum[1] = near*int32(a[1]) + far*int32(b[1])
		sum[2] = near*int32(a[2]) + far*int32(b[2])
	}
}
