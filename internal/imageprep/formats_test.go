package imageprep

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// sweepFiles returns the images of testdata/sweep by a pattern, with their names.
func sweepFiles(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "sweep", pattern))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(path, ".want") {
			files[filepath.Base(path)] = data
		}
	}
	if len(files) == 0 {
		t.Fatalf("no files %s", pattern)
	}
	return files
}

// TestCut cuts files at every place: what is short of its pixels is an error,
// what is not has the pixels of the whole.
func TestCut(t *testing.T) {
	for _, pattern := range []string{"bmp_*.bmp", "pnm_*", "tiff_*.tif", "gif_*.gif", "jpeg_*.jpg", "png_*.png", "webp_*.webp"} {
		refused := 0
		for name, data := range sweepFiles(t, pattern) {
			whole, err := Decode(data, Options{})
			if err != nil {
				t.Fatal(err)
			}
			step := max(1, len(data)/200)
			for n := 0; n < len(data); n += step {
				img, err := Decode(data[:n], Options{})
				switch {
				case err == nil && !bytes.Equal(img.Pix, whole.Pix):
					t.Errorf("%s, the first %d bytes of %d: no error, other pixels", name, n, len(data))
				case err != nil:
					refused++
				}
			}
		}
		if refused == 0 {
			t.Errorf("%s: none refused", pattern)
		}
	}
}

// rle is a BMP file of 4x3 pixels with a palette of greys, 17 times their number.
func rle(compression byte, data string) []byte {
	le := binary.LittleEndian
	bits := uint16(8)
	if compression == bmpRLE4 {
		bits = 4
	}
	b := le.AppendUint32(append([]byte("BM"), make([]byte, 8)...), 54+64)
	b = le.AppendUint32(le.AppendUint32(le.AppendUint32(b, 40), 4), 3)
	b = le.AppendUint16(le.AppendUint16(b, 1), bits)
	b = append(b, compression, 0, 0, 0)
	b = append(b, make([]byte, 12)...)
	b = le.AppendUint32(le.AppendUint32(b, 16), 0)
	for i := range byte(16) {
		b = append(b, 17*i, 17*i, 17*i, 0)
	}
	return append(b, data...)
}

// TestRunLengths reads what Pillow does not read right.
func TestRunLengths(t *testing.T) {
	for _, test := range []struct {
		name        string
		compression byte
		data        string
		want        string // rows from the top, hexadecimal; or the error
	}{
		{"odd nibbles", bmpRLE4, "\x00\x03\x12\x30\x01\x40\x00\x00\x04\x56\x00\x00\x04\x78\x00\x01", "7878 5656 1234"},
		{"empty row", bmpRLE8, "\x04\x01\x00\x00\x00\x00\x04\x02\x00\x01", "2222 0000 1111"},
		{"step", bmpRLE8, "\x01\x05\x00\x02\x01\x02\x02\x07\x00\x01", "0077 0000 5000"},
		{"beyond the row", bmpRLE8, "\x06\x01\x00\x00\x03\x02\x00\x04\x03\x04\x05\x06\x00\x00\x04\x07\x00\x01", "7777 2223 1111"},
		{"the end too early", bmpRLE8, "\x04\x01\x00\x00\x04\x02\x00\x01", "bmp: pixel data ends in row 1 of 3: file is truncated"},
		{"cut", bmpRLE8, "\x04\x01\x00\x00\x00\x04\x01", "bmp: pixel data ends in row 1 of 3: file is truncated"},
	} {
		img, err := Decode(rle(test.compression, test.data), Options{})
		if err != nil {
			if err.Error() != test.want {
				t.Errorf("%s: error %v, want %s", test.name, err, test.want)
			}
			continue
		}
		var got []byte
		for i := range 12 {
			if i > 0 && i%4 == 0 {
				got = append(got, ' ')
			}
			got = append(got, "0123456789abcdef"[img.Pix[3*i]/17])
		}
		if string(got) != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

// tiffOf is a TIFF file of one strip at its end, with tags in pairs.
func tiffOf(strip []byte, tags ...uint16) []byte {
	le := binary.LittleEndian
	n := len(tags)/2 + 2
	size := 10 + 12*n + 4
	b := le.AppendUint32([]byte("II*\x00"), 8)
	b = le.AppendUint16(b, uint16(n))
	entry := func(tag uint16, v uint32) {
		b = le.AppendUint32(le.AppendUint32(le.AppendUint16(le.AppendUint16(b, tag), 4), 1), v)
	}
	entry(tiffStripOffsets, uint32(size))
	entry(tiffStripCounts, uint32(len(strip)))
	for i := 0; i < len(tags); i += 2 {
		entry(tags[i], uint32(tags[i+1]))
	}
	return append(append(b, 0, 0, 0, 0), strip...)
}

// tiled makes a tile of the strip.
func tiled(b []byte) []byte {
	binary.LittleEndian.PutUint16(b[10:], tiffTileOffsets)
	binary.LittleEndian.PutUint16(b[22:], tiffTileCounts)
	return b
}

func TestOtherRefusals(t *testing.T) {
	grey := []uint16{tiffWidth, 4, tiffHeight, 3, tiffBits, 8, tiffPhotometric, 1}
	with := func(tags ...uint16) []byte { return tiffOf(make([]byte, 12), append(slices.Clone(grey), tags...)...) }
	if _, err := Decode(with(), Options{}); err != nil {
		t.Fatal(err)
	}
	bmp := sweepFiles(t, "bmp_0003_RGB.bmp")["bmp_0003_RGB.bmp"]
	changed := func(at int, with ...byte) []byte { b := bytes.Clone(bmp); copy(b[at:], with); return b }
	for _, test := range []struct {
		name string
		data []byte
		want string
	}{
		{"TIFF of JPEG", with(tiffCompression, 7), "tiff: compression 7 JPEG, want none, LZW, Deflate or PackBits"},
		{"TIFF of fax", with(tiffCompression, 4), "tiff: compression 4 CCITT fax 4, want none"},
		{"TIFF of YCbCr", with(tiffPhotometric, 6), "tiff: photometric interpretation 6, want grey, RGB, a palette or CMYK"},
		{"TIFF of floats", with(tiffSampleFormat, 3), "tiff: samples of format 3, want whole numbers"},
		{"TIFF of 12 bits", with(tiffBits, 12), "tiff: 1 samples of 12 bits with photometric interpretation 1"},
		{"TIFF of many samples", with(tiffSamples, 200), "tiff: 200 samples a pixel, want 1 to 6"},
		{"TIFF without its palette", with(tiffPhotometric, 3), "tiff: indices into a palette, and no palette"},
		{"TIFF of no width", with(tiffWidth, 0), "tiff: 0x3 pixels, want at least one"},
		{"TIFF of huge tiles", tiled(with(tiffTileWidth, 60000, tiffTileHeight, 60000)), "tiff: tiles of 60000x60000 pixels for 4x3"},
		{"TIFF of tiles of no size", tiled(with(tiffTileWidth, 16)), "tiff: tiles of 16x0 pixels, want at least one"},
		{"TIFF with floating predictor", with(tiffCompression, 8, tiffPredictor, 3), "tiff: predictor 3 with 8 bits"},
		{"TIFF with damaged LZW", tiffOf([]byte("\xff\xff\xff\xff"), append(slices.Clone(grey), tiffCompression, 5)...), "tiff: pixel data ends at row 0 of 3: damaged LZW data"},
		{"TIFF without pixels", tiffOf(nil, grey...), "tiff: block 0 of pixels: file is truncated"},
		{"TIFF with a strip of many", with(tiffRowsPerStrip, 1), "tiff: 1 blocks of pixels of 3 are listed: file is truncated"},
		{"TIFF without a directory", []byte("II*\x00\xff\xff\x00\x00"), "tiff: file is truncated"},
		{"BigTIFF", []byte("II+\x00\x08\x00\x00\x00"), "BigTIFF, want JPEG"},
		{"BMP of another header", changed(14, 16), "bmp: header of 16 bytes, want one of [12 40"},
		{"BMP of JPEG", changed(30, 4), "bmp: compression 4, want none, RLE or bit fields"},
		{"BMP of 3 bits", changed(28, 3), "bmp: 3 bits a pixel with compression 0"},
		{"BMP of RLE with 24 bits", changed(30, 1), "bmp: 24 bits a pixel with compression 1, want one of [8]"},
		{"BMP with odd fields", changed(28, 16, 0, 3), "bmp: bit fields"},
		{"plain PGM", []byte("P2\n1 1\n255\n7\n"), "pnm: format P2, numbers as text, want the raw formats P4 to P6"},
		{"PPM without a size", []byte("P6\n# nothing"), "pnm: width: file is truncated"},
		{"PPM of a strange size", []byte("P6\n-3 4\n255\n"), `pnm: width "-3", want a number`},
		{"PPM of a long number", []byte("P6\n1234567890123 4\n255\n"), `pnm: width "12345678901"..., want a number`},
		{"PGM of nothing", []byte("P5 1 1 0 "), "pnm: largest value 0, want 1 to 65535"},
		{"PGM of 32 bits", []byte("P5 1 1 65536 "), "pnm: largest value 65536, want 1 to 65535"},
		{"huge PBM", []byte("P4 65535 65535 "), "pnm: 65535x65535 pixels, want at most"},
		{"PBM too large for its data", []byte("P4 10000 1000 "), "pnm: 0 bytes of data for 10000x1000 pixels: file is truncated"},
		{"PAM", []byte("P7\nWIDTH 1\n"), "PAM, want JPEG"},
	} {
		if testutil.Parsed(t, testutil.Multiple(len(test.data), 8), func() error { _, err := Decode(test.data, Options{}); return err }, test.want) {
			t.Errorf("%s: no error, want %s", test.name, test.want)
		}
	}
}

// TestTIFFChecksum: a wrong checksum behind the pixels is noticed, as in PNG files.
func TestTIFFChecksum(t *testing.T) {
	packed := testutil.Zlib(t, []byte("abcdefghijkl"))
	tags := []uint16{tiffWidth, 4, tiffHeight, 3, tiffBits, 8, tiffPhotometric, 1, tiffCompression, 8}
	if _, err := Decode(tiffOf(packed, tags...), Options{}); err != nil {
		t.Fatal(err)
	}
	packed[len(packed)-1] ^= 1
	if _, err := Decode(tiffOf(packed, tags...), Options{}); err == nil || !strings.Contains(err.Error(), "invalid checksum") {
		t.Errorf("error %v, want one of the checksum", err)
	}
}

// TestMoreBombs decodes files of few bytes that honestly make many pixels.
func TestMoreBombs(t *testing.T) {
	const side = 1024
	tags := func(more ...uint16) []uint16 {
		return append([]uint16{tiffWidth, side, tiffHeight, side, tiffBits, 8, tiffPhotometric, 1}, more...)
	}
	run := strings.Repeat("\xff\x07", 4) + "\x04\x07\x00\x00"
	bmp := append(bmpOf(side, 8)[:54:54], strings.Repeat(run, side)...)
	bmp[30], bmp[46] = bmpRLE8, 1
	copy(bmp[10:], "\x3a\x00")
	bmp = slices.Insert(bmp, 54, 0, 0, 0, 0)
	for name, file := range map[string][]byte{
		"tiff, packbits": tiffOf(bytes.Repeat([]byte("\x81\x07"), side*side/128), tags(tiffCompression, 32773)...),
		"tiff, deflate":  tiffOf(testutil.Zlib(t, make([]byte, side*side)), tags(tiffCompression, 8, tiffPredictor, 2)...),
		"tiff, reversed": tiffOf(make([]byte, side*side), tags(tiffFillOrder, 2)...),
		"tiff, turned":   tiffOf(make([]byte, side*side), tags(tiffOrientation, 6)...),
		"bmp, runs":      bmp,
		"pgm, 16 bits":   append([]byte("P5 1024 1024 65535 "), make([]byte, 2*side*side)...),
		"pbm":            append([]byte("P4 1024 1024 "), make([]byte, side*side/8)...),
	} {
		for _, order := range []Order{ConvertFirst, ResizeFirst} {
			if !testutil.Parsed(t, mostAllocated(side*side, len(file))-32*2*65536*pixelBytes, func() error {
				_, err := decodeSquare(file, Options{Order: order}, Input{Side: 224})
				return err
			}) {
				t.Errorf("%s: an error", name)
			}
		}
	}
}

// TestFirstOfMany: of an MPO file, JPEG files one after the other, the first is
// the image.
func TestFirstOfMany(t *testing.T) {
	files := goldenPaths(t, "images/*.jpg")
	first, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(files[1])
	if err != nil {
		t.Fatal(err)
	}
	want, err := Decode(first, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(slices.Concat(first, second), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := differ(got, want); err != nil {
		t.Error(err)
	}
}
