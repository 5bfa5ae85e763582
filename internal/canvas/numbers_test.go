package canvas

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"testing"
)

func TestWriteNumbers(t *testing.T) {
	for _, numbers := range [][]uint16{{0, 1, 2, 255, 7, 9}, {0, 256, 65535, 3, 4, 5}} {
		var b bytes.Buffer
		if err := WriteNumbers(&b, numbers, 3, []color.NRGBA{{1, 2, 3, 255}, {4, 5, 6, 255}}, "test"); err != nil {
			t.Fatal(err)
		}
		if maker, err := Maker(bytes.NewReader(b.Bytes())); err != nil || maker != "test" {
			t.Errorf("maker %q, %v", maker, err)
		}
		img, err := png.Decode(&b)
		if err != nil {
			t.Fatal(err)
		}
		indexed, narrow := img.(*image.Paletted)
		if narrow != (numbers[2] < 256) {
			t.Errorf("%T for %v", img, numbers)
		}
		for i, want := range numbers {
			got, _, _, _ := img.At(i%3, i/3).RGBA()
			if narrow {
				got = uint32(indexed.ColorIndexAt(i%3, i/3))
			}
			if got != uint32(want) {
				t.Errorf("pixel %d is %d, want %d", i, got, want)
			}
		}
		if narrow && img.At(1, 0) != (color.RGBA{4, 5, 6, 255}) {
			t.Errorf("number 1 has colour %v", img.At(1, 0))
		}
	}
}
