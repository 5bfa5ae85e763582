package canvas

import (
	"image"
	"image/color"
	"io"
)

// WriteNumbers writes numbers [H,W], such as labels, as a grey PNG file that names
// its maker. It has 8 bits per pixel if all numbers are below 256, else 16.
func WriteNumbers(w io.Writer, numbers []uint16, width int, maker string) error {
	if width < 1 || len(numbers) == 0 || len(numbers)%width != 0 {
		panic("canvas: numbers are not [H,W]")
	}
	box := image.Rect(0, 0, width, len(numbers)/width)
	wide := image.NewGray16(box)
	narrow := image.NewGray(box)
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
