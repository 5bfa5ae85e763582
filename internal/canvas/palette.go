package canvas

import (
	"image/color"
	"math"
	"sync"
)

// Palette returns n colours to tell classes apart. The first are Okabe and Ito's.
// Each further one is, of a grid of colours, the one least like those before it,
// and black and white, to whichever of three kinds of eyes sees least of the
// difference: usual ones, and those without red or green cones. So the first of a
// palette do not depend on its length. Beyond a few dozen no colours are easy to
// tell apart; people then need names beside them.
func Palette(n int) []color.NRGBA {
	chosen := make([]color.NRGBA, 0, max(n, len(okabeIto)))
	chosen = append(chosen, okabeIto[:]...)
	if n <= len(chosen) {
		return chosen[:max(n, 0):max(n, 0)]
	}
	grid := gridColours()
	nearest := make([]float64, len(grid)) // distance to what is chosen
	for i := range nearest {
		nearest[i] = math.Inf(1)
	}
	exclude := func(c color.NRGBA) {
		seen := seenBy(c)
		for i := range grid {
			nearest[i] = min(nearest[i], seen.distance(&grid[i].seen))
		}
	}
	exclude(color.NRGBA{A: 0xff})
	exclude(White)
	for _, c := range okabeIto {
		exclude(c)
	}
	for len(chosen) < n {
		best := 0
		for i, d := range nearest {
			if d > nearest[best] {
				best = i
			}
		}
		chosen = append(chosen, grid[best].colour)
		exclude(grid[best].colour)
	}
	return chosen
}

// okabeIto are the seven colours, besides black, of Okabe and Ito's palette.
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

// gridColours are the colours that a palette may be made of.
var gridColours = sync.OnceValue(func() []gridColour {
	const (
		steps   = 16  // of each channel
		darkest = 0.3 // lightness
	)
	var grid []gridColour
	for i := range steps * steps * steps {
		level := func(n int) uint8 { return uint8(n % steps * 255 / (steps - 1)) }
		c := color.NRGBA{level(i / steps / steps), level(i / steps), level(i), 0xff}
		// The darkest look alike, however far apart they are by number.
		if seen := seenBy(c); seen[0][0] >= darkest {
			grid = append(grid, gridColour{c, seen})
		}
	}
	return grid
})

// A sight is a colour as usual eyes, those without red cones and those without
// green ones see it, each as lightness and two axes of hue (Oklab), in which
// equal distances look about equally large.
type sight [3][3]float64

// distance is the least difference that any of the eyes see.
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

// What light of red, green and blue looks like to those who lack a kind of
// cones: Machado, Oliveira and Fernandes 2009, full severity.
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

// linear is the amount of light that a byte of sRGB stands for.
func linear(b uint8) float64 {
	x := float64(b) / 255
	if x <= 0.04045 {
		return x / 12.92
	}
	return math.Pow((x+0.055)/1.055, 2.4)
}
