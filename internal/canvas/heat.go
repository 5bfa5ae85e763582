package canvas

import (
	"image"
	"image/color"
	"math"
)

// A Heat is a grid of numbers that covers an image.
type Heat struct {
	Values    []float32 // [H,W]
	W, H      int
	Low, High float64 // values at the two ends of the colour scale
}

// Colour returns the colour of a share, from 0 at Low to 1 at High. The scale is
// viridis, whose lightness rises evenly, so that it can be read without seeing hue.
func Colour(share float64) color.NRGBA {
	last := float64(len(viridis) - 1)
	at := min(max(share, 0), 1) * last
	i := min(int(at), len(viridis)-2)
	part := at - float64(i)
	mixed := func(channel int) uint8 {
		return uint8(float64(viridis[i][channel])*(1-part) + float64(viridis[i+1][channel])*part + 0.5)
	}
	return color.NRGBA{mixed(0), mixed(1), mixed(2), 0xff}
}

// viridis is the colour map of that name, sampled at equal distances.
var viridis = [...][3]uint8{
	{68, 1, 84}, {71, 44, 122}, {59, 81, 139}, {44, 113, 142}, {33, 144, 141}, {39, 173, 129}, {92, 200, 99}, {170, 220, 50}, {253, 231, 37},
}

// The opacity of a heat's colour over the image is 0 at the low end, where the image stays
// as it is, and hotWeight at the high end. It reaches half of that at the share halfWeight,
// so that low values can be seen.
const (
	hotWeight  = 0.85
	halfWeight = 0.15

	// firstColour is where on the scale of colours the low end is: the darkest ones would
	// look like shadows of the image.
	firstColour = 0.4
)

// over blends the colour of a share with that of a pixel.
func over(pixel [3]byte, share float64) color.NRGBA {
	c, weight := Colour(firstColour+(1-firstColour)*share), hotWeight*share*(1+halfWeight)/(share+halfWeight)
	mixed := func(channel, below uint8) uint8 {
		return uint8(float64(channel)*weight + float64(below)*(1-weight) + 0.5)
	}
	return color.NRGBA{mixed(c.R, pixel[0]), mixed(c.G, pixel[1]), mixed(c.B, pixel[2]), 0xff}
}

// Over returns p overlaid with the colours of h; where h is low, p is as it was. Values
// between the centres of locations are interpolated linearly. It panics if Values is not
// [H,W] or empty.
func (h Heat) Over(p Image) Image {
	if len(h.Values) != h.W*h.H || h.W < 1 || h.H < 1 {
		panic("canvas: a heat's values are not [H,W]")
	}
	out := Image{make([]byte, len(p.Pix)), p.W, p.H}
	across, down := between(h.W, p.W), between(h.H, p.H)
	for y, v := range down {
		upper, lower := h.Values[v.from*h.W:][:h.W], h.Values[v.to*h.W:][:h.W]
		for x, u := range across {
			value := v.mix(u.mix(float64(upper[u.from]), float64(upper[u.to])), u.mix(float64(lower[u.from]), float64(lower[u.to])))
			share := 0.0
			if h.High > h.Low {
				share = min(max((value-h.Low)/(h.High-h.Low), 0), 1)
			}
			at := 3 * (y*p.W + x)
			c := over([3]byte(p.Pix[at:at+3]), share)
			out.Pix[at], out.Pix[at+1], out.Pix[at+2] = c.R, c.G, c.B
		}
	}
	return out
}

// A place is a position between two locations.
type place struct {
	from, to int
	part     float64 // fraction of the way
}

func (p place) mix(from, to float64) float64 { return from*(1-p.part) + to*p.part }

// between returns the positions of the centres of n pixels among the centres of a
// number of locations over the same length. Positions beyond the outermost centres
// are clamped to them.
func between(locations, n int) []place {
	places := make([]place, n)
	for i := range places {
		at := (float64(i)+0.5)*float64(locations)/float64(n) - 0.5
		at = min(max(at, 0), float64(locations-1))
		from := int(at)
		places[i] = place{from, min(from+1, locations-1), at - float64(from)}
	}
	return places
}

// Bar draws the colour scale of a Heat over grey, from low on the left to high on the
// right, with the labels of its ends below. Its height is BarHeight.
func (c *Canvas) Bar(f *Font, at image.Point, width int, low, high string) {
	for x := range width {
		share := float64(x) / math.Max(1, float64(width-1))
		c.Fill(image.Rect(at.X+x, at.Y, at.X+x+1, at.Y+barThickness), over([3]byte{barGrey, barGrey, barGrey}, share))
	}
	y := at.Y + barThickness + barGap
	c.Text(f, image.Pt(at.X, y), low, Ink)
	c.Text(f, image.Pt(at.X+width-f.Width(high), y), high, Ink)
}

// BarHeight returns the height of what Bar draws.
func BarHeight(f *Font) int { return barThickness + barGap + f.Height() }

const barThickness, barGap, barGrey = 14, 4, 150
