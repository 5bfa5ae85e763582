package imageprep

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

func TestShorterSide(t *testing.T) {
	tests := []struct{ w, h, size, wantW, wantH int }{
		{500, 375, 384, 512, 384},
		{375, 500, 384, 384, 512},
		{500, 333, 224, 336, 224}, // 336.3
		{64, 64, 64, 64, 64},
		{100, 100, 7, 7, 7},
		{90, 1, 64, 5760, 64},
		{1, 90, 64, 64, 5760},
		{3, 7, 5, 5, 11}, // 11.67, cut
	}
	for _, test := range tests {
		if w, h := ShorterSide(test.w, test.h, test.size); w != test.wantW || h != test.wantH {
			t.Errorf("ShorterSide(%d, %d, %d) = %d, %d, want %d, %d", test.w, test.h, test.size, w, h, test.wantW, test.wantH)
		}
	}
}

// TestWrongName reads a PNG file by the name of a JPEG file.
func TestWrongName(t *testing.T) {
	data, err := os.ReadFile(testutil.Golden("images/00_rgb.png"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "n01440764_10026.JPEG")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := Decode(data, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := differ(got, want); err != nil {
		t.Error(err)
	}
}

// TestUpright turns an image of six pixels by every orientation.
func TestUpright(t *testing.T) {
	src := newRGB(3, 2)
	for i := range 6 {
		src.set(i, byte('a'+i), 0, 0) // abc over def
	}
	want := []string{0: "abc def", 1: "abc def", 2: "cba fed", 3: "fed cba", 4: "def abc",
		5: "ad be cf", 6: "da eb fc", 7: "fc eb da", 8: "cf be ad", 9: "abc def"}
	for orientation, rows := range want {
		img := rasterOf(src).upright(orientation).rgb()
		var got []byte
		for i := range 6 {
			if i > 0 && i%img.W == 0 {
				got = append(got, ' ')
			}
			got = append(got, img.Pix[3*i])
		}
		if string(got) != rows {
			t.Errorf("orientation %d: got %s, want %s", orientation, got, rows)
		}
	}
}

func TestOrientation(t *testing.T) {
	entry := "\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
	tests := []struct {
		name, exif string
		want       int
	}{
		{"none", "", 1},
		{"big-endian", "MM\x00*\x00\x00\x00\x08\x00\x01" + entry, 6},
		{"with its marker", "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01" + entry, 6},
		{"little-endian", "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x08\x00\x00\x00", 8},
		{"not TIFF", "MM\x00+\x00\x00\x00\x08\x00\x01" + entry, 1},
		{"directory outside", "MM\x00*\xff\xff\xff\xff\x00\x01" + entry, 1},
		{"directory cut", "MM\x00*\x00\x00\x00\x08\xff\xff" + entry[:9], 1},
		{"another tag", "MM\x00*\x00\x00\x00\x08\x00\x01\x01\x13" + entry[2:], 1},
		{"another type", "MM\x00*\x00\x00\x00\x08\x00\x01" + entry[:3] + "\x02" + entry[4:], 1},
	}
	for _, test := range tests {
		if got := (notes{exif: []byte(test.exif)}).orientation(); got != test.want {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want)
		}
	}
}

// TestXMPOrientation: XMP is asked where EXIF says nothing.
func TestXMPOrientation(t *testing.T) {
	const exif = "MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x03\x00\x00"
	for _, test := range []struct {
		exif, xmp string
		want      int
	}{
		{"", `<rdf:Description tiff:Orientation="6" xmlns:tiff="http://ns.adobe.com/tiff/1.0/">`, 6},
		{"", `<tiff:Orientation>8</tiff:Orientation>`, 8},
		{"damaged", `<tiff:Orientation>8</tiff:Orientation>`, 8},
		{exif, `<tiff:Orientation>8</tiff:Orientation>`, 3},
		{"", `<tiff:Orientation>x</tiff:Orientation>`, 1},
		{"", `tiff:Orientation="`, 1},
	} {
		if got := (notes{[]byte(test.exif), []byte(test.xmp)}).orientation(); got != test.want {
			t.Errorf("EXIF %q, XMP %q: got %d, want %d", test.exif, test.xmp, got, test.want)
		}
	}
}

// pngHeader is a PNG file of a header and no data.
func pngHeader(w, h uint32, depth, kind byte) string {
	b := append([]byte("IHDR"), binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)...)
	b = append(b, depth, kind, 0, 0, 0)
	return pngMagic + "\x00\x00\x00\x0d" + string(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))) +
		"\x00\x00\x00\x02IDAT\x78\x01\x00\x00\x00\x00\x00\x00\x00\x00IEND\xae\x42\x60\x82"
}

func TestRefusals(t *testing.T) {
	read := func(name string) string {
		data, err := os.ReadFile(testutil.Golden(name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	sound, jpeg := read("images/00_rgb.png"), read("images/02_rgb_444_64x64.jpg")
	gif := "GIF89a\x02\x00\x02\x00\x00\x00\x00,\x00\x00\x00\x00\x02\x00\x02\x00\x00\x02"
	tests := []struct{ name, data, want string }{
		{"empty", "", "empty file"},
		{"text", "not an image\n", `unknown format beginning "not an image", want JPEG, PNG, WebP, GIF, BMP, TIFF or PNM`},
		{"huge PNG", pngHeader(65535, 65535, 8, 2), "png: 65535x65535 pixels, want at most 178956970 in all"},
		{"PNG too large for its data", pngHeader(10000, 10000, 8, 2), "png: 59 bytes of data for 10000x10000 pixels: file is truncated"},
		{"PNG of no width", pngHeader(0, 5, 8, 2), "png: 0x5 pixels, want at least one"},
		{"PNG of 4-bit RGB", pngHeader(5, 5, 4, 2), "png: colour type 2 with 4 bits"},
		{"PNG of colour type 5", pngHeader(5, 5, 8, 5), "png: colour type 5 with 8 bits"},
		{"PNG cut in half", sound[:len(sound)/2], "png: pixel data ends at row"},
		{"PNG with a bad header", sound[:20] + "x" + sound[21:], `png: chunk "IHDR": bad checksum`},
		{"PNG without a header", pngMagic + sound[33:], `png: first chunk is "IDAT", want IHDR`},
		{"huge JPEG", strings.Replace(jpeg, "\x00\x11\x08\x00\x40\x00\x40", "\x00\x11\x08\xff\x00\xff\x00", 1), "jpeg: 65280x65280 pixels, want at most"},
		{"JPEG cut in half", jpeg[:len(jpeg)/2], "jpeg: file is truncated"},
		{"JPEG of 12 bits", strings.Replace(jpeg, "\xff\xc0\x00\x11\x08", "\xff\xc1\x00\x11\x0c", 1), "jpeg: 12-bit samples, want 8-bit"},
		{"huge GIF", "GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\x02\x00\x02\x00\x00\x02", "gif: 65535x65535 pixels, want at most"},
		{"GIF without a frame", gif[:13] + ";", "gif: no frame before the end"},
		{"GIF cut in its frame", gif, "gif: pixel data ends before row 0 of 2"},
		{"GIF of 1-bit codes", gif[:len(gif)-1] + "\x01", "gif: codes of 1 bits, want 2 to 8"},
		{"huge WebP", "RIFF\x00\x00\x00\x00WEBPVP8L\x05\x00\x00\x00\x2f\xff\xff\xff\x0f", "webp: 16384x16384 pixels, want at most"},
		{"WebP without an image", "RIFF\x00\x00\x00\x00WEBP", "webp: no image"},
		{"WebP cut", "RIFF\x00\x00\x00\x00WEBPVP8 \xff\x00\x00\x00", `webp: chunk "VP8 " of 255 bytes: file is truncated`},
		{"huge BMP", "BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\xff\xff\x00\x00\xff\xff\x00\x00\x01\x00\x18\x00" +
			strings.Repeat("\x00", 24), "bmp: 65535x65535 pixels, want at most"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "picture.JPEG")
			if err := os.WriteFile(path, []byte(test.data), 0o644); err != nil {
				t.Fatal(err)
			}
			err := preprocess(make([]float32, 3*side*side), path)
			want := "read image: " + path + ": " + test.want
			if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got error %v, want one line beginning %s", err, want)
			}
		})
	}
	if _, err := ReadFile(filepath.Join(t.TempDir(), "none.png"), Options{}); err == nil || !strings.Contains(err.Error(), "none.png") {
		t.Errorf("missing file: got error %v, want one with its name", err)
	}
}

func TestMaxPixels(t *testing.T) {
	path := testutil.Golden("images/02_rgb_444_64x64.jpg")
	if _, err := ReadFile(path, Options{MaxPixels: 64 * 64}); err != nil {
		t.Errorf("as many pixels as allowed: %v", err)
	}
	if _, err := ReadFile(path, Options{MaxPixels: 64*64 - 1}); err == nil {
		t.Error("one pixel more than allowed: no error")
	}
}

// TestConcurrent has many goroutines at the same images; with -race it
// shows that they share nothing they write.
func TestConcurrent(t *testing.T) {
	paths := goldenPaths(t, "images/*")
	want := preprocessed(t, paths)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			n := 3 * side * side
			got := make([]float32, n)
			for i, path := range paths {
				err := preprocess(got, path)
				if err == nil {
					err = sameBits(got, want[i*n:(i+1)*n])
				}
				if err != nil {
					t.Errorf("%s: %v", filepath.Base(path), err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzDecode(f *testing.F) {
	paths, err := filepath.Glob(filepath.Join("testdata", "sweep", "*"))
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range append(paths, goldenPaths(f, "images/*")...) {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if !strings.HasSuffix(path, ".want") {
			f.Add(data, true)
		}
	}
	f.Fuzz(checkDecoded)
}

// checkDecoded decodes fuzzed bytes and holds what comes out to the package's
// promises.
func checkDecoded(t *testing.T, data []byte, exif bool) {
	const most = 1 << 16
	var img *RGB
	if !testutil.Parsed(t, mostAllocated(most, len(data)), func() (err error) {
		img, err = Decode(data, Options{EXIF: exif, MaxPixels: most})
		return err
	}) {
		return
	}
	if img.W < 1 || img.H < 1 || img.W*img.H > most || len(img.Pix) != 3*img.W*img.H {
		t.Fatalf("%dx%d pixels in %d bytes", img.W, img.H, len(img.Pix))
	}
	var labels *Labels
	if testutil.Parsed(t, mostAllocated(most, len(data)), func() (err error) {
		labels, err = DecodeLabels(data, Options{MaxPixels: most})
		return err
	}) && !exif && (labels.W != img.W || labels.H != img.H || len(labels.Pix) != img.W*img.H) {
		t.Errorf("label map of %dx%d in %d values, image of %dx%d", labels.W, labels.H, len(labels.Pix), img.W, img.H)
	}
}

func BenchmarkPreprocess(b *testing.B) {
	src := newRGB(500, 375)
	for i := range src.Pix {
		src.Pix[i] = byte(i*7 + i/500)
	}
	for _, size := range []int{224, 384} {
		b.Run(fmt.Sprintf("rgb=500x375/size=%d", size), func(b *testing.B) {
			dst := make([]float32, 3*size*size)
			for b.Loop() {
				Channels{}.Normalize(dst, Square(src, size, Shortest))
			}
		})
	}
	path := testutil.Golden("images/08_progressive_420.jpg")
	b.Run("file="+filepath.Base(path)+"/size=64", func(b *testing.B) {
		dst := make([]float32, 3*side*side)
		for b.Loop() {
			if err := preprocess(dst, path); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// mostAllocated returns how many bytes decoding may allocate, as the package promises,
// for a file of size bytes and a limit of pixels. JPEG blocks extend beyond the image
// edges, by at most 31 samples each way.
func mostAllocated(pixels, size int) int64 {
	const edge = 32 * 2 * 65536
	return int64(pixelBytes)*int64(pixels+edge) + 8*int64(size) + testutil.Slack
}

// Every byte of every channel comes back.
func TestDenormalize(t *testing.T) {
	img := &RGB{Pix: make([]byte, 3*256), W: 16, H: 16}
	for i := range img.Pix {
		img.Pix[i] = byte(i/3 + 85*(i%3))
	}
	for _, c := range []Channels{
		{}, {Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.5, 0.5, 0.5}}, {Std: [3]float32{1, 1, 1}},
		{Mean: [3]float32{-mostChannel, 0, mostChannel}, Std: [3]float32{leastStd, 1, mostChannel}},
	} {
		normal := make([]float32, len(img.Pix))
		c.Normalize(normal, img)
		if got := c.Denormalize(normal, 16, 16); got.W != 16 || got.H != 16 || !bytes.Equal(got.Pix, img.Pix) {
			t.Errorf("%v: an image that was normalised does not come back", c)
		}
	}
}
