// Package canvas draws images composed of other images: contact sheets, heat maps,
// overlays, and their legends.
//
// An Image is an array of pixels. A Canvas is a surface for images, boxes and
// texts; coordinates are pixels from its upper left corner. A Font is a typeface in
// one size. A Heat is a grid of numbers shown as colours over an image. Palette
// returns colours that tell classes apart. All colours are chosen for people with any
// kind of colour vision.
//
// The same drawing gives the same bytes. For curves and axes see package plot.
package canvas

import (
	"image"
	"image/color"
	"image/draw"

	scale "golang.org/x/image/draw"
)

// Colours of everything that is not data.
var (
	White  = color.NRGBA{0xff, 0xff, 0xff, 0xff}
	Ink    = color.NRGBA{0x1a, 0x1a, 0x1a, 0xff} // text
	Grey   = color.NRGBA{0x59, 0x59, 0x59, 0xff} // secondary text
	Faint  = color.NRGBA{0xdd, 0xdd, 0xdd, 0xff} // lines
	Shaded = color.NRGBA{0xf3, 0xf3, 0xf3, 0xff} // backgrounds
)

// An Image has 8 bits per channel: red, green and blue.
type Image struct {
	Pix  []byte // [H,W,3]
	W, H int
}

// image returns a copy for the standard drawing packages. It panics if W or H is
// less than 1 or Pix is not [H,W,3].
func (p Image) image() *image.RGBA {
	if p.W < 1 || p.H < 1 || len(p.Pix) != 3*p.W*p.H {
		panic("canvas: pixels are not [H,W,3]")
	}
	m := image.NewRGBA(image.Rect(0, 0, p.W, p.H))
	for i := range p.W * p.H {
		copy(m.Pix[4*i:], p.Pix[3*i:3*i+3])
		m.Pix[4*i+3] = 0xff
	}
	return m
}

// A Canvas is an opaque surface to draw on. Drawing outside its bounds has no effect.
type Canvas struct{ img *image.RGBA }

// New returns a canvas of w x h pixels in one colour.
func New(w, h int, background color.NRGBA) *Canvas {
	c := &Canvas{image.NewRGBA(image.Rect(0, 0, w, h))}
	c.Fill(c.img.Rect, background)
	return c
}

// Bounds returns the whole canvas.
func (c *Canvas) Bounds() image.Rectangle { return c.img.Rect }

// Fill paints a box. A translucent colour is blended with what is there.
func (c *Canvas) Fill(box image.Rectangle, with color.NRGBA) {
	draw.Draw(c.img, box, image.NewUniform(with), image.Point{}, draw.Over)
}

// Outline draws a border of the given width just inside a box.
func (c *Canvas) Outline(box image.Rectangle, width int, with color.NRGBA) {
	inner := box.Inset(width)
	if inner.Empty() {
		c.Fill(box, with)
		return
	}
	c.Fill(image.Rect(box.Min.X, box.Min.Y, box.Max.X, inner.Min.Y), with)
	c.Fill(image.Rect(box.Min.X, inner.Max.Y, box.Max.X, box.Max.Y), with)
	c.Fill(image.Rect(box.Min.X, inner.Min.Y, inner.Min.X, inner.Max.Y), with)
	c.Fill(image.Rect(inner.Max.X, inner.Min.Y, box.Max.X, inner.Max.Y), with)
}

// Place draws p centred in a box, as large as fits, and returns the rectangle that
// it covers. It scales with a cubic kernel, which is widened when shrinking, so that
// fine patterns do not alias.
func (c *Canvas) Place(p Image, box image.Rectangle) image.Rectangle {
	at := Fit(p.W, p.H, box)
	if at.Empty() {
		return at
	}
	from := p.image()
	if at.Dx() == p.W && at.Dy() == p.H {
		draw.Draw(c.img, at, from, image.Point{}, draw.Src)
	} else {
		scale.CatmullRom.Scale(c.img, at, from, from.Rect, draw.Src, nil)
	}
	return at
}

// Fit returns the rectangle of a w x h image that is scaled to fit a box and
// centred in it.
func Fit(w, h int, box image.Rectangle) image.Rectangle {
	bw, bh := box.Dx(), box.Dy()
	if w*bh > bw*h {
		bh = max(1, (h*bw+w/2)/w)
	} else {
		bw = max(1, (w*bh+h/2)/h)
	}
	at := box.Min.Add(image.Pt((box.Dx()-bw)/2, (box.Dy()-bh)/2))
	return image.Rectangle{at, at.Add(image.Pt(bw, bh))}.Intersect(box)
}
