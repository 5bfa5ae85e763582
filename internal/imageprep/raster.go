package imageprep

import "slices"

// mode says what the samples of a raster are. The names beside are Pillow's.
type mode int

const (
	modeRGB       mode = iota
	modeBits           // 1: black and white, 0 and 255
	modeGrey           // L
	modePalette        // P: indices into the palette
	modeGreyAlpha      // LA
	modeRGBA           // RGBA
	modeCMYK           // CMYK: amounts of ink
	modeWide           // I: 16-bit grey
)

// channels by mode.
var channels = [...]int{modeRGB: 3, modeBits: 1, modeGrey: 1, modePalette: 1, modeGreyAlpha: 2, modeRGBA: 4, modeCMYK: 4, modeWide: 1}

// raster is an image with the samples that its file holds.
type raster struct {
	mode    mode
	w, h    int
	pix     []byte   // [H,W,channels[mode]]
	wide    []uint16 // [H,W], in place of pix, if the mode is modeWide
	palette *palette // if the mode is modePalette

	release func() // gives the memory of the decoder back, once nothing of the raster is used; may be nil
}

func newRaster(m mode, w, h int) *raster {
	r := &raster{mode: m, w: w, h: h}
	if m == modeWide {
		r.wide = make([]uint16, w*h)
	} else {
		r.pix = make([]byte, channels[m]*w*h)
	}
	return r
}

// copied is a raster of the same pixels in memory of its own.
func (r *raster) copied() *raster {
	c := *r
	c.pix, c.wide, c.release = slices.Clone(r.pix), slices.Clone(r.wide), nil
	return &c
}

// rasterOf is the raster of an RGB, with the same memory.
func rasterOf(img *RGB) *raster { return &raster{mode: modeRGB, w: img.W, h: img.H, pix: img.Pix} }

// rgb converts a raster as Pillow's convert("RGB") does. The raster must not
// be used afterwards.
func (r *raster) rgb() *RGB {
	if r.mode == modeRGB {
		return &RGB{Pix: r.pix, W: r.w, H: r.h}
	}
	if r.mode == modeCMYK { // in place: what is written has been read
		out := &RGB{Pix: r.pix[:3*r.w*r.h], W: r.w, H: r.h}
		for i := range r.w * r.h {
			p := [4]byte(r.pix[4*i:])
			out.set(i, paper(p[0], p[3]), paper(p[1], p[3]), paper(p[2], p[3]))
		}
		return out
	}
	out := newRGB(r.w, r.h)
	switch r.mode {
	case modeWide:
		for i, v := range r.wide {
			g := byte(min(v, 255))
			out.set(i, g, g, g)
		}
	case modePalette:
		for i, v := range r.pix {
			c := r.palette[v]
			out.set(i, c[0], c[1], c[2])
		}
	case modeRGBA:
		out.pick(r.pix)
	default:
		step := channels[r.mode]
		for i := range r.w * r.h {
			v := r.pix[i*step]
			out.set(i, v, v, v)
		}
	}
	return out
}

// upright turns a raster that is stored with an orientation.
func (r *raster) upright(orientation int) *raster {
	out := *r
	if r.mode == modeWide {
		out.wide, out.w, out.h = turned(r.wide, r.w, r.h, 1, orientation)
	} else {
		out.pix, out.w, out.h = turned(r.pix, r.w, r.h, channels[r.mode], orientation)
	}
	return &out
}

// palette holds colours by index. Those that a file lacks are grey, their own
// index, as in Pillow.
type palette [256][3]byte

var greys = func() (p palette) {
	for i := range p {
		p[i] = [3]byte{byte(i), byte(i), byte(i)}
	}
	return p
}()
