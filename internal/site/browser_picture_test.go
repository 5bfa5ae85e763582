//go:build browser

package site

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
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
	b.screen(1400, "light")
	b.do(chromedp.EmulateViewport(1400, 1120))
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

// exactColours are the colours of surfaces and texts, which stay as they are.
const exactColours = 32

// adaptivePalette has the most frequent colours, and of the others the means of boxes that
// are halved where they are longest: the median cut.
func adaptivePalette(m image.Image, colours int) color.Palette {
	count := map[color.RGBA]int{}
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			count[color.RGBAModel.Convert(m.At(x, y)).(color.RGBA)]++
		}
	}
	all := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	})
	var p color.Palette
	exact := min(exactColours, len(all))
	for _, c := range all[:exact] {
		p = append(p, c)
	}
	if len(all) == exact {
		return p
	}
	boxes := [][]color.RGBA{all[exact:]}
	for len(boxes) < colours-exact {
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
		slices.SortStableFunc(box, func(a, b color.RGBA) int { return cmp.Compare(part(a, channel), part(b, channel)) })
		half := len(box) / 2
		boxes[at] = box[:half]
		boxes = append(boxes, box[half:])
	}
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
