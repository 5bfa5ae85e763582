package pipelinetest

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// Palettes is a folder of images with a palette, which the orders of preprocessing
// make different inputs of.
func Palettes(t testing.TB) string {
	dir, random := t.TempDir(), rand.New(rand.NewPCG(1, 2))
	for n := range 3 {
		palette := make(color.Palette, 16)
		for i := range palette {
			palette[i] = color.RGBA{uint8(random.IntN(256)), uint8(random.IntN(256)), uint8(random.IntN(256)), 255}
		}
		img := image.NewPaletted(image.Rect(0, 0, 150, 130), palette)
		for i := range img.Pix {
			img.Pix[i] = uint8(random.IntN(16))
		}
		file, err := os.Create(filepath.Join(dir, fmt.Sprintf("%d.png", n)))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(file, img); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
