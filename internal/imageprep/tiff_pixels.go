package imageprep

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"math/bits"
	"slices"
)

// tiffLayout is how the pixels of a TIFF file are laid out. They lie in blocks,
// strips or tiles, row by row from the upper left, one plane after the other if
// each sample has its own.
type tiffLayout struct {
	file                     *tiffFile
	w, h                     int
	photometric, compression int
	samples, bits            int // of a pixel, of a sample
	extra                    int // what the sample after the colours means: 1 opacity that colours are multiplied by, 2 opacity, 0 something else
	predictor                int
	planes                   int
	reversed                 bool // the lowest bit of a byte comes first
	palette                  palette

	offsets, counts int // the tags that tell where blocks lie
	blockW, blockH  int
}

// tiffMostSurplus is how many bytes more than its rows a block may hold.
const tiffMostSurplus = 4096

// findBlocks tells strips from tiles.
func (l *tiffLayout) findBlocks() error {
	f := l.file
	l.offsets, l.counts = tiffStripOffsets, tiffStripCounts
	l.blockW, l.blockH = l.w, max(1, min(l.h, f.number(tiffRowsPerStrip, l.h)))
	if f.count(tiffStripOffsets) > 0 || f.count(tiffTileOffsets) == 0 {
		return nil
	}
	l.offsets, l.counts = tiffTileOffsets, tiffTileCounts
	l.blockW, l.blockH = f.number(tiffTileWidth, 0), f.number(tiffTileHeight, 0)
	if l.blockW < 1 || l.blockH < 1 {
		return fmt.Errorf("tiles of %dx%d pixels, want at least one", l.blockW, l.blockH)
	}
	return nil
}

// bytesOf returns the bytes of a block. One that is not compressed goes on to the
// end of the file, as its size follows from its rows.
func (l *tiffLayout) bytesOf(b []byte, block int) ([]byte, error) {
	f := l.file
	from, n := f.at(l.offsets, block), int64(len(b))
	if l.compression != 1 {
		if block >= f.count(l.counts) {
			return nil, fmt.Errorf("block %d of pixels has no size: %w", block, errTruncatedFile)
		}
		n = f.at(l.counts, block)
	}
	if from >= int64(len(b)) {
		return nil, fmt.Errorf("block %d of pixels: %w", block, errTruncatedFile)
	}
	return b[from:min(int64(len(b)), from+n)], nil
}

// image reads the pixels.
func (l *tiffLayout) image() (*raster, error) {
	across, down := (l.w+l.blockW-1)/l.blockW, (l.h+l.blockH-1)/l.blockH
	if n := l.file.count(l.offsets); n < across*down*l.planes {
		return nil, fmt.Errorf("%d blocks of pixels of %d are listed: %w", n, across*down*l.planes, errTruncatedFile)
	}
	// Tiles go beyond the edges, but small images in huge tiles are only work.
	const slack = 1 << 24
	if most := int64(l.w)*int64(l.h)*16 + slack; int64(across*l.blockW) > most/int64(l.blockH)/int64(down) {
		return nil, fmt.Errorf("tiles of %dx%d pixels for %dx%d", l.blockW, l.blockH, l.w, l.h)
	}
	file := l.file.b
	if l.reversed {
		file = slices.Clone(file)
		for i, b := range file {
			file[i] = bits.Reverse8(b)
		}
	}
	out := newRaster(l.mode(), l.w, l.h)
	out.palette = &l.palette
	unpack := &tiffUnpacker{compression: l.compression}
	perPixel := l.samples / l.planes // samples of a plane
	row := make([]byte, (l.blockW*perPixel*l.bits+7)/8)
	for plane := range l.planes {
		for i := range across * down {
			x, y := i%across*l.blockW, i/across*l.blockH
			rows := l.blockH
			if l.offsets == tiffStripOffsets {
				rows = min(rows, l.h-y)
			}
			packed, err := l.bytesOf(file, plane*across*down+i)
			if err != nil {
				return nil, err
			}
			r, err := unpack.reader(packed)
			if err != nil {
				return nil, err
			}
			for j := range rows {
				if l.compression == 1 && y+j >= l.h {
					break
				}
				if _, err := io.ReadFull(r, row); err != nil {
					return nil, fmt.Errorf("pixel data ends at row %d of %d: %w", y+j, l.h, err)
				}
				if y+j < l.h {
					l.undo(row, perPixel)
					l.store(out, row, x, y+j, min(l.blockW, l.w-x), plane)
				}
			}
			if l.compression == 1 {
				continue
			}
			if err := checkEnd(r, tiffMostSurplus); err != nil {
				return nil, err
			}
		}
	}
	if out.mode == modeRGBA && l.extra == 1 {
		out.divide()
	}
	return out, nil
}

// mode is what Pillow makes of the samples; others behind them are dropped.
func (l *tiffLayout) mode() mode {
	switch {
	case l.photometric == tiffPalette:
		return modePalette
	case l.photometric == tiffCMYK:
		return modeCMYK
	case l.photometric == tiffRGB && l.samples > 3 && l.extra != 0:
		return modeRGBA
	case l.photometric == tiffRGB:
		return modeRGB
	case l.bits == 16:
		return modeWide
	case l.samples > 1:
		return modeGreyAlpha
	case l.bits == 1:
		return modeBits
	}
	return modeGrey
}

// undo adds up the differences of a row.
func (l *tiffLayout) undo(row []byte, perPixel int) {
	switch {
	case l.predictor != 2:
	case l.bits == 8:
		for i := perPixel; i < len(row); i++ {
			row[i] += row[i-perPixel]
		}
	default:
		order := l.file.order
		for i := 2 * perPixel; i+1 < len(row); i += 2 {
			order.PutUint16(row[i:], order.Uint16(row[i:])+order.Uint16(row[i-2*perPixel:]))
		}
	}
}

// store writes the first n pixels of a row to those from x, y on. A plane of its
// own goes to one of their samples.
func (l *tiffLayout) store(out *raster, row []byte, x, y, n, plane int) {
	at := y*l.w + x
	if out.mode == modeWide {
		for i := range n {
			out.wide[at+i] = l.file.order.Uint16(row[2*i:])
		}
		return
	}
	flip := byte(0)
	if l.photometric == tiffWhiteIsZero {
		flip = 255
	}
	if l.bits < 8 {
		full := byte(1)
		if out.mode != modePalette {
			full = byte(255 / (1<<l.bits - 1))
		}
		for i := range n {
			out.pix[at+i] = sample(row, i, l.bits)*full ^ flip
		}
		return
	}
	size, first := l.bits/8, 0 // first is where a sample's upper byte is
	if size == 2 && l.file.order.Uint16([]byte{1, 0}) == 1 {
		first = 1
	}
	keep := channels[out.mode]
	if l.planes > 1 {
		if plane < keep {
			for i := range n {
				out.pix[(at+i)*keep+plane] = row[i*size+first] ^ flip
			}
		}
		return
	}
	for i := range n {
		for c := range keep {
			out.pix[(at+i)*keep+c] = row[(i*l.samples+c)*size+first] ^ flip
		}
	}
}

// divide divides the colours of an RGBA by its opacity, in units of 255.
func (r *raster) divide() {
	for i := 0; i < len(r.pix); i += 4 {
		a := int(r.pix[i+3])
		for c := range 3 {
			if a == 0 {
				r.pix[i+c] = 0
			} else {
				r.pix[i+c] = byte(min(255, int(r.pix[i+c])*255/a))
			}
		}
	}
}

// tiffUnpacker makes the readers of blocks, of one at a time.
type tiffUnpacker struct {
	compression int
	inflate     io.ReadCloser
	lzw         *tiffLZW
}

func (u *tiffUnpacker) reader(b []byte) (io.Reader, error) {
	switch u.compression {
	case 1:
		return bytes.NewReader(b), nil
	case 5:
		if u.lzw == nil {
			u.lzw = new(tiffLZW)
		}
		u.lzw.reset(b)
		return u.lzw, nil
	case 32773:
		return &packBits{b: b}, nil
	}
	var err error
	if u.inflate == nil {
		u.inflate, err = zlib.NewReader(bytes.NewReader(b))
	} else {
		err = u.inflate.(zlib.Resetter).Reset(bytes.NewReader(b), nil)
	}
	return u.inflate, err
}
