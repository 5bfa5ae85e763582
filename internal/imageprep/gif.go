package imageprep

import (
	"bytes"
	"compress/lzw"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// decodeGIF reads the first frame as Pillow shows it: on a canvas that is the
// logical screen, grown to hold the frame, filled with the frame's transparent
// colour if it has one, else with colour 0.
//
// As in Pillow the image is grey, not one of indices, if its palette is the
// ramp of greys.
func decodeGIF(b []byte, admit admission, _ bool) (*raster, notes, error) {
	img, err := firstFrame(&gifReader{b: b}, admit)
	return img, notes{}, err
}

// gifReader reads a file from front to back; past its end it returns nil.
type gifReader struct{ b []byte }

func (r *gifReader) take(n int) []byte {
	if len(r.b) < n {
		r.b = nil
		return nil
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

// block reads a sub-block, nil for the one that ends a sequence.
func (r *gifReader) block() []byte {
	if n := r.take(1); n != nil && n[0] > 0 {
		return r.take(int(n[0]))
	}
	return nil
}

// palette reads the palette that flags announce: 2^(flags&7 + 1) colours.
func (r *gifReader) palette(flags byte) palette {
	p := greys
	colours := r.take(3 * (2 << (flags & 7)))
	for i := range len(colours) / 3 {
		p[i] = [3]byte(colours[3*i:])
	}
	return p
}

// firstFrame reads up to the first frame's pixels.
func firstFrame(r *gifReader, admit admission) (*raster, error) {
	screen := r.take(13)
	if screen == nil {
		return nil, errTruncatedFile
	}
	w, h := int(binary.LittleEndian.Uint16(screen[6:])), int(binary.LittleEndian.Uint16(screen[8:]))
	colours := greys
	if screen[10]&0x80 != 0 {
		colours = r.palette(screen[10])
	}
	fill := byte(0)
	for {
		kind := r.take(1)
		switch {
		case kind == nil:
			return nil, errTruncatedFile
		case kind[0] == ';':
			return nil, errors.New("no frame before the end")
		case kind[0] == '!':
			label := r.take(1)
			body := r.block()
			if len(body) >= 4 && label[0] == 0xf9 && body[0]&1 != 0 {
				fill = body[3]
			}
			for body != nil {
				body = r.block()
			}
		case kind[0] == ',':
			d := r.take(9)
			if d == nil {
				return nil, errTruncatedFile
			}
			if d[8]&0x80 != 0 {
				colours = r.palette(d[8])
			}
			at := func(i int) int { return int(binary.LittleEndian.Uint16(d[i:])) }
			f := gifFrame{x: at(0), y: at(2), w: at(4), h: at(6), interlaced: d[8]&0x40 != 0}
			return f.draw(r, max(w, f.x+f.w), max(h, f.y+f.h), &colours, fill, admit)
		}
	}
}

// gifFrame is where a frame lies on the canvas.
type gifFrame struct {
	x, y, w, h int
	interlaced bool
}

// mostExpanded is how many pixels a byte of codes can become: a code of the
// widest kind, 12 bits, stands for at most 2^12 of them.
const mostExpanded = 1 << 12 * 8 / 12

// gifPass is every step-th row from first.
type gifPass struct{ first, step int }

// gifPasses are the rows of an interlaced frame, in their order.
var gifPasses = []gifPass{{0, 8}, {4, 8}, {2, 4}, {1, 2}}

// draw decodes the frame's pixels onto a canvas of w x h.
func (f *gifFrame) draw(r *gifReader, w, h int, colours *palette, fill byte, admit admission) (*raster, error) {
	if err := admit(w, h); err != nil {
		return nil, err
	}
	if f.w == 0 || f.h == 0 {
		return nil, fmt.Errorf("first frame of %dx%d pixels, want at least one", f.w, f.h)
	}
	bits := r.take(1)
	if bits == nil {
		return nil, errTruncatedFile
	}
	if bits[0] < 2 || bits[0] > 8 {
		return nil, fmt.Errorf("codes of %d bits, want 2 to 8", bits[0])
	}
	var packed []byte
	for b := r.block(); b != nil; b = r.block() {
		packed = append(packed, b...)
	}
	if err := fits(f.w, f.h, f.w*f.h, mostExpanded, len(packed)); err != nil {
		return nil, err
	}
	codes := lzw.NewReader(bytes.NewReader(packed), lzw.LSB, int(bits[0]))
	defer codes.Close()

	out := newRaster(modePalette, w, h)
	out.palette = colours
	if *colours == greys {
		out.mode = modeGrey
	}
	if f.w*f.h < w*h && fill != 0 {
		for i := range out.pix {
			out.pix[i] = fill
		}
	}
	draw := func(y int) error {
		row := out.pix[(f.y+y)*w+f.x:][:f.w]
		if _, err := io.ReadFull(codes, row); err != nil {
			return fmt.Errorf("pixel data ends before row %d of %d: %w", y, f.h, err)
		}
		return nil
	}
	passes := gifPasses
	if !f.interlaced {
		passes = []gifPass{{0, 1}}
	}
	for _, p := range passes {
		for y := p.first; y < f.h; y += p.step {
			if err := draw(y); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
