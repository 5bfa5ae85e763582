package imageprep

import (
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestText reads chunks of text that are damaged, or for others: they say nothing.
func TestText(t *testing.T) {
	xmp := `<tiff:Orientation>6</tiff:Orientation>`
	profile := "\nexif\n 26\n4d4d002a00000008\n00010112000300000001\n00080000\n"
	for _, test := range []struct {
		name, kind, chunk string
		want              int
	}{
		{"XMP", "iTXt", keyXMP + "\x00\x00\x00\x00\x00" + xmp, 6},
		{"XMP in another language", "iTXt", keyXMP + "\x00\x00\x00en\x00XMP\x00" + xmp, 6},
		{"XMP, deflated", "iTXt", keyXMP + "\x00\x01\x00\x00\x00" + string(testutil.Zlib(t, []byte(xmp))), 6},
		{"XMP, deflated and damaged", "iTXt", keyXMP + "\x00\x01\x00\x00\x00" + string(testutil.Zlib(t, []byte(xmp))[:20]), 1},
		{"XMP as other text", "tEXt", keyXMP + "\x00" + xmp, 1},
		{"a keyword alone", "iTXt", keyXMP, 1},
		{"another keyword", "iTXt", "Comment\x00\x00\x00\x00\x00" + xmp, 1},
		{"profile", "tEXt", keyEXIF + "\x00" + profile, 8},
		{"profile, deflated", "zTXt", keyEXIF + "\x00\x00" + string(testutil.Zlib(t, []byte(profile))), 8},
		{"profile without its lines", "tEXt", keyEXIF + "\x004d4d", 1},
		{"profile of no digits", "tEXt", keyEXIF + "\x00\nexif\n 2\nxy\n", 1},
	} {
		var n notes
		n.read(test.kind, []byte(test.chunk))
		if got := n.orientation(); got != test.want {
			t.Errorf("%s: orientation %d, want %d", test.name, got, test.want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("iTXt", []byte(keyXMP+"\x00\x00\x00\x00\x00tiff:Orientation=\"3"))
	f.Add("tEXt", []byte(keyEXIF+"\x00\nexif\n 2\n4d4d\n"))
	f.Add("zTXt", append([]byte(keyEXIF+"\x00\x00"), testutil.Zlib(f, make([]byte, 8<<20))...))
	f.Fuzz(func(t *testing.T, kind string, chunk []byte) {
		var n notes
		testutil.Parsed(t, 8*mostText+testutil.Multiple(len(chunk), 8), func() error {
			n = notes{}
			n.read(kind, chunk)
			return nil
		})
		if got := n.orientation(); got < 0 || got > 65535 {
			t.Errorf("orientation %d", got)
		}
	})
}
