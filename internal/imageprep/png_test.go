package imageprep

import (
	"bytes"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestPNGChecksum changes each byte of a PNG file's pixel data: what changes a
// pixel is an error, where Pillow mostly shows other pixels. A checksum that is
// cut off is none.
func TestPNGChecksum(t *testing.T) {
	for _, test := range []struct {
		name      string
		interlace byte
		bytes     int // of unpacked pixel data, with a filter byte for each row of each pass
	}{{"one pass", 0, 9 * 10}, {"interlaced", 1, 81 + 2 + 2 + 2 + 3 + 2 + 5 + 4}} {
		header := testutil.PNG{W: 9, H: 9, Depth: 8, Kind: pngGrey, Interlace: test.interlace}
		raw := make([]byte, test.bytes)
		for i := range raw {
			raw[i] = byte(i % 10 / 9)
		}
		packed := testutil.Zlib(t, raw)
		sound, err := Decode(header.File(packed), Options{})
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		for at := range packed {
			for bit := range 8 {
				bad := bytes.Clone(packed)
				bad[at] ^= 1 << bit
				img, err := Decode(header.File(bad), Options{})
				if err == nil && !bytes.Equal(img.Pix, sound.Pix) {
					t.Errorf("%s: bit %d of byte %d of %d changed: no error, other pixels", test.name, bit, at, len(packed))
				}
				if _, labelsErr := DecodeLabels(header.File(bad), Options{}); (labelsErr == nil) != (err == nil) {
					t.Errorf("%s: bit %d of byte %d: as a label map %v, as an image %v", test.name, bit, at, labelsErr, err)
				}
			}
		}
		for cut := 1; cut <= 4; cut++ {
			if _, err := Decode(header.File(packed[:len(packed)-cut]), Options{}); err != nil {
				t.Errorf("%s: without the last %d bytes: %v", test.name, cut, err)
			}
		}
		if _, err := Decode(header.File(testutil.Zlib(t, slices.Concat(raw, []byte("some bytes more")))), Options{}); err != nil {
			t.Errorf("%s: with some bytes more: %v", test.name, err)
		}
	}
}
