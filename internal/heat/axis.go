package heat

// An Axis is how windows lie along one side of an image, and what their
// locations add to the pixels along it.
type Axis struct {
	Length int   // of the side as the tower sees it, in pixels
	Starts []int // of the windows
	Size   int   // of a window, at most Length
	Padded int   // a window's size with zeros on both sides, a multiple of a location's side
	Before int   // how many of the zeros come first

	cell int // the side of a location, in pixels
}

// NewAxis lays windows of crop pixels over length, stride apart, of a tower whose locations
// have a side of cell pixels; the last is moved back so that it ends where the side does. A
// side shorter than crop is one window. Windows that are fixed always have crop pixels, which
// cell divides.
func NewAxis(length, crop, stride, cell int, fixed bool) Axis {
	a := newAxis(length, crop, stride, cell)
	if a.Padded = crop; !fixed {
		a.Padded = (a.Size + a.cell - 1) / a.cell * a.cell
	}
	a.Before = (a.Padded - a.Size) / 2
	return a
}

func newAxis(length, crop, stride, cell int) Axis {
	a := Axis{Length: length, Size: min(crop, length), cell: cell}
	windows := 1
	if length > crop {
		windows += (length - crop + stride - 1) / stride
	}
	for i := range windows {
		a.Starts = append(a.Starts, min(i*stride, length-a.Size))
	}
	return a
}

// Cells is the number of a window's locations along the side.
func (a Axis) Cells() int { return a.Padded / a.cell }

// Weights returns how much each location counts at each pixel of the side once it
// is resized to length pixels, [length, windows·Cells], all linear:
//
//	location -> window   bilinear upsampling by a location's side, the zeros cut off again
//	windows -> side      the mean over the windows that cover a pixel
//	side -> length       bilinear, without antialiasing
//
// Upsampling and resizing are torch's interpolate with align_corners false.
// As every step is done along each side on its own, what is at pixel (y,x) is the
// product of a row of the vertical weights, the logits, and a row of the
// horizontal ones.
func (a Axis) Weights(length int) []float32 {
	cells, width := a.Cells(), len(a.Starts)*a.Cells()
	covered := make([]float64, a.Length)
	for _, start := range a.Starts {
		for i := range a.Size {
			covered[start+i]++
		}
	}
	side := make([]float64, a.Length*width)
	for w, start := range a.Starts {
		for i := range a.Size {
			row := side[(start+i)*width+w*cells:][:cells]
			lo, hi, part := between(i+a.Before, cells, a.Padded)
			row[lo] += (1 - part) / covered[start+i]
			row[hi] += part / covered[start+i]
		}
	}
	weights := make([]float32, length*width)
	for i := range length {
		lo, hi, part := between(i, a.Length, length)
		for j := range width {
			weights[i*width+j] = float32((1-part)*side[lo*width+j] + part*side[hi*width+j])
		}
	}
	return weights
}

// between returns the two of n source pixels that lie around pixel i of length
// ones, and the part of the second.
func between(i, n, length int) (lo, hi int, part float64) {
	at := max((float64(i)+0.5)*float64(n)/float64(length)-0.5, 0)
	lo = min(int(at), n-1)
	hi = min(lo+1, n-1)
	return lo, hi, at - float64(lo)
}
