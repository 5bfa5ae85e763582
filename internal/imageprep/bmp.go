package imageprep

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// bmpFile is what the headers of a BMP file say.
type bmpFile struct {
	w, h        int
	topDown     bool
	bits        int // of a pixel
	compression uint32
	masks       [4]uint32 // of red, green, blue and opacity, if the compression is bmpMasks
	palette     palette
	colours     int    // in the palette
	data        []byte // from the first pixel to the end of the file
}

// Compressions of BMP files.
const (
	bmpPlain = 0
	bmpRLE8  = 1
	bmpRLE4  = 2
	bmpMasks = 3
)

// bmpHeaders are the sizes of the headers that are known, OS/2's first.
var bmpHeaders = []uint32{12, 40, 52, 56, 64, 108, 124}

// decodeBMP reads files of 1, 2, 4 and 8 bits with a palette, plain or
// run-length encoded, and of 16, 24 and 32 bits. As in Pillow an image is grey,
// or black and white, if its palette is the ramp of greys.
func decodeBMP(b []byte, admit admission, _ bool) (*raster, notes, error) {
	f, err := parseBMP(b)
	if err != nil {
		return nil, notes{}, err
	}
	if err := admit(f.w, f.h); err != nil {
		return nil, notes{}, err
	}
	if f.compression == bmpRLE8 || f.compression == bmpRLE4 {
		r, err := f.runs()
		return r, notes{}, err
	}
	r, err := f.rows()
	return r, notes{}, err
}

func parseBMP(b []byte) (*bmpFile, error) {
	le := binary.LittleEndian
	if len(b) < 18 {
		return nil, errTruncatedFile
	}
	offset, size := int64(le.Uint32(b[10:])), le.Uint32(b[14:])
	if !slices.Contains(bmpHeaders, size) {
		return nil, fmt.Errorf("header of %d bytes, want one of %v", size, bmpHeaders)
	}
	head := b[14:]
	if len(head) < int(size) {
		return nil, errTruncatedFile
	}
	head, rest := head[:size], head[size:]
	f := &bmpFile{palette: greys}
	entry, colours := 4, uint32(0)
	if size == 12 {
		entry = 3
		f.w, f.h, f.bits = int(le.Uint16(head[4:])), int(le.Uint16(head[6:])), int(le.Uint16(head[10:]))
	} else {
		h := int64(int32(le.Uint32(head[8:])))
		f.topDown = h < 0
		f.w, f.h, f.bits = int(int32(le.Uint32(head[4:]))), int(max(h, -h)), int(le.Uint16(head[14:]))
		f.compression, colours = le.Uint32(head[16:]), le.Uint32(head[32:])
	}
	if f.compression == bmpMasks {
		masks := head[min(40, len(head)):]
		if size == 40 {
			if len(rest) < 12 {
				return nil, errTruncatedFile
			}
			masks, rest = rest[:12], rest[12:]
		}
		for i := range min(4, len(masks)/4) {
			f.masks[i] = le.Uint32(masks[4*i:])
		}
	}
	if f.bits <= 8 && f.bits >= 0 {
		if colours == 0 {
			colours = 1 << f.bits
		}
		f.colours = int(min(colours, 256))
		if len(rest) < f.colours*entry {
			return nil, errTruncatedFile
		}
		for i := range f.colours {
			c := rest[i*entry:]
			f.palette[i] = [3]byte{c[2], c[1], c[0]}
		}
		rest = rest[min(int64(len(rest)), int64(colours)*int64(entry)):]
		if offset == 14+int64(size) {
			offset = 0 // it leaves the palette out
		}
	}
	if offset == 0 {
		offset = int64(len(b) - len(rest))
	}
	if offset > int64(len(b)) {
		return nil, errTruncatedFile
	}
	f.data = b[offset:]
	return f, f.check()
}

// check refuses what is not read.
func (f *bmpFile) check() error {
	layouts := map[uint32][]int{bmpPlain: {1, 2, 4, 8, 16, 24, 32}, bmpRLE8: {8}, bmpRLE4: {4}, bmpMasks: {16, 24, 32}}
	bits, ok := layouts[f.compression]
	if !ok {
		return fmt.Errorf("compression %d, want none, RLE or bit fields (0 to 3)", f.compression)
	}
	if !slices.Contains(bits, f.bits) {
		return fmt.Errorf("%d bits a pixel with compression %d, want one of %v", f.bits, f.compression, bits)
	}
	return nil
}

// bmpShare is the position of a channel's bits in a pixel.
type bmpShare struct {
	shift uint
	most  uint32 // its largest value
}

// shares returns where red, green, blue and opacity lie in a pixel of 16 to 32
// bits; most is 0 for opacity that is not there.
func (f *bmpFile) shares() ([4]bmpShare, error) {
	masks := f.masks
	switch {
	case f.compression == bmpPlain && f.bits == 16:
		masks = [4]uint32{31 << 10, 31 << 5, 31, 0}
	case f.compression == bmpPlain:
		masks = [4]uint32{0xff0000, 0xff00, 0xff, 0}
	case f.bits == 32 && masks == [4]uint32{}:
		masks = [4]uint32{0xff0000, 0xff00, 0xff, 0xff000000}
	case f.bits < 32:
		masks[3] = 0
	}
	var of [4]bmpShare
	for i, mask := range masks {
		if i == 3 && mask == 0 {
			break
		}
		for ; mask > 0 && mask&1 == 0; mask >>= 1 {
			of[i].shift++
		}
		of[i].most = mask
		if mask != 255 && (f.bits != 16 || mask != 31 && mask != 63) {
			return of, errors.New("bit fields other than whole bytes, or 5 and 6 bits of 16")
		}
		if int(of[i].shift) >= f.bits {
			return of, errors.New("bit fields beyond the pixel")
		}
	}
	return of, nil
}

// rows reads pixels that are not compressed. The padding of the last row may be
// missing.
func (f *bmpFile) rows() (*raster, error) {
	size := (f.w*f.bits + 7) / 8
	stride := (f.w*f.bits + 31) / 32 * 4
	if len(f.data)/stride < f.h-1 || len(f.data) < stride*(f.h-1)+size {
		return nil, fmt.Errorf("%d bytes of data for %dx%d pixels: %w", len(f.data), f.w, f.h, errTruncatedFile)
	}
	if f.bits <= 8 {
		out := f.indexed()
		for y := range f.h {
			row := f.data[y*stride:]
			to := f.place(y) * f.w
			for x := range f.w {
				out.pix[to+x] = sample(row, x, f.bits)
			}
		}
		out.spread(f.bits)
		return out, nil
	}
	shares, err := f.shares()
	if err != nil {
		return nil, err
	}
	m := modeRGB
	if shares[3].most > 0 {
		m = modeRGBA
	}
	out := newRaster(m, f.w, f.h)
	n, step := channels[m], f.bits/8
	for y := range f.h {
		row := f.data[y*stride:][:size]
		dst := out.pix[f.place(y)*f.w*n:]
		for x := range f.w {
			v := uint32(0)
			for i, b := range row[x*step:][:step] {
				v |= uint32(b) << (8 * i)
			}
			for c := range n {
				dst[x*n+c] = byte((v >> shares[c].shift & shares[c].most) * 255 / shares[c].most)
			}
		}
	}
	return out, nil
}

// place is where the file's row y is in the image.
func (f *bmpFile) place(y int) int {
	if f.topDown {
		return y
	}
	return f.h - 1 - y
}

// indexed is the raster for pixels that are indices.
func (f *bmpFile) indexed() *raster {
	out := newRaster(modePalette, f.w, f.h)
	out.palette = &f.palette
	ramp := f.colours > 0
	for i, c := range f.palette[:f.colours] {
		v := byte(i)
		if f.colours == 2 {
			v = byte(255 * i)
		}
		ramp = ramp && c == [3]byte{v, v, v}
	}
	switch {
	case ramp && f.colours == 2 && f.bits == 1:
		out.mode = modeBits
	case ramp && f.colours != 2 && f.bits == 8:
		out.mode = modeGrey
	}
	return out
}

// spread makes 0 and 255 of the bits of an image in black and white.
func (r *raster) spread(bits int) {
	if r.mode == modeBits && bits == 1 {
		for i := range r.pix {
			r.pix[i] *= 255
		}
	}
}

// runs reads run-length encoded pixels. What a row has beyond its end is dropped
// and what is left out is index 0, but the last pixel must be reached. Pillow
// loses empty rows, and the last one of an odd number of nibbles.
func (f *bmpFile) runs() (*raster, error) {
	out := f.indexed()
	nibbles := f.compression == bmpRLE4
	b := f.data
	x, y := 0, 0 // y from the file's first row on
	put := func(v byte) {
		if x < f.w && y < f.h {
			out.pix[f.place(y)*f.w+x] = v
		}
		x++
	}
	for y < f.h-1 || y == f.h-1 && x < f.w {
		if len(b) < 2 {
			return nil, f.short(y)
		}
		count, value := int(b[0]), b[1]
		b = b[2:]
		switch {
		case count > 0:
			for i := range count {
				put(run(value, i, nibbles))
			}
		case value == 0: // end of the row
			x, y = 0, y+1
		case value == 1: // end of the image
			return nil, f.short(y)
		case value == 2: // a step to the right and up
			if len(b) < 2 {
				return nil, f.short(y)
			}
			x, y = x+int(b[0]), y+int(b[1])
			b = b[2:]
		default: // as many pixels, each by itself, and a byte if theirs are odd
			n, size := int(value), int(value)
			if nibbles {
				size = (n + 1) / 2
			}
			if len(b) < size {
				return nil, f.short(y)
			}
			for i := range n {
				if nibbles {
					put(run(b[i/2], i, true))
				} else {
					put(b[i])
				}
			}
			b = b[min(len(b), size+size&1):]
		}
	}
	return out, nil
}

// run is pixel i of a run: a byte, or its nibbles in turn.
func run(value byte, i int, nibbles bool) byte {
	switch {
	case !nibbles:
		return value
	case i%2 == 0:
		return value >> 4
	}
	return value & 15
}

func (f *bmpFile) short(row int) error {
	return fmt.Errorf("pixel data ends in row %d of %d: %w", row, f.h, errTruncatedFile)
}
