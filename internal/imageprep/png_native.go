package imageprep

import (
	"bytes"
	"compress/zlib"
	"io"
)

// mode is what Pillow makes of the file's pixels. A colour that is transparent as
// a whole changes nothing.
func (f *pngFile) mode() mode {
	switch {
	case f.kind == pngGrey && f.depth == 1:
		return modeBits
	case f.kind == pngGrey && f.depth == 16:
		return modeWide
	}
	return [...]mode{pngGrey: modeGrey, pngRGB: modeRGB, pngPalette: modePalette, pngGreyAlpha: modeGreyAlpha, pngRGBA: modeRGBA}[f.kind]
}

// store writes a row's w pixels as they are to pixels at, at+dx, ... of out, but
// for the lower byte of channels of 16 bits.
func (f *pngFile) store(out *raster, row []byte, w, at, dx int) {
	n, size := pngChannels[f.kind], max(1, f.depth/8)
	full := byte(1)
	if f.kind == pngGrey && f.depth < 8 {
		full = byte(255 / (1<<f.depth - 1))
	}
	for i := range w {
		to := at + i*dx
		switch {
		case out.mode == modeWide:
			out.wide[to] = uint16(row[2*i])<<8 | uint16(row[2*i+1])
		case f.depth < 8:
			out.pix[to] = sample(row, i, f.depth) * full
		default:
			for c := range n {
				out.pix[to*n+c] = row[(i*n+c)*size]
			}
		}
	}
}

// mostXMP bounds what an XMP packet may inflate to.
const mostXMP = 1 << 20

// internationalText returns the text of an iTXt chunk if that is its keyword, nil
// otherwise or if it is damaged.
func internationalText(b []byte, keyword string) []byte {
	rest, ok := bytes.CutPrefix(b, []byte(keyword+"\x00"))
	if !ok || len(rest) < 2 {
		return nil
	}
	packed := rest[0] != 0
	_, rest, language := bytes.Cut(rest[2:], []byte{0})
	_, text, translated := bytes.Cut(rest, []byte{0})
	if !language || !translated {
		return nil
	}
	if !packed {
		return text
	}
	r, err := zlib.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil
	}
	defer r.Close()
	text, err = io.ReadAll(io.LimitReader(r, mostXMP))
	if err != nil {
		return nil
	}
	return text
}
