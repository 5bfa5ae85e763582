package imageprep

import (
	"bytes"
	"compress/lzw"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// gifOf is a GIF file of one frame, side pixels square, on a canvas.
func gifOf(t testing.TB, canvas, side int, pixels []byte) []byte {
	le := binary.LittleEndian
	file := le.AppendUint16(le.AppendUint16([]byte("GIF89a"), uint16(canvas)), uint16(canvas))
	file = append(file, 0, 0, 0, ',', 0, 0, 0, 0)
	file = append(le.AppendUint16(le.AppendUint16(file, uint16(side)), uint16(side)), 0, 8)
	var packed bytes.Buffer
	w := lzw.NewWriter(&packed, lzw.LSB, 8)
	if _, err := w.Write(pixels); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for b := packed.Next(255); len(b) > 0; b = packed.Next(255) {
		file = append(append(file, byte(len(b))), b...)
	}
	return append(file, 0, ';')
}

// riff is a WebP file of chunks, by alternating names and bodies.
func riff(chunks ...string) []byte {
	file := []byte("RIFF\x00\x00\x00\x00WEBP")
	for i := 0; i < len(chunks); i += 2 {
		file = binary.LittleEndian.AppendUint32(append(file, chunks[i]...), uint32(len(chunks[i+1])))
		file = append(file, chunks[i+1]...)
		if len(chunks[i+1])%2 > 0 {
			file = append(file, 0)
		}
	}
	return file
}

// lossless is a lossless frame of one colour: each of its five codes has a
// single symbol, so that its pixels take no bits at all.
func lossless(side int) string {
	bits := uint64(side-1) | uint64(side-1)<<14 // and no alpha, version 0
	at := 32
	at += 3 // no transform, no colour cache, one group of codes
	for range 5 {
		bits |= 1 << at // a simple code: one symbol, of one bit, 0
		at += 4
	}
	return "\x2f" + string(binary.LittleEndian.AppendUint64(nil, bits))
}

// lossy is the header of a lossy key frame, and partitions of nothing.
func lossy(side int) string {
	b := []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a}
	b = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, uint16(side)), uint16(side))
	return string(b)
}

// extended is the body of a VP8X chunk that claims a canvas.
func extended(side int) string {
	n := uint32(side - 1)
	return string([]byte{0, 0, 0, 0, byte(n), byte(n >> 8), byte(n >> 16), byte(n), byte(n >> 8), byte(n >> 16)})
}

// bmpOf is a BMP file's headers, with a palette of two colours at one bit.
func bmpOf(side uint32, bits uint16) []byte {
	le := binary.LittleEndian
	offset := uint32(54)
	if bits == 1 {
		offset += 8
	}
	b := le.AppendUint32(append([]byte("BM"), make([]byte, 8)...), offset)
	b = le.AppendUint32(le.AppendUint32(le.AppendUint32(b, 40), side), side)
	b = le.AppendUint16(le.AppendUint16(b, 1), bits)
	b = append(b, make([]byte, 24)...)
	return append(b, make([]byte, offset-54)...)
}

// resized gives the first frame of a JPEG file another size.
func resized(t testing.TB, name string, side int) []byte {
	data, err := os.ReadFile(testutil.Golden("images/" + name))
	if err != nil {
		t.Fatal(err)
	}
	at := max(bytes.Index(data, []byte("\xff\xc0\x00\x11\x08")), bytes.Index(data, []byte("\xff\xc2\x00\x11\x08")))
	if at < 0 {
		t.Fatalf("%s: no frame of three components", name)
	}
	binary.BigEndian.PutUint16(data[at+5:], uint16(side))
	binary.BigEndian.PutUint16(data[at+7:], uint16(side))
	return data
}

// TestHugeHeaders: what claims more than may be is refused before anything of
// that size is there.
func TestHugeHeaders(t *testing.T) {
	one := lossless(1)
	for name, file := range map[string][]byte{
		"png":              testutil.PNG{W: 65535, H: 65535, Depth: 8, Kind: pngRGB}.File(testutil.Zlib(t, make([]byte, 1<<20))),
		"png, 2^31-1":      testutil.PNG{W: 1<<31 - 1, H: 1<<31 - 1, Depth: 16, Kind: pngRGBA, Interlace: 1}.File(testutil.Zlib(t, nil)),
		"gif's canvas":     gifOf(t, 65535, 1, []byte{0}),
		"gif's frame":      gifOf(t, 1, 65535, []byte{0}),
		"webp's canvas":    riff("VP8X", extended(65535), "VP8L", one),
		"webp, 2^24":       riff("VP8X", extended(1<<24), "VP8L", one),
		"webp, lossless":   riff("VP8L", lossless(16384)),
		"webp, lossy":      riff("VP8 ", lossy(16383)),
		"webp's animation": riff("VP8X", extended(65535), "ANMF", strings.Repeat("\x00", 16)+"VP8L"+"\x09\x00\x00\x00"+one),
		"bmp":              bmpOf(65535, 24),
		"bmp, 1 bit":       bmpOf(65535, 1),
		"jpeg":             resized(t, "02_rgb_444_64x64.jpg", 65535),
		"jpeg, 65500":      resized(t, "02_rgb_444_64x64.jpg", 65500),
		"progressive":      resized(t, "08_progressive_420.jpg", 65500),
	} {
		t.Run(name, func(t *testing.T) {
			if testutil.Parsed(t, testutil.Multiple(len(file), 8), func() error {
				_, err := Decode(file, Options{})
				return err
			}, " pixels, want ") {
				t.Error("no error")
			}
		})
	}
}

// TestClaimsBeyondTheData: sizes below the bound on pixels, but that so short a
// file cannot hold.
func TestClaimsBeyondTheData(t *testing.T) {
	for name, file := range map[string][]byte{
		"png":         testutil.PNG{W: 13000, H: 13000, Depth: 8, Kind: pngRGB}.File(testutil.Zlib(t, make([]byte, 1<<10))),
		"gif":         gifOf(t, 1, 13000, make([]byte, 1<<10)),
		"webp, lossy": riff("VP8 ", lossy(13000)+strings.Repeat("\x00", 100)),
		"bmp":         bmpOf(13000, 24),
		"jpeg":        resized(t, "02_rgb_444_64x64.jpg", 13000),
		"progressive": resized(t, "08_progressive_420.jpg", 13000),
	} {
		t.Run(name, func(t *testing.T) {
			if testutil.Parsed(t, testutil.Multiple(len(file), 8), func() error {
				_, err := Decode(file, Options{})
				return err
			}, "13000x13000 pixels", "truncated") {
				t.Error("no error")
			}
		})
	}
}

// TestFewBytes: an image of more than freePixels needs some bytes, whatever its
// format spends on a pixel.
func TestFewBytes(t *testing.T) {
	const side = 13000
	canvas := []byte("GIF89a\xc8\x32\xc8\x32\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00;") // 35 bytes: one pixel on 13000x13000
	for name, file := range map[string][]byte{
		"gif's canvas":   canvas,
		"webp's canvas":  riff("VP8X", extended(side), "VP8L", lossless(1)),
		"webp, lossless": riff("VP8L", lossless(side)),
	} {
		t.Run(name, func(t *testing.T) {
			if testutil.Parsed(t, testutil.Multiple(len(file), 8), func() error {
				_, err := Decode(file, Options{})
				return err
			}, "bytes of data for 13000x13000 pixels", "truncated") {
				t.Error("no error")
			}
		})
	}
	for name, file := range map[string][]byte{
		"gif's canvas":   gifOf(t, 4000, 1, []byte{0}),
		"webp, lossless": riff("VP8L", lossless(4000)),
	} {
		if _, err := Decode(file, Options{}); err != nil {
			t.Errorf("%s of 4000x4000 pixels: %v", name, err)
		}
	}
}

// TestBombs decodes files of few bytes that honestly make many pixels, or that
// would go on making bytes behind them.
func TestBombs(t *testing.T) {
	const side = 1024
	for name, test := range map[string]struct {
		file []byte
		want string // of the error; empty when it is an image
	}{
		"png":              {testutil.PNG{W: side, H: side, Depth: 8, Kind: pngRGB}.File(testutil.Zlib(t, make([]byte, side*(1+3*side)))), ""},
		"png, 16 bits":     {testutil.PNG{W: side, H: side, Depth: 16, Kind: pngRGBA}.File(testutil.Zlib(t, make([]byte, side*(1+8*side)))), ""},
		"png, 1 bit":       {testutil.PNG{W: side, H: side, Depth: 1, Kind: pngPalette, Palette: []byte{1, 2, 3}}.File(testutil.Zlib(t, make([]byte, side*(1+side/8)))), ""},
		"png, stretched":   {testutil.PNG{W: side * side, H: 1, Depth: 1, Kind: pngGrey, Interlace: 1}.File(testutil.Zlib(t, make([]byte, 8+side*side/8))), ""},
		"png that goes on": {testutil.PNG{W: 4, H: 4, Depth: 8, Kind: pngRGB}.File(testutil.Zlib(t, make([]byte, 16<<20))), "goes on for more than 1048576 bytes after the last row"},
		"gif":              {gifOf(t, side, side, make([]byte, side*side)), ""},
		"gif that goes on": {gifOf(t, 4, 4, make([]byte, 16<<20)), ""},
		"gif's canvas":     {gifOf(t, side, 1, []byte{0}), ""},
		"webp":             {riff("VP8L", lossless(side)), ""},
		"webp's canvas":    {riff("VP8X", extended(side), "VP8L", lossless(1)), ""},
		"webp, lossy":      {riff("VP8 ", lossy(side)+strings.Repeat("\x00", side)), "EOF"},
		"bmp, 1 bit":       {append(bmpOf(side, 1), make([]byte, side*side/8)...), ""},
		"jpeg":             {bytes.Replace(resized(t, "02_rgb_444_64x64.jpg", side), []byte("\xff\xd9"), make([]byte, 2*side*side), 1), ""},
		"jpeg that ends":   {append(resized(t, "02_rgb_444_64x64.jpg", side), make([]byte, 3*side*side/64/8)...), "damaged scan: marker FFD9"},
		"progressive":      {append(resized(t, "08_progressive_420.jpg", side), make([]byte, 3*side*side/64/8)...), "damaged scan: marker FF"},
	} {
		t.Run(name, func(t *testing.T) {
			var img *RGB
			decode := func() (err error) {
				img, err = Decode(test.file, Options{MaxPixels: side * side})
				return err
			}
			good := testutil.Parsed(t, mostAllocated(side*side, len(test.file)), decode, test.want)
			if good != (test.want == "") {
				t.Errorf("decoded: %t, want the error %q", good, test.want)
			}
			if good && img.W*img.H > side*side {
				t.Errorf("%dx%d pixels", img.W, img.H)
			}
			t.Logf("%d bytes of file, %d bytes allocated", len(test.file), testutil.Allocated(func() { decode() }))
		})
	}
}

// TestLargeTakeTurns: while a large image is decoded another one waits, small
// ones do not, and the turn is given back after an error too.
func TestLargeTakeTurns(t *testing.T) {
	failure := errors.New("damage")
	formatOf := func(side int) *format {
		return &format{decode: func(_ []byte, admit admission, _ bool) (*raster, notes, error) {
			for range 2 { // some formats have two sizes to ask for
				if err := admit(side, side); err != nil {
					return nil, notes{}, err
				}
			}
			return nil, notes{}, failure
		}}
	}
	const side = 6000
	large.Lock()
	done := make(chan error)
	go func() {
		_, _, err := formatOf(side).admitted(make([]byte, side), Options{}, false)
		done <- err
	}()
	if _, _, err := formatOf(side/2).admitted(nil, Options{}, false); err != failure {
		t.Errorf("a small image: %v", err)
	}
	select {
	case err := <-done:
		t.Errorf("a large image did not wait: %v", err)
	default:
	}
	large.Unlock()
	if err := <-done; err != failure {
		t.Errorf("a large image: %v", err)
	}
	if !large.TryLock() {
		t.Fatal("the turn was not given back")
	}
	large.Unlock()
	if _, _, err := formatOf(65535).admitted(nil, Options{}, false); err == nil || err == failure {
		t.Errorf("an image too large: %v", err)
	}
}

// FuzzPNG puts pixel data into chunks with right checksums, and into a zlib
// stream, which a fuzzer could not keep right.
func FuzzPNG(f *testing.F) {
	f.Add(uint32(2), uint32(2), byte(8), byte(pngRGB), byte(0), []byte(nil), []byte("\x00123456\x01123456"), true)
	f.Add(uint32(9), uint32(9), byte(4), byte(pngPalette), byte(1), []byte("123456"), bytes.Repeat([]byte{2}, 100), true)
	f.Add(uint32(3), uint32(2), byte(16), byte(pngGreyAlpha), byte(0), []byte(nil), []byte("\x03123456789012\x04123456789012"), true)
	f.Add(uint32(65535), uint32(1), byte(1), byte(pngGrey), byte(1), []byte(nil), []byte("\x78\x01"), false)
	f.Fuzz(func(t *testing.T, w, h uint32, depth, kind, interlace byte, colours, raw []byte, pack bool) {
		if pack {
			raw = testutil.Zlib(t, raw)
		}
		checkDecoded(t, testutil.PNG{W: w, H: h, Depth: depth, Kind: kind, Interlace: interlace, Palette: colours}.File(raw), false)
	})
}
