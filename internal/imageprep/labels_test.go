package imageprep

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// encoded writes an image as the standard library does.
func encoded(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// colours is a palette of n entries that are all one colour: only indices tell
// them apart.
func colours(n int) color.Palette {
	p := make(color.Palette, n)
	for i := range p {
		p[i] = color.RGBA{9, 9, 9, 255}
	}
	return p
}

func TestDecodeLabels(t *testing.T) {
	box := image.Rect(0, 0, 5, 2)
	paletted := func(n int, pix ...byte) image.Image {
		return &image.Paletted{Pix: pix, Stride: 5, Rect: box, Palette: colours(n)}
	}
	grey := &image.Gray{Pix: []byte{0, 1, 2, 150, 255, 59, 60, 254, 7, 8}, Stride: 5, Rect: box}
	deep := image.NewGray16(box)
	for i, v := range []uint16{0, 1, 255, 256, 847, 65535, 65534, 1000, 3, 4} {
		deep.SetGray16(i%5, i/5, color.Gray16{Y: v})
	}
	for _, tt := range []struct {
		name string
		img  image.Image
		want []uint16
	}{
		{"palette of 2", paletted(2, 0, 1, 1, 0, 1, 1, 1, 0, 0, 0), []uint16{0, 1, 1, 0, 1, 1, 1, 0, 0, 0}},
		{"palette of 4", paletted(4, 0, 1, 2, 3, 3, 2, 1, 0, 0, 1), []uint16{0, 1, 2, 3, 3, 2, 1, 0, 0, 1}},
		{"palette of 16", paletted(16, 0, 15, 2, 3, 14, 2, 1, 0, 0, 1), []uint16{0, 15, 2, 3, 14, 2, 1, 0, 0, 1}},
		{"palette of 256", paletted(256, 0, 255, 20, 3, 14, 2, 1, 0, 0, 200), []uint16{0, 255, 20, 3, 14, 2, 1, 0, 0, 200}},
		{"grey", grey, []uint16{0, 1, 2, 150, 255, 59, 60, 254, 7, 8}},
		{"grey of 16 bits", deep, []uint16{0, 1, 255, 256, 847, 65535, 65534, 1000, 3, 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := DecodeLabels(encoded(t, tt.img), Options{})
			if err != nil || got.W != 5 || got.H != 2 || !slices.Equal(got.Pix, tt.want) {
				t.Errorf("%+v, %v, want 5x2 of %v", got, err, tt.want)
			}
		})
	}
}

// The images of every depth, palette and interlacing of the sweep have
// the colours that their labels stand for.
func TestLabelsStandForColours(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("testdata", "sweep", "png_[03]_*.png"))
	if err != nil || len(paths) < 18 {
		t.Fatalf("%d images, %v, want 18", len(paths), err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parsePNG(data)
		if err != nil {
			t.Fatal(err)
		}
		labels, err := ReadLabels(path, Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		img, err := ReadFile(path, Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		for i, v := range labels.Pix {
			want := [3]byte(img.Pix[3*i:])
			var got [3]byte
			if f.kind == pngPalette {
				got = f.palette[v]
			} else {
				grey := byte(min(255, int(v)))
				if f.depth < 8 {
					grey = byte(int(v) * 255 / (1<<f.depth - 1))
				}
				got = [3]byte{grey, grey, grey}
			}
			if got != want {
				t.Errorf("%s: pixel %d is of label %d and colour %d, want colour %d", filepath.Base(path), i, v, want, got)
				break
			}
		}
	}
}

func TestReadLabelsRefuses(t *testing.T) {
	grey := encoded(t, image.NewGray(image.Rect(0, 0, 40, 30)))
	rgb := image.NewNRGBA(image.Rect(0, 0, 4, 3))
	for i := range rgb.Pix {
		rgb.Pix[i] = byte(i)
	}
	var jpg bytes.Buffer
	if err := jpeg.Encode(&jpg, rgb, nil); err != nil {
		t.Fatal(err)
	}
	huge := bytes.Clone(encoded(t, image.NewGray(image.Rect(0, 0, 1, 1))))
	copy(huge[16:], []byte{0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff})
	for _, tt := range []struct {
		name   string
		data   []byte
		o      Options
		want   string
		hinted bool
	}{
		{"no file of an image", []byte("label"), Options{}, `file beginning "label", want a PNG of indices`, true},
		{"an empty file", nil, Options{}, `file beginning "", want a PNG of indices`, true},
		{"jpeg", jpg.Bytes(), Options{}, "want a PNG of indices", true},
		{"colours", encoded(t, image.NewRGBA64(image.Rect(0, 0, 4, 3))), Options{}, "png: 4 channels, want one of indices", true},
		{"too many pixels", grey, Options{MaxPixels: 1000}, "png: 40x30 pixels, want at most 1000 in all", true},
		{"cut", grey[:len(grey)-30], Options{}, "png: ", false},
		{"header", huge, Options{}, "bad checksum", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "map.png")
			if err := os.WriteFile(path, tt.data, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := ReadLabels(path, tt.o)
			if err == nil || !strings.HasPrefix(err.Error(), "read label map: "+path+": ") || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one of %s with %s", err, path, tt.want)
			}
			var h interface{ Hint() string }
			if errors.As(err, &h) != tt.hinted {
				t.Errorf("error %v has a hint: %v, want %v", err, !tt.hinted, tt.hinted)
			}
		})
	}
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none.png")} {
		if _, err := ReadLabels(path, Options{}); err == nil || !strings.HasPrefix(err.Error(), "read label map: ") || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want one that names it", path, err)
		}
	}
}

func FuzzDecodeLabels(f *testing.F) {
	paths, err := filepath.Glob(filepath.Join("testdata", "sweep", "png_*.png"))
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 1 << 16
		labels, err := DecodeLabels(data, Options{MaxPixels: most})
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		if labels.W < 1 || labels.H < 1 || labels.W*labels.H > most || len(labels.Pix) != labels.W*labels.H {
			t.Fatalf("%dx%d pixels in %d labels", labels.W, labels.H, len(labels.Pix))
		}
		// What is a label map is an image too.
		if _, err := Decode(data, Options{MaxPixels: most}); err != nil {
			t.Errorf("a label map, but no image: %v", err)
		}
	})
}
