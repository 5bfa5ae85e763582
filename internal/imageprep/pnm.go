package imageprep

import (
	"fmt"
	"math"
	"strconv"
)

// isPNM reports whether b begins as a raw or plain Netpbm file, P1 to P6.
func isPNM(b []byte) bool {
	return len(b) >= 3 && b[0] == 'P' && '1' <= b[1] && b[1] <= '6' && isBlank(b[2])
}

// isBlank reports whether c separates the words of a header.
func isBlank(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// pnmReader reads the header of a Netpbm file.
type pnmReader struct{ b []byte }

// number reads a word, which must be a number, and the blank behind it. What
// follows a # on a line is a comment.
func (r *pnmReader) number(what string) (int, error) {
	const most = 10 // digits
	var word []byte
	for len(word) <= most {
		if len(r.b) == 0 {
			return 0, fmt.Errorf("%s: %w", what, errTruncatedFile)
		}
		c := r.b[0]
		r.b = r.b[1:]
		switch {
		case c == '#':
			for len(r.b) > 0 && c != '\n' && c != '\r' {
				c, r.b = r.b[0], r.b[1:]
			}
		case !isBlank(c):
			word = append(word, c)
		case len(word) > 0:
			n, err := strconv.ParseUint(string(word), 10, 31)
			if err != nil {
				return 0, fmt.Errorf("%s %q, want a number", what, word)
			}
			return int(n), nil
		}
	}
	return 0, fmt.Errorf("%s %q..., want a number", what, word)
}

// decodePNM reads Netpbm's raw formats of bits (PBM, P4), greys (PGM, P5) and
// colours (PPM, P6). Values are scaled from the largest one of the header to
// 255, greys of more than that to 65535, as Pillow does. Of several images in a
// file it reads the first.
func decodePNM(b []byte, admit admission, _ bool) (*raster, notes, error) {
	r, err := (&pnmReader{b[2:]}).image(b[1], admit)
	return r, notes{}, err
}

func (r *pnmReader) image(kind byte, admit admission) (*raster, error) {
	if kind < '4' {
		return nil, fmt.Errorf("format P%c, numbers as text, want the raw formats P4 to P6", kind)
	}
	w, err := r.number("width")
	if err != nil {
		return nil, err
	}
	h, err := r.number("height")
	if err != nil {
		return nil, err
	}
	most := 1
	if kind != '4' {
		if most, err = r.number("largest value"); err != nil {
			return nil, err
		}
		if most < 1 || most > math.MaxUint16 {
			return nil, fmt.Errorf("largest value %d, want 1 to %d", most, math.MaxUint16)
		}
	}
	if err := admit(w, h); err != nil {
		return nil, err
	}
	m, row := modeBits, (w+7)/8
	if kind != '4' {
		m, row = modeGrey, w
		if kind == '6' {
			m, row = modeRGB, 3*w
		}
		if most > 255 {
			row *= 2
			if m == modeGrey {
				m = modeWide
			}
		}
	}
	if len(r.b)/row < h {
		return nil, fmt.Errorf("%d bytes of data for %dx%d pixels: %w", len(r.b), w, h, errTruncatedFile)
	}
	out := newRaster(m, w, h)
	switch {
	case m == modeBits: // 1 is black
		for i := range out.pix {
			out.pix[i] = 255 * (1 - sample(r.b[i/w*row:], i%w, 1))
		}
	case most == 255:
		copy(out.pix, r.b)
	default:
		out.scale(r.b, most)
	}
	return out, nil
}

// scale fills in samples of one byte, or of two if the largest is more than 255.
func (r *raster) scale(b []byte, most int) {
	full := 255
	if r.mode == modeWide {
		full = math.MaxUint16
	}
	// Every value is asked for often, and there are few.
	scaled := make([]uint16, most+1)
	for v := range scaled {
		scaled[v] = uint16(math.RoundToEven(float64(v) / float64(most) * float64(full)))
	}
	value := func(i int) uint16 {
		if most > 255 {
			return scaled[min(int(b[2*i])<<8|int(b[2*i+1]), most)]
		}
		return scaled[min(int(b[i]), most)]
	}
	for i := range r.wide {
		r.wide[i] = value(i)
	}
	for i := range r.pix {
		r.pix[i] = byte(value(i))
	}
}
