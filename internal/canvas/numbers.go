package canvas

import (
	"image"
	"image/color"
	"io"
)

// WriteNumbers writes numbers [H,W], such as labels, as a PNG file that names its maker. If
// all numbers are below 256 it has 8 bits per pixel, which index a palette: colours, and
// grey for the numbers that have none. Readers that do not apply the palette get the
// numbers. Otherwise it is grey, with 16 bits.
func WriteNumbers(w io.Writer, numbers []uint16, width int, colours []color.NRGBA, maker string) error {
	if width < 1 || len(numbers) == 0 || len(numbers)%width != 0 {
		panic("canvas: numbers are not [H,W]")
	}
	box := image.Rect(0, 0, width, len(numbers)/width)
	wide := image.NewGray16(box)
	narrow := image.NewPaletted(box, numberPalette(colours))
	largest := uint16(0)
	for i, n := range numbers {
		largest = max(largest, n)
		narrow.Pix[i] = byte(n)
		wide.SetGray16(i%width, i/width, color.Gray16{Y: n})
	}
	if largest > 0xff {
		return writePNG(w, wide, maker)
	}
	return writePNG(w, narrow, maker)
}

// numberPalette is a palette of 256 colours that begins with those given.
func numberPalette(colours []color.NRGBA) color.Palette {
	palette := make(color.Palette, 256)
	for i := range palette {
		palette[i] = Faint
		if i < len(colours) {
			palette[i] = colours[i]
		}
	}
	return palette
}
