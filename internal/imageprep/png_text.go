package imageprep

import (
	"bytes"
	"compress/zlib"
	"encoding/hex"
	"io"
)

// Keywords of the chunks of text that tell an orientation.
const (
	keyXMP  = "XML:com.adobe.xmp"     // Adobe's, of iTXt
	keyEXIF = "Raw profile type exif" // ImageMagick's, of tEXt and zTXt: EXIF in hexadecimal
)

// mostText bounds what a chunk of text may inflate to.
const mostText = 1 << 20

// read takes what a chunk of text says of the orientation. What is damaged says
// nothing. An eXIf chunk comes before EXIF in text.
func (n *notes) read(kind string, chunk []byte) {
	key, text, _ := bytes.Cut(chunk, []byte{0})
	switch {
	case string(key) == keyXMP && kind == "iTXt" && len(text) > 2:
		packed := text[0] != 0
		_, text, _ = bytes.Cut(text[2:], []byte{0}) // its language
		_, text, _ = bytes.Cut(text, []byte{0})     // the keyword in that language
		n.xmp = inflated(text, packed)
	case string(key) == keyEXIF && kind != "iTXt" && len(text) > 0 && n.exif == nil:
		if kind == "zTXt" {
			text = inflated(text[1:], true)
		}
		n.exif = rawProfile(text)
	}
}

// inflated is a text that may be deflated; nil if it is damaged.
func inflated(text []byte, packed bool) []byte {
	if !packed {
		return text
	}
	r, err := zlib.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil
	}
	defer r.Close()
	text, err = io.ReadAll(io.LimitReader(r, mostText))
	if err != nil {
		return nil
	}
	return text
}

// rawProfile decodes the hexadecimal digits from the fourth line on. Before them come a
// blank line, the profile's name, and its length. It returns nil if the rest is not
// hexadecimal.
func rawProfile(text []byte) []byte {
	lines := bytes.SplitN(text, []byte("\n"), 4)
	if len(lines) < 4 {
		return nil
	}
	digits := bytes.Join(bytes.Fields(lines[3]), nil)
	profile := make([]byte, hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(profile, digits); err != nil {
		return nil
	}
	return profile
}
