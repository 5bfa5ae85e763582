package jpeg

// colourSpace says what a frame's components are.
type colourSpace int

const (
	grey colourSpace = iota
	rgb
	yCbCr
	cmyk
	ycck
)

// colourSpace guesses as libjpeg does: a JFIF marker means YCbCr, then the
// Adobe marker's transform decides, then the components' names.
func (d *decoder) colourSpace() colourSpace {
	switch len(d.comps) {
	case 1:
		return grey
	case 3:
		ids := [3]byte{d.comps[0].id, d.comps[1].id, d.comps[2].id}
		switch {
		case d.jfif:
			return yCbCr
		case d.adobe && d.adobeTransform == 0, !d.adobe && ids == [3]byte{'R', 'G', 'B'}:
			return rgb
		}
		return yCbCr
	}
	if d.adobe && d.adobeTransform != 0 {
		return ycck
	}
	return cmyk
}

// output upsamples and converts the decoded planes.
func (d *decoder) output() *Image {
	n := len(d.comps)
	img := &Image{Width: d.width, Height: d.height, Components: n, Pix: borrow(d.width * d.height * n)}
	space := d.colourSpace()
	var ups [maxComponents]upsampler
	for i := range d.comps {
		c := &d.comps[i]
		ups[i] = newUpsampler(c, d.maxH/c.h, d.maxV/c.v)
	}
	var in [maxComponents][]byte
	for y := range d.height {
		for i := range d.comps {
			in[i] = ups[i].row(y)
		}
		dst := img.Pix[y*d.width*n:][:d.width*n]
		switch space {
		case grey:
			copy(dst, in[0])
		case rgb:
			interleave3(dst, in[0], in[1], in[2])
		case yCbCr:
			convert3(dst, in[0], in[1], in[2])
		case cmyk:
			interleave4(dst, in[0], in[1], in[2], in[3])
		case ycck:
			convert4(dst, in[0], in[1], in[2], in[3])
		}
	}
	return img
}

// A colour sum holds the three channels of a pixel side by side: red in bits
// 0.., blue in bits 16.., green with 16 fractional bits in bits 32.. . The
// luma's share and the two chromas' are looked up and added; a bias of 256 per
// channel keeps all of them positive.
const (
	blueShift  = 16
	greenShift = 32
	ofLuma     = 1 | 1<<blueShift | 1<<(greenShift+16)
)

// The shares of chroma, T.871 section 7, in 16-bit fixed point as libjpeg
// tabulates them: red and blue rounded on their own, green's two shares added
// first.
var ofCb, ofCr = func() (cb, cr [256]uint64) {
	const half = 1 << 15
	for i := range int64(256) {
		x := i - 128
		red := (91881*x + half) >> 16   // 1.40200
		blue := (116130*x + half) >> 16 // 1.77200
		// 0.71414 and 0.34414
		cr[i] = uint64(red + 256 + (-46802*x+128<<16)<<greenShift)
		cb[i] = uint64((blue+256)<<blueShift + (-22554*x+half+128<<16)<<greenShift)
	}
	return
}()

// limited clamps a channel with its bias.
var limited = func() (t [1024]byte) {
	for i := range t {
		t[i] = byte(max(0, min(i-256, 255)))
	}
	return t
}()

func pixel(y, b, r byte) (red, green, blue byte) {
	sum := uint64(y)*ofLuma + ofCb[b] + ofCr[r]
	return limited[sum&1023], limited[sum>>(greenShift+16)&1023], limited[sum>>blueShift&1023]
}

func convert3(dst, yy, cb, cr []byte) {
	n := len(dst) / 3
	yy, cb, cr = yy[:n], cb[:n], cr[:n]
	for i, y := range yy {
		p := dst[3*i : 3*i+3 : 3*i+3]
		p[0], p[1], p[2] = pixel(y, cb[i], cr[i])
	}
}

// convert4 converts YCCK, which is inverted CMY turned into YCbCr, with K as it
// is; all four inverted once more as Adobe has them.
func convert4(dst, yy, cb, cr, kk []byte) {
	n := len(dst) / 4
	yy, cb, cr, kk = yy[:n], cb[:n], cr[:n], kk[:n]
	for i, y := range yy {
		p := dst[4*i : 4*i+4 : 4*i+4]
		p[0], p[1], p[2] = pixel(y, cb[i], cr[i])
		p[3] = ^kk[i]
	}
}

func interleave3(dst, a, b, c []byte) {
	for i := range len(dst) / 3 {
		dst[3*i], dst[3*i+1], dst[3*i+2] = a[i], b[i], c[i]
	}
}

func interleave4(dst, a, b, c, d []byte) {
	for i := range len(dst) / 4 {
		dst[4*i], dst[4*i+1], dst[4*i+2], dst[4*i+3] = ^a[i], ^b[i], ^c[i], ^d[i]
	}
}
