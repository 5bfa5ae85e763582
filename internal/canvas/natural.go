package canvas

import (
	"image/color"
	"math"
	"strings"
)

// natural are colours that things of a name have in the world.
var natural = map[string]color.NRGBA{
	"sky": {0x87, 0xbf, 0xf0, 0xff}, "grass": {0x7c, 0xb3, 0x42, 0xff}, "tree": {0x1b, 0x6e, 0x3a, 0xff}, "plant": {0x3f, 0x8f, 0x4f, 0xff},
	"water": {0x1f, 0x5f, 0xbf, 0xff}, "sea": {0x1f, 0x5f, 0xbf, 0xff}, "river": {0x2f, 0x7f, 0xcf, 0xff},
	"road": {0x80, 0x80, 0x86, 0xff}, "sidewalk": {0xb0, 0xa8, 0xa8, 0xff}, "sand": {0xe3, 0xcf, 0x8f, 0xff}, "ground": {0x9c, 0x7a, 0x52, 0xff},
	"mountain": {0x8a, 0x6f, 0x5c, 0xff}, "rock": {0x77, 0x6a, 0x62, 0xff}, "snow": {0xe8, 0xf0, 0xfa, 0xff}, "building": {0xb5, 0x7a, 0x66, 0xff},
}

// apart is how unlike two colours of a palette must at least be, as sight.distance measures
// it, for the second to have its natural colour.
const apart = 0.06

// NamedPalette returns a colour for each name. Common stuff, such as sky and grass, has the
// colour that it has in the world; other names get colours that are least like those, black,
// white and each other. Of names that would have nearly the same natural colour the first
// has it.
func NamedPalette(names []string) []color.NRGBA {
	colours := make([]color.NRGBA, len(names))
	var taken []sight
	others := 0
	for i, name := range names {
		c, known := natural[strings.ToLower(name)]
		if known {
			seen := seenBy(c)
			for _, t := range taken {
				known = known && t.distance(&seen) >= apart
			}
			if known {
				colours[i] = c
				taken = append(taken, seen)
			}
		}
		if !known {
			others++
		}
	}
	if others == 0 {
		return colours
	}
	free := around(taken, others)
	for i := range colours {
		if colours[i].A == 0 {
			colours[i], free = free[0], free[1:]
		}
	}
	return colours
}

// around returns n colours that tell classes apart and are unlike those taken. The first
// are those of Okabe and Ito's that are. Each further one is chosen from a grid to be the
// least like those before it, black and white. Differences are measured for three kinds of
// colour vision, normal, without red cones and without green cones, and the smallest
// counts. So the first colours do not depend on n. More than a few dozen are hard to tell
// apart and need names next to them.
func around(taken []sight, n int) []color.NRGBA {
	const clear = 0.12 // distance at which a colour of Okabe and Ito's is unlike one taken
	grid := gridColours()
	nearest := make([]float64, len(grid))
	for i := range nearest {
		nearest[i] = math.Inf(1)
	}
	exclude := func(seen sight) {
		for i := range grid {
			nearest[i] = min(nearest[i], seen.distance(&grid[i].seen))
		}
	}
	for _, t := range append([]sight{seenBy(color.NRGBA{A: 0xff}), seenBy(White)}, taken...) {
		exclude(t)
	}
	var chosen []color.NRGBA
	for _, c := range okabeIto {
		seen, unlike := seenBy(c), true
		for _, t := range taken {
			unlike = unlike && t.distance(&seen) >= clear
		}
		if unlike && len(chosen) < n {
			chosen = append(chosen, c)
			exclude(seen)
		}
	}
	for len(chosen) < n {
		best := 0
		for i, d := range nearest {
			if d > nearest[best] {
				best = i
			}
		}
		chosen = append(chosen, grid[best].colour)
		exclude(grid[best].seen)
	}
	return chosen
}
