package canvas

import (
	"image/color"
	"math"
	"sync"
)

// okabeIto are the seven colours of Okabe and Ito's palette other than black.
var okabeIto = [...]color.NRGBA{
	{0xe6, 0x9f, 0x00, 0xff}, // orange
	{0x56, 0xb4, 0xe9, 0xff}, // sky blue
	{0x00, 0x9e, 0x73, 0xff}, // bluish green
	{0xf0, 0xe4, 0x42, 0xff}, // yellow
	{0x00, 0x72, 0xb2, 0xff}, // blue
	{0xd5, 0x5e, 0x00, 0xff}, // vermilion
	{0xcc, 0x79, 0xa7, 0xff}, // reddish purple
}

type gridColour struct {
	colour color.NRGBA
	seen   sight
}

// gridColours are the colours that a palette is chosen from.
var gridColours = sync.OnceValue(func() []gridColour {
	const (
		steps   = 16  // per channel
		darkest = 0.3 // minimum lightness
	)
	var grid []gridColour
	for i := range steps * steps * steps {
		level := func(n int) uint8 { return uint8(n % steps * 255 / (steps - 1)) }
		c := color.NRGBA{level(i / steps / steps), level(i / steps), level(i), 0xff}
		// Very dark colours look alike, even if their distance is large.
		if seen := seenBy(c); seen[0][0] >= darkest {
			grid = append(grid, gridColour{c, seen})
		}
	}
	return grid
})

// A sight is a colour as seen with normal vision, without red cones and without green
// cones. Each is in Oklab, lightness and two axes of hue, where equal distances look
// about equally large.
type sight [3][3]float64

// distance is the smallest of the differences for the three kinds of vision.
func (s *sight) distance(other *sight) float64 {
	least := math.Inf(1)
	for eyes := range s {
		sum := 0.0
		for axis, x := range s[eyes] {
			d := x - other[eyes][axis]
			sum += d * d
		}
		least = min(least, sum)
	}
	return math.Sqrt(least)
}

type matrix [3][3]float64

func (m *matrix) times(v [3]float64) (out [3]float64) {
	for i, row := range m {
		out[i] = row[0]*v[0] + row[1]*v[1] + row[2]*v[2]
	}
	return out
}

// withoutRed and withoutGreen simulate how people without one kind of cones see
// linear RGB: Machado, Oliveira and Fernandes 2009, full severity.
var (
	usual        = matrix{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}
	withoutRed   = matrix{{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}}
	withoutGreen = matrix{{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}}
	toCones      = matrix{{0.4122214708, 0.5363325363, 0.0514459929}, {0.2119034982, 0.6806995451, 0.1073969566}, {0.0883024619, 0.2817188376, 0.6299787005}}
	conesToOklab = matrix{{0.2104542553, 0.7936177850, -0.0040720468}, {1.9779984951, -2.4285922050, 0.4505937099}, {0.0259040371, 0.7827717662, -0.8086757660}}
)

func seenBy(c color.NRGBA) (s sight) {
	light := [3]float64{linear(c.R), linear(c.G), linear(c.B)}
	for i, eyes := range []*matrix{&usual, &withoutRed, &withoutGreen} {
		seen := eyes.times(light)
		for j := range seen {
			seen[j] = min(max(seen[j], 0), 1)
		}
		cones := toCones.times(seen)
		for j := range cones {
			cones[j] = math.Cbrt(cones[j])
		}
		s[i] = conesToOklab.times(cones)
	}
	return s
}

// linear converts a byte of sRGB to linear light, 0 to 1.
func linear(b uint8) float64 {
	x := float64(b) / 255
	if x <= 0.04045 {
		return x / 12.92
	}
	return math.Pow((x+0.055)/1.055, 2.4)
}
