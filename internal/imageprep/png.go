package imageprep

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

const pngMagic = "\x89PNG\r\n\x1a\n"

var isPNG = prefix(pngMagic)

// Colour types of the PNG specification, 11.2.1.
const (
	pngGrey      = 0
	pngRGB       = 2
	pngPalette   = 3
	pngGreyAlpha = 4
	pngRGBA      = 6
)

// pngDepths says which bit depths a colour type may have, bit n for depth n.
var pngDepths = map[int]uint32{
	pngGrey: 1<<1 | 1<<2 | 1<<4 | 1<<8 | 1<<16, pngRGB: 1<<8 | 1<<16, pngPalette: 1<<1 | 1<<2 | 1<<4 | 1<<8,
	pngGreyAlpha: 1<<8 | 1<<16, pngRGBA: 1<<8 | 1<<16,
}

// pngChannels by colour type.
var pngChannels = [7]int{pngGrey: 1, pngRGB: 3, pngPalette: 1, pngGreyAlpha: 2, pngRGBA: 4}

// pngFile is a file's chunks, as far as they bear on the pixels.
type pngFile struct {
	w, h, depth, kind int
	interlaced        bool
	palette           palette
	data              [][]byte // of the IDAT chunks
	notes             notes
}

// decodePNG reads the image that is not animated. Transparency is read over.
func decodePNG(b []byte, admit admission, keep bool) (*raster, notes, error) {
	f, err := parsePNG(b)
	if err != nil {
		return nil, notes{}, err
	}
	if err := admit(f.w, f.h); err != nil {
		return nil, notes{}, err
	}
	r, err := f.pixels(keep)
	return r, f.notes, err
}

// parsePNG reads all chunks up to IEND, or to the end of a file that lacks it.
// The pixel data carries a checksum of its own, which rows compares, so that of
// IDAT is left alone.
func parsePNG(b []byte) (*pngFile, error) {
	f := &pngFile{palette: greys}
	b = b[len(pngMagic):]
	for first := true; len(b) >= 8; first = false {
		n, kind := int64(binary.BigEndian.Uint32(b)), string(b[4:8])
		if first && kind != "IHDR" {
			return nil, fmt.Errorf("first chunk is %q, want IHDR", kind)
		}
		if n > int64(len(b)-12) { // four bytes of checksum follow
			if kind != "IDAT" {
				if f.data != nil {
					return f, nil // cut behind the pixels
				}
				return nil, fmt.Errorf("chunk %q of %d bytes: %w", kind, n, errTruncatedFile)
			}
			f.data = append(f.data, b[8:min(8+n, int64(len(b)))])
			return f, nil
		}
		body := b[8 : 8+n]
		if kind != "IDAT" && crc32.ChecksumIEEE(b[4:8+n]) != binary.BigEndian.Uint32(b[8+n:]) {
			return nil, fmt.Errorf("chunk %q: bad checksum", kind)
		}
		b = b[12+n:]
		switch kind {
		case "IHDR":
			if err := f.readHeader(body); err != nil {
				return nil, err
			}
		case "PLTE":
			if len(body) > 3*len(f.palette) || len(body)%3 != 0 {
				return nil, fmt.Errorf("palette of %d bytes, want a multiple of 3 up to 768", len(body))
			}
			for i := range len(body) / 3 {
				f.palette[i] = [3]byte(body[3*i:])
			}
		case "IDAT":
			f.data = append(f.data, body)
		case "eXIf":
			f.notes.exif = body
		case "tEXt", "zTXt", "iTXt":
			f.notes.read(kind, body)
		case "IEND":
			return f, nil
		}
	}
	if f.data == nil {
		return nil, errTruncatedFile
	}
	return f, nil
}

func (f *pngFile) readHeader(b []byte) error {
	if len(b) != 13 {
		return fmt.Errorf("header of %d bytes, want 13", len(b))
	}
	w, h := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if w > 1<<31-1 || h > 1<<31-1 {
		return fmt.Errorf("%dx%d pixels, want sides below 2^31", w, h)
	}
	f.w, f.h, f.depth, f.kind = int(w), int(h), int(b[8]), int(b[9])
	if pngDepths[f.kind]>>f.depth&1 == 0 {
		return fmt.Errorf("colour type %d with %d bits, which PNG does not have", f.kind, f.depth)
	}
	if b[10] != 0 || b[11] != 0 || b[12] > 1 {
		return fmt.Errorf("compression %d, filter %d, interlace %d, want 0, 0, 0 or 1", b[10], b[11], b[12])
	}
	f.interlaced = b[12] == 1
	return nil
}

// pngPass is one of the reduced images of an interlaced file: every dx-th
// pixel from x of every dy-th row from y.
type pngPass struct{ x, y, dx, dy int }

var (
	wholePass = []pngPass{{0, 0, 1, 1}}
	adam7     = []pngPass{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}
)

// pixels inflates, unfilters and converts the pixel data, to RGB if the samples
// are not to be kept.
func (f *pngFile) pixels(keep bool) (*raster, error) {
	packed, err := f.packed()
	if err != nil {
		return nil, err
	}
	if !keep {
		out := newRGB(f.w, f.h)
		err = f.rows(packed, func(row []byte, w, at, dx int) { f.convert(out, row, w, at, dx) })
		return rasterOf(out), err
	}
	out := newRaster(f.mode(), f.w, f.h)
	out.palette = &f.palette
	err = f.rows(packed, func(row []byte, w, at, dx int) { f.store(out, row, w, at, dx) })
	return out, err
}

// packed returns the deflated pixel data, if the pixels can be in it.
func (f *pngFile) packed() ([]byte, error) {
	packed := bytes.Join(f.data, nil)
	bits := f.depth * pngChannels[f.kind]
	if err := fits(f.w, f.h, f.w*bits/8*f.h, mostInflated, len(packed)); err != nil {
		return nil, err
	}
	return packed, nil
}

// rows inflates and unfilters the pixel data, and calls visit for each row of
// samples: w pixels, which lie at, at+dx, ... in row-major order. It goes on to
// the checksum behind the last row.
func (f *pngFile) rows(packed []byte, visit func(row []byte, w, at, dx int)) error {
	r, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	defer r.Close()
	passes := wholePass
	if f.interlaced {
		passes = adam7
	}
	bits := f.depth * pngChannels[f.kind]
	for _, p := range passes {
		w, h := (f.w-p.x+p.dx-1)/p.dx, (f.h-p.y+p.dy-1)/p.dy
		if w <= 0 || h <= 0 {
			continue
		}
		step := max(1, bits/8)
		row, above := make([]byte, 1+(w*bits+7)/8), make([]byte, 1+(w*bits+7)/8)
		for y := range h {
			if _, err := io.ReadFull(r, row); err != nil {
				return fmt.Errorf("pixel data ends at row %d of %d: %w", y, h, err)
			}
			if err := unfilter(row, above, step); err != nil {
				return fmt.Errorf("row %d: %w", y, err)
			}
			visit(row[1:], w, (p.y+y*p.dy)*f.w+p.x, p.dx)
			row, above = above, row
		}
	}
	return checkEnd(r, mostSurplus)
}

// mostSurplus is how many bytes more than its pixels a file's stream may hold.
const mostSurplus = 1 << 20

// checkEnd reads a stream that has given all its pixels on to its checksum,
// and refuses one that is wrong. Pillow stops at the last pixel, and sees damage
// only where it breaks the stream's syntax before that. A stream that is cut
// behind its pixels is good, as in Pillow.
func checkEnd(r io.Reader, most int64) error {
	n, err := io.Copy(io.Discard, io.LimitReader(r, most+1))
	switch {
	case n > most:
		return fmt.Errorf("pixel data goes on for more than %d bytes after the last row", most)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil
	case err != nil:
		return fmt.Errorf("pixel data: %w", err)
	}
	return nil
}

// unfilter undoes a row's filter, which its first byte names; step is the
// distance between bytes of like meaning.
func unfilter(row, above []byte, step int) error {
	kind, cur, up := row[0], row[1:], above[1:]
	switch kind {
	case 0:
	case 1:
		for i := step; i < len(cur); i++ {
			cur[i] += cur[i-step]
		}
	case 2:
		for i := range cur {
			cur[i] += up[i]
		}
	case 3:
		for i := range min(step, len(cur)) {
			cur[i] += up[i] / 2
		}
		for i := step; i < len(cur); i++ {
			cur[i] += byte((int(cur[i-step]) + int(up[i])) / 2)
		}
	case 4:
		for i := range min(step, len(cur)) {
			cur[i] += up[i]
		}
		for i := step; i < len(cur); i++ {
			cur[i] += paeth(int(cur[i-step]), int(up[i]), int(up[i-step]))
		}
	default:
		return fmt.Errorf("filter %d, want 0 to 4", kind)
	}
	return nil
}

// paeth returns which of left, up and corner is nearest to left+up-corner.
func paeth(left, up, corner int) byte {
	l, u, c := up-corner, left-corner, left+up-2*corner
	l, u, c = max(l, -l), max(u, -u), max(c, -c)
	switch {
	case l <= u && l <= c:
		return byte(left)
	case u <= c:
		return byte(up)
	}
	return byte(corner)
}

// convert writes a row's w pixels to pixels at, at+dx, ... of out.
func (f *pngFile) convert(out *RGB, row []byte, w, at, dx int) {
	step := f.depth / 8 * pngChannels[f.kind]
	switch {
	case f.kind == pngPalette:
		for i := range w {
			c := f.palette[sample(row, i, f.depth)]
			out.set(at+i*dx, c[0], c[1], c[2])
		}
	case f.kind == pngGrey && f.depth == 16:
		// Pillow reads these as 32-bit integers, and cuts them at 255.
		for i := range w {
			v := row[2*i+1]
			if row[2*i] > 0 {
				v = 255
			}
			out.set(at+i*dx, v, v, v)
		}
	case f.kind == pngGrey:
		full := byte(255 / (1<<f.depth - 1))
		for i := range w {
			v := sample(row, i, f.depth) * full
			out.set(at+i*dx, v, v, v)
		}
	case f.kind == pngGreyAlpha:
		for i := range w {
			v := row[i*step]
			out.set(at+i*dx, v, v, v)
		}
	case f.kind == pngRGB && f.depth == 8 && dx == 1:
		copy(out.Pix[3*at:], row)
	default: // RGB and RGBA, the upper byte of each channel
		size := f.depth / 8
		for i := range w {
			p := row[i*step:]
			out.set(at+i*dx, p[0], p[size], p[2*size])
		}
	}
}

// sample returns the i-th sample of a row of at most 8 bits each, the first in
// the highest bits.
func sample(row []byte, i, depth int) byte {
	bit := i * depth
	return row[bit/8] >> (8 - depth - bit%8) & byte(1<<depth-1)
}
