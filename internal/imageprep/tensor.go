package imageprep

import "math"

// ShorterSide returns the size of a w x h image once its shorter side is
// brought to size: the longer one is int(size*long/short), as in torchvision's
// Resize.
func ShorterSide(w, h, size int) (int, int) {
	if w <= h {
		return size, int(float64(size*h) / float64(w))
	}
	return int(float64(size*w) / float64(h)), size
}

// centre is the first of crop positions out of n, half rounded to even as
// Python's round does.
func centre(n, crop int) int { return int(math.RoundToEven(float64(n-crop) / 2)) }

// bytes holds (v/255 - mean)/std of every channel and byte, in float32 arithmetic and
// torchvision's order.
func (c Channels) bytes() *[3][256]float32 {
	if c == (Channels{}) {
		return clipBytes
	}
	return c.table()
}

var clipBytes = clipChannels.table()

func (c Channels) table() *[3][256]float32 {
	t := new([3][256]float32)
	mean, std := c.Numbers()
	for c := range t {
		for v := range t[c] {
			unit := float32(v) / 255
			t[c][v] = (unit - mean[c]) / std[c]
		}
	}
	return t
}

// Normalize writes an image as [3,H,W] to dst: scaled to 0..1, less the mean,
// over the standard deviation of the channels. It panics if dst has another length.
func (c Channels) Normalize(dst []float32, img *RGB) {
	n := img.W * img.H
	if len(dst) != 3*n || len(img.Pix) != 3*n {
		panic("imageprep: dst is not [3,H,W]")
	}
	normalized := c.bytes()
	r, g, b := dst[:n], dst[n:2*n], dst[2*n:3*n]
	for i := range r {
		p := img.Pix[3*i : 3*i+3 : 3*i+3]
		r[i], g[i], b[i] = normalized[0][p[0]], normalized[1][p[1]], normalized[2][p[2]]
	}
}

// Denormalize returns the image that Normalize wrote to src [3,H,W], byte for byte.
func (c Channels) Denormalize(src []float32, w, h int) *RGB {
	n := w * h
	if len(src) != 3*n {
		panic("imageprep: src is not [3,H,W]")
	}
	img := &RGB{Pix: make([]byte, 3*n), W: w, H: h}
	mean, std := c.Numbers()
	for c := range 3 {
		for i, v := range src[c*n : (c+1)*n] {
			img.Pix[3*i+c] = byte(min(max((v*std[c]+mean[c])*255, 0), 255) + 0.5)
		}
	}
	return img
}
