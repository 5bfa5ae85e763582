package imageprep

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"io"

	"golang.org/x/image/vp8l"
)

// withOpacity adds the opacity of a lossy frame to its colours: full opacity if it
// has no ALPH chunk.
func (f *webpFile) withOpacity(colours *raster) (*raster, error) {
	w, h := colours.w, colours.h
	var alpha []byte
	if f.opacity != nil {
		var err error
		if alpha, err = opacity(f.opacity, w, h); err != nil {
			return nil, fmt.Errorf("opacity: %w", err)
		}
	}
	out := newRaster(modeRGBA, w, h)
	for i := range w * h {
		copy(out.pix[4*i:], colours.pix[3*i:3*i+3])
		out.pix[4*i+3] = 255
		if alpha != nil {
			out.pix[4*i+3] = alpha[i]
		}
	}
	return out, nil
}

// opacity decodes an ALPH chunk: a byte of flags, then w*h bytes, or a lossless
// frame without its header that holds them as green.
func opacity(b []byte, w, h int) ([]byte, error) {
	if len(b) < 1 {
		return nil, errTruncatedFile
	}
	flags, b := b[0], b[1:]
	alpha := make([]byte, w*h)
	switch flags & 3 {
	case 0:
		if copy(alpha, b) < len(alpha) {
			return nil, errTruncatedFile
		}
	case 1:
		header := append([]byte{0x2f}, binary.LittleEndian.AppendUint32(nil, uint32(w-1)|uint32(h-1)<<14)...)
		m, err := vp8l.Decode(io.MultiReader(bytes.NewReader(header), bytes.NewReader(b)))
		if err != nil {
			return nil, err
		}
		argb, ok := m.(*image.NRGBA)
		if !ok {
			return nil, fmt.Errorf("lossless pixels of kind %T", m)
		}
		for i := range alpha {
			alpha[i] = argb.Pix[4*i+1]
		}
	default:
		return nil, fmt.Errorf("compression %d, want 0 or 1", flags&3)
	}
	// What was filtered is the difference from the pixel to the left, above, or
	// from left + above - corner; on the edges from the one there is.
	filter := flags >> 2 & 3
	for i := 1; filter > 0 && i < len(alpha); i++ {
		x, y := i%w, i/w
		var guess int
		switch {
		case y == 0 || x > 0 && filter == 1:
			guess = int(alpha[i-1])
		case x == 0 || filter == 2:
			guess = int(alpha[i-w])
		default:
			guess = max(0, min(int(alpha[i-1])+int(alpha[i-w])-int(alpha[i-w-1]), 255))
		}
		alpha[i] += byte(guess)
	}
	return alpha, nil
}
