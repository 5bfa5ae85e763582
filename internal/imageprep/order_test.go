package imageprep

import (
	"bytes"
	"testing"
)

func TestParseOrder(t *testing.T) {
	for _, order := range []Order{ConvertFirst, ResizeFirst} {
		if got, err := ParseOrder(order.String()); err != nil || got != order {
			t.Errorf("%s: got %v, %v", order, got, err)
		}
	}
	if _, err := ParseOrder("torchvision"); err == nil || err.Error() != `"torchvision", want reference or openai` {
		t.Errorf("error %v", err)
	}
}

// TestOrders: images of colours and greys are the same in both orders, others
// mostly not. That each is right, TestSweep shows.
func TestOrders(t *testing.T) {
	for pattern, same := range map[string]bool{
		"png_2_8_*.png": true, "png_0_8_*.png": true, "png_0_4_*.png": true, "png_2_16_*.png": true,
		"png_3_*.png": false, "png_0_16_*.png": false, "png_6_8_*.png": false, "png_0_1_*.png": false, "tiff_*_5_8_4_*.tif": false,
	} {
		differing := 0
		for _, data := range sweepFiles(t, pattern) {
			var squares [2][]byte
			for i, order := range []Order{ConvertFirst, ResizeFirst} {
				img, err := decodeSquare(data, Options{Order: order}, Input{Side: 7})
				if err != nil {
					t.Fatal(err)
				}
				squares[i] = img.Pix
			}
			if !bytes.Equal(squares[0], squares[1]) {
				differing++
			}
		}
		if same != (differing == 0) {
			t.Errorf("%s: %d differ, want none: %t", pattern, differing, same)
		}
	}
}

// TestOrderMemory: images of one row, of which the crop keeps a middle, take no
// more memory in the other order.
func TestOrderMemory(t *testing.T) {
	for _, r := range []*raster{newRaster(modeWide, 1, 1<<16), newRaster(modePalette, 1<<16, 1), newRaster(modeRGBA, 1<<16, 1), newRaster(modeBits, 1, 1<<16)} {
		r.palette = &greys
		if img := r.square(24, Shortest); img.W != 24 || img.H != 24 {
			t.Errorf("%dx%d pixels", img.W, img.H)
		}
	}
}
