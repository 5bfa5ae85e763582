//go:build browser

package site

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

// mostPicture bounds the image of the README in bytes.
const mostPicture = 400 << 10

// TestPicture draws the image of the README: the page of a pair. It runs where
// CLIPNH_PICTURE names the file.
func TestPicture(t *testing.T) {
	path := os.Getenv("CLIPNH_PICTURE")
	if path == "" {
		t.Skip("CLIPNH_PICTURE names no file; scripts/screenshot.sh does")
	}
	b := newBrowser(t, "")
	b.screen(1280, "light")
	b.do(chromedp.EmulateViewport(1280, 1000))
	b.open(demoReport(t), "p/h3n149")
	b.until("document.querySelector('.chart canvas')")
	shot, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	b.check(err)
	full, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	small := image.NewPaletted(full.Bounds(), adaptivePalette(full, 256))
	draw.Draw(small, small.Bounds(), full, full.Bounds().Min, draw.Src)
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small); err != nil {
		t.Fatal(err)
	}
	if out.Len() > mostPicture {
		t.Fatalf("%s: %d bytes, want at most %d", path, out.Len(), mostPicture)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// adaptivePalette has the means of boxes of colours, which are halved where they are
// longest: the median cut.
func adaptivePalette(m image.Image, colours int) color.Palette {
	seen := map[color.RGBA]bool{}
	var all []color.RGBA
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			if c := color.RGBAModel.Convert(m.At(x, y)).(color.RGBA); !seen[c] {
				seen[c] = true
				all = append(all, c)
			}
		}
	}
	boxes := [][]color.RGBA{all}
	for len(boxes) < colours {
		longest, at, channel := 0, 0, 0
		for i, box := range boxes {
			for c := range 3 {
				low, high := 255, 0
				for _, v := range box {
					low, high = min(low, part(v, c)), max(high, part(v, c))
				}
				if high-low > longest {
					longest, at, channel = high-low, i, c
				}
			}
		}
		if longest == 0 {
			break
		}
		box := boxes[at]
		slices.SortFunc(box, func(a, b color.RGBA) int { return cmp.Compare(part(a, channel), part(b, channel)) })
		half := len(box) / 2
		boxes[at] = box[:half]
		boxes = append(boxes, box[half:])
	}
	var p color.Palette
	for _, box := range boxes {
		var sum [3]int
		for _, v := range box {
			for c := range sum {
				sum[c] += part(v, c)
			}
		}
		n := len(box)
		p = append(p, color.RGBA{uint8(sum[0] / n), uint8(sum[1] / n), uint8(sum[2] / n), 255})
	}
	return p
}

func part(c color.RGBA, channel int) int {
	return int([3]uint8{c.R, c.G, c.B}[channel])
}
