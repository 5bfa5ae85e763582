package jpeg

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

func goldens(t testing.TB) map[string][]byte {
	paths, err := filepath.Glob(testutil.Golden("images/*.jpg"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden JPEG files (%v)", err)
	}
	files := map[string][]byte{}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimSuffix(filepath.Base(p), ".jpg")] = b
	}
	return files
}

func TestGolden(t *testing.T) {
	for name, data := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			img, err := Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			if img.Components == 4 {
				t.Skip("the golden is RGB; package imageprep converts and compares it")
			}
			f, err := os.Open(testutil.Golden("images_rgb/" + name + ".png"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			want, err := png.Decode(f)
			if err != nil {
				t.Fatal(err)
			}
			if want.Bounds() != image.Rect(0, 0, img.Width, img.Height) {
				t.Fatalf("%dx%d pixels, want %v", img.Width, img.Height, want.Bounds())
			}
			for i := range img.Width * img.Height {
				x, y := i%img.Width, i/img.Width
				p := img.Pix[i*img.Components:]
				got := color.NRGBA{p[0], p[0], p[0], 255}
				if img.Components == 3 {
					got = color.NRGBA{p[0], p[1], p[2], 255}
				}
				if w := color.NRGBAModel.Convert(want.At(x, y)); got != w {
					t.Fatalf("at %d,%d: got %v, want %v", x, y, got, w)
				}
			}
		})
	}
}

func TestDecodeConfig(t *testing.T) {
	files := goldens(t)
	tests := []struct {
		name string
		want Config
		exif bool
	}{
		{"01_rgb_420_odd", Config{Width: 97, Height: 71, Components: 3}, false},
		{"04_grey", Config{Components: 1}, false},
		{"07_cmyk", Config{Components: 4}, false},
		{"08_progressive_420", Config{Components: 3, Progressive: true}, false},
		{"09_exif_orientation6", Config{Components: 3}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := DecodeConfig(files[test.name])
			if err != nil {
				t.Fatal(err)
			}
			img, err := Decode(files[test.name])
			if err != nil {
				t.Fatal(err)
			}
			if got.Width != img.Width || got.Height != img.Height {
				t.Errorf("%dx%d, but decoded %dx%d", got.Width, got.Height, img.Width, img.Height)
			}
			if got.Components != test.want.Components || got.Progressive != test.want.Progressive {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			tiff := bytes.HasPrefix(got.EXIF, []byte("II*\x00")) || bytes.HasPrefix(got.EXIF, []byte("MM\x00*"))
			if tiff != test.exif {
				t.Errorf("EXIF % x, want a TIFF header: %t", got.EXIF, test.exif)
			}
		})
	}
}

// replaced returns b with its first old replaced.
func replaced(t *testing.T, b []byte, old, new string) []byte {
	t.Helper()
	if !bytes.Contains(b, []byte(old)) {
		t.Fatalf("no % x in the file", old)
	}
	return bytes.Replace(b, []byte(old), []byte(new), 1)
}

func TestRefusals(t *testing.T) {
	sound := goldens(t)["01_rgb_420_odd"]
	progressive := goldens(t)["08_progressive_420"]
	frame := "\xff\xc0\x00\x11\x08"
	size := string(sound[bytes.Index(sound, []byte(frame))+5:][:4])
	scan := bytes.Index(sound, []byte("\xff\xda"))
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "no start marker"},
		{"PNG", []byte("\x89PNG\r\n\x1a\n"), "no start marker"},
		{"only a start", []byte("\xff\xd8"), "truncated"},
		{"no scan", []byte("\xff\xd8\xff\xd9"), "end marker before"},
		{"12 bits", replaced(t, sound, frame, "\xff\xc1\x00\x11\x0c"), "12-bit samples, want 8-bit"},
		{"lossless", replaced(t, sound, frame, "\xff\xc3\x00\x11\x08"), "lossless frame"},
		{"arithmetic", replaced(t, sound, frame, "\xff\xc9\x00\x11\x08"), "arithmetic-coded frame"},
		{"arithmetic progressive", replaced(t, sound, frame, "\xff\xca\x00\x11\x08"), "arithmetic-coded progressive frame"},
		{"hierarchical", replaced(t, sound, frame, "\xff\xc5\x00\x11\x08"), "hierarchical frame"},
		{"no height", replaced(t, sound, frame+size, frame+"\x00\x00"+size[2:]), "want sides of 1 to"},
		{"too large for its bytes", replaced(t, sound, frame+size, frame+"\xff\x00\xff\x00"), "less than a bit for each"},
		{"cut in the scan", sound[:len(sound)-len(sound)/4], "truncated"},
		{"cut before the end marker", sound[:len(sound)-2], "truncated"},
		{"cut in a header", sound[:scan-7], "truncated"},
		{"progressive, cut", progressive[:len(progressive)/2], "truncated"},
		{"progressive, cut, end marker", append(bytes.Clone(progressive[:len(progressive)/2]), 0xff, mEOI), "damaged scan: marker FFD9 after 587 of 950 MCUs"},
		{"progressive, without its last scan", append(bytes.Clone(progressive[:bytes.LastIndex(progressive, []byte("\xff\xda"))]), 0xff, mEOI), "no scan completes coefficient 1"},
		{"progressive, a scan twice", twice(progressive), "bits below 0 of coefficient 0"},
		{"cut, end marker", append(bytes.Clone(sound[:len(sound)-len(sound)/4]), 0xff, mEOI), "damaged scan: marker FFD9 after "},
		{"no quantisation table", replaced(t, sound, "\xff\xdb\x00\x43\x01", "\xff\xfe\x00\x43\x01"), "quantisation table 1 is not defined"},
		{"two frames", bytes.Replace(sound, sound[scan-2:scan], append(bytes.Clone(sound[scan-2:scan]),
			sound[bytes.Index(sound, []byte(frame)):][:19]...), 1), "a second frame"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Decode(test.data)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got error %v, want one with %q", err, test.want)
			}
			if strings.ContainsRune(err.Error(), '\n') || !strings.HasPrefix(err.Error(), "jpeg: ") {
				t.Errorf("error is not one line that begins with the package's name: %q", err)
			}
		})
	}
}

// TestArithmetic: what can be converted is told how.
func TestArithmetic(t *testing.T) {
	_, err := Decode(replaced(t, goldens(t)["01_rgb_420_odd"], "\xff\xc0\x00\x11\x08", "\xff\xc9\x00\x11\x08"))
	var h interface{ Hint() string }
	if !errors.As(err, &h) || !strings.Contains(h.Hint(), "jpegtran") {
		t.Errorf("error %v, want a hint of jpegtran", err)
	}
}

// twice repeats the first scan of a file, from its header to the marker after it.
func twice(b []byte) []byte {
	from := bytes.Index(b, []byte("\xff\xda"))
	to := from + 1
	for b[to] != 0xff || b[to+1] == 0 {
		to++
	}
	return slices.Concat(b[:to], b[from:to], b[to:])
}

// TestNoEndMarker: Pillow reads a sequential file without its end marker if
// enough bytes of anything else follow.
func TestNoEndMarker(t *testing.T) {
	sound := goldens(t)["01_rgb_420_odd"]
	want, err := Decode(sound)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(append(bytes.Clone(sound[:len(sound)-2]), make([]byte, 200)...))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Pix, want.Pix) {
		t.Error("pixels differ from those of the file with its end marker")
	}
}

func FuzzDecode(f *testing.F) {
	for _, data := range goldens(f) {
		f.Add(data)
	}
	few, err := filepath.Glob(filepath.Join("testdata", "sweep", "*.jpg"))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range few {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, configErr := DecodeConfig(data)
		var img *Image
		if !testutil.Parsed(t, testutil.Multiple(len(data), blocksPerByte*512), func() (err error) {
			img, err = Decode(data)
			return err
		}, "jpeg: ") {
			return
		}
		if configErr != nil {
			t.Fatalf("decoded, but DecodeConfig says: %v", configErr)
		}
		if img.Width != c.Width || img.Height != c.Height || img.Components != c.Components ||
			len(img.Pix) != c.Width*c.Height*c.Components {
			t.Fatalf("%dx%dx%d in %d bytes, but DecodeConfig says %+v", img.Width, img.Height, img.Components, len(img.Pix), c)
		}
	})
}

// photo is an image of a photograph's size with detail of every scale, as the
// standard library writes it (4:2:0).
func photo(b *testing.B) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 500, 375))
	state := uint32(1)
	level := [3]int{128, 128, 128}
	for i := range img.Pix {
		state = state*1664525 + 1013904223
		c := i % 4
		if c == 3 {
			continue
		}
		level[c] += int(state>>27) - 15 + (128-level[c])/16
		img.Pix[i] = byte(max(0, min(level[c]+i/6000, 255)))
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: 90}); err != nil {
		b.Fatal(err)
	}
	return buf.Bytes()
}

// BenchmarkDecode compares with the standard library, whose result is still
// subsampled YCbCr, and with what it takes to make RGB of that. Photographs are
// those in the folder that CLIPNH_JPEG_PHOTOS names; scripts/jpeg_sweep.py
// makes some.
func BenchmarkDecode(b *testing.B) {
	files := goldens(b)
	inputs := map[string][]byte{
		"500x375": photo(b), "small": files["01_rgb_420_odd"], "progressive": files["08_progressive_420"], "grey": files["04_grey"],
	}
	if dir := os.Getenv("CLIPNH_JPEG_PHOTOS"); dir != "" {
		paths, err := filepath.Glob(filepath.Join(dir, "*.jpg"))
		if err != nil || len(paths) == 0 {
			b.Fatalf("%s: no .jpg files (%v)", dir, err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				b.Fatal(err)
			}
			inputs[strings.TrimSuffix(filepath.Base(path), ".jpg")] = data
		}
	}
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		data := inputs[name]
		decoders := []struct {
			name   string
			decode func() error
		}{
			{"this", func() error { _, err := Decode(data); return err }},
			{"standard", func() error { _, err := jpeg.Decode(bytes.NewReader(data)); return err }},
			{"standardToRGB", func() error {
				img, err := jpeg.Decode(bytes.NewReader(data))
				if err == nil {
					draw.Draw(image.NewRGBA(img.Bounds()), img.Bounds(), img, image.Point{}, draw.Src)
				}
				return err
			}},
		}
		for _, d := range decoders {
			b.Run(name+"/"+d.name, func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				for b.Loop() {
					if err := d.decode(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
