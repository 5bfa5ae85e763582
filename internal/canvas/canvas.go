// Package canvas draws the pictures that people look at and that are made of
// pictures: contact sheets, heat maps, overlays, and their legends.
//
// A Picture is pixels. A Canvas is a surface that pictures, boxes and texts are
// drawn on, in pixels from its upper left corner. A Font is letters of one size.
// A Heat is numbers over a picture, shown as colours. A Palette tells classes
// apart. Colours are chosen for people with any kind of colour vision.
//
// The same drawing gives the same bytes. For curves and axes see package plot.
package canvas

import (
	"image"
	"image/color"
	"image/draw"

	scale "golang.org/x/image/draw"
)

// Colours of what is not data.
var (
	White  = color.NRGBA{0xff, 0xff, 0xff, 0xff}
	Ink    = color.NRGBA{0x1a, 0x1a, 0x1a, 0xff} // text
	Grey   = color.NRGBA{0x59, 0x59, 0x59, 0xff} // text of less weight
	Faint  = color.NRGBA{0xdd, 0xdd, 0xdd, 0xff} // lines
	Shaded = color.NRGBA{0xf3, 0xf3, 0xf3, 0xff} // grounds
)

// A Picture is 8 bits a channel, red, green and blue.
type Picture struct {
	Pix  []byte // [H,W,3]
	W, H int
}

// image returns a copy that the drawing packages know. It panics where the
// pixels are not those of a W x H picture, of which there must be some.
func (p Picture) image() *image.RGBA {
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

// A Canvas is an opaque surface to draw on. What is drawn beyond its edges is
// lost.
type Canvas struct{ img *image.RGBA }

// New returns a canvas of w x h pixels in one colour.
func New(w, h int, ground color.NRGBA) *Canvas {
	c := &Canvas{image.NewRGBA(image.Rect(0, 0, w, h))}
	c.Fill(c.img.Rect, ground)
	return c
}

// Bounds is the whole canvas.
func (c *Canvas) Bounds() image.Rectangle { return c.img.Rect }

// Fill paints a box. A colour that lets light through mixes with what is there.
func (c *Canvas) Fill(box image.Rectangle, with color.NRGBA) {
	draw.Draw(c.img, box, image.NewUniform(with), image.Point{}, draw.Over)
}

// Outline draws the edge of a box, inside of it.
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

// Place draws p as large as it fits into a box, in its middle, and returns where
// that is. It is scaled with a cubic kernel that is widened to shrink, so that
// fine patterns do not flicker.
func (c *Canvas) Place(p Picture, box image.Rectangle) image.Rectangle {
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

// Fit returns where a w x h picture lies when it is scaled to fit a box, in its
// middle.
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
