package canvas

import (
	"image"
	"image/color"
	"math"
)

// A Signed is a grid of numbers of either sign that covers an image. Unlike a Heat it
// leaves the image as it is where the number is zero.
type Signed struct {
	Values []float32 // [H,W]
	W, H   int
	Limit  float64 // size at which colours are strongest
}

// The colours of numbers above and below zero, Okabe and Ito's vermilion and blue,
// which people with any kind of colour vision tell apart.
var (
	Above = color.NRGBA{0xd5, 0x5e, 0x00, 0xff}
	Below = color.NRGBA{0x00, 0x72, 0xb2, 0xff}
)

const signedWeight = 0.85 // opacity at the limit

// tint blends the colour of a share, -1 to 1, with a pixel.
func tint(r, g, b, share float64) color.NRGBA {
	c := Above
	if share < 0 {
		c = Below
	}
	weight := signedWeight * math.Min(math.Abs(share), 1)
	mixed := func(channel uint8, ground float64) uint8 {
		return uint8(float64(channel)*weight + ground*(1-weight) + 0.5)
	}
	return color.NRGBA{mixed(c.R, r), mixed(c.G, g), mixed(c.B, b), 0xff}
}

// Over returns p overlaid with the colours of s. Values between the centres of
// locations are interpolated linearly. It panics if Values is not [H,W] or empty.
func (s Signed) Over(p Image) Image {
	if len(s.Values) != s.W*s.H || s.W < 1 || s.H < 1 {
		panic("canvas: signed values are not [H,W]")
	}
	out := Image{make([]byte, len(p.Pix)), p.W, p.H}
	across, down := between(s.W, p.W), between(s.H, p.H)
	for y, v := range down {
		upper, lower := s.Values[v.from*s.W:][:s.W], s.Values[v.to*s.W:][:s.W]
		for x, u := range across {
			value := v.mix(u.mix(float64(upper[u.from]), float64(upper[u.to])), u.mix(float64(lower[u.from]), float64(lower[u.to])))
			share := 0.0
			if s.Limit > 0 {
				share = value / s.Limit
			}
			at := 3 * (y*p.W + x)
			c := tint(float64(p.Pix[at]), float64(p.Pix[at+1]), float64(p.Pix[at+2]), share)
			out.Pix[at], out.Pix[at+1], out.Pix[at+2] = c.R, c.G, c.B
		}
	}
	return out
}

// SignedBar draws the colour scale of a Signed over grey, from the limit below zero on
// the left to that above zero on the right, with zero marked and the three labelled
// below. Its height is BarHeight.
func (c *Canvas) SignedBar(f *Font, at image.Point, width int, low, zero, high string) {
	for x := range width {
		share := 2*float64(x)/math.Max(1, float64(width-1)) - 1
		c.Fill(image.Rect(at.X+x, at.Y, at.X+x+1, at.Y+barThickness), tint(barGrey, barGrey, barGrey, share))
	}
	middle := at.X + width/2
	c.Fill(image.Rect(middle, at.Y-2, middle+1, at.Y+barThickness+2), Ink)
	y := at.Y + barThickness + barGap
	c.Text(f, image.Pt(at.X, y), low, Ink)
	c.Text(f, image.Pt(middle-f.Width(zero)/2, y), zero, Ink)
	c.Text(f, image.Pt(at.X+width-f.Width(high), y), high, Ink)
}
