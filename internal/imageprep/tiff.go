package imageprep

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Tags of TIFF's first directory that bear on the pixels.
const (
	tiffWidth         = 256
	tiffHeight        = 257
	tiffBits          = 258
	tiffCompression   = 259
	tiffPhotometric   = 262
	tiffFillOrder     = 266
	tiffStripOffsets  = 273
	tiffOrientation   = 274
	tiffSamples       = 277
	tiffRowsPerStrip  = 278
	tiffStripCounts   = 279
	tiffPlanar        = 284
	tiffPredictor     = 317
	tiffColourMap     = 320
	tiffTileWidth     = 322
	tiffTileHeight    = 323
	tiffTileOffsets   = 324
	tiffTileCounts    = 325
	tiffExtraSamples  = 338
	tiffSampleFormat  = 339
	tiffMostSamples   = 6
	tiffMostTileWidth = 1 << 16
)

// What a pixel's samples mean, by tiffPhotometric.
const (
	tiffWhiteIsZero = 0
	tiffBlackIsZero = 1
	tiffRGB         = 2
	tiffPalette     = 3
	tiffCMYK        = 5
)

// tiffCompressions names compressions. Those that are not read have a zero.
var tiffCompressions = map[int]struct {
	name string
	read bool
}{
	1: {"none", true}, 5: {"LZW", true}, 8: {"Deflate", true}, 32946: {"Deflate", true}, 32773: {"PackBits", true},
	2: {name: "CCITT"}, 3: {name: "CCITT fax 3"}, 4: {name: "CCITT fax 4"}, 6: {name: "old JPEG"}, 7: {name: "JPEG"},
	34712: {name: "JPEG 2000"}, 34925: {name: "LZMA"}, 50000: {name: "Zstandard"}, 50001: {name: "WebP"}, 50002: {name: "JPEG XL"},
}

var isTIFF = anyPrefix("II*\x00", "MM\x00*")

// tiffFile is the first directory of a TIFF file.
type tiffFile struct {
	b      []byte
	order  binary.ByteOrder
	values map[int]tiffValues // by tag
}

// tiffValues are integers of size bytes each.
type tiffValues struct {
	b    []byte
	size int
}

// decodeTIFF reads the first image of a TIFF file: TIFF 6 baseline (grey, colour and
// palette), and also LZW, Deflate, tiles and CMYK. It always applies the orientation,
// as Pillow does.
func decodeTIFF(b []byte, admit admission, _ bool) (*raster, notes, error) {
	f, err := parseTIFF(b)
	if err != nil {
		return nil, notes{}, err
	}
	l, err := f.layout()
	if err != nil {
		return nil, notes{}, err
	}
	if err := admit(l.w, l.h); err != nil {
		return nil, notes{}, err
	}
	r, err := l.image()
	if err != nil {
		return nil, notes{}, err
	}
	return r.upright(f.number(tiffOrientation, 1)), notes{}, nil
}

// tiffSizes are the bytes of a value by type, of those types that are numbers.
var tiffSizes = map[uint16]int64{1: 1, 3: 2, 4: 4}

// parseTIFF finds the values of the first directory's entries. Those of other
// types than whole numbers are left out, and those that the file lacks.
func parseTIFF(b []byte) (*tiffFile, error) {
	f := &tiffFile{b: b, order: binary.LittleEndian, values: map[int]tiffValues{}}
	if b[0] == 'M' {
		f.order = binary.BigEndian
	}
	if len(b) < 8 {
		return nil, errTruncatedFile
	}
	at := int64(f.order.Uint32(b[4:]))
	if at+2 > int64(len(b)) {
		return nil, errTruncatedFile
	}
	n := int64(f.order.Uint16(b[at:]))
	entries := b[at+2:]
	if n*entrySize > int64(len(entries)) {
		return nil, errTruncatedFile
	}
	for i := range n {
		e := entries[i*entrySize:][:entrySize]
		tag, size := int(f.order.Uint16(e)), tiffSizes[f.order.Uint16(e[2:])]
		length := size * int64(f.order.Uint32(e[4:]))
		value := e[8:]
		if length > 4 {
			from := int64(f.order.Uint32(value))
			if from+length > int64(len(b)) {
				continue
			}
			value = b[from:]
		}
		if size == 0 {
			continue
		}
		f.values[tag] = tiffValues{value[:length], int(size)}
	}
	return f, nil
}

// count is how many numbers a tag has.
func (f *tiffFile) count(tag int) int {
	v := f.values[tag]
	return len(v.b) / max(1, v.size)
}

// at is the i-th number of a tag, which must have one.
func (f *tiffFile) at(tag, i int) int64 {
	v := f.values[tag]
	b := v.b[i*v.size:]
	switch v.size {
	case 1:
		return int64(b[0])
	case 2:
		return int64(f.order.Uint16(b))
	}
	return int64(f.order.Uint32(b))
}

// number is the first number of a tag, cut at 2^31-1, or other without one.
func (f *tiffFile) number(tag, other int) int {
	if f.count(tag) == 0 {
		return other
	}
	return int(min(f.at(tag, 0), 1<<31-1))
}

// layout reads what the tags say of the pixels, and refuses what is not read.
func (f *tiffFile) layout() (*tiffLayout, error) {
	l := &tiffLayout{file: f, w: f.number(tiffWidth, 0), h: f.number(tiffHeight, 0), photometric: f.number(tiffPhotometric, tiffWhiteIsZero)}
	l.compression = f.number(tiffCompression, 1)
	if c := tiffCompressions[l.compression]; !c.read {
		return nil, fmt.Errorf("compression %d %s, want none, LZW, Deflate or PackBits", l.compression, c.name)
	}
	l.samples = f.number(tiffSamples, 1)
	if l.samples < 1 || l.samples > tiffMostSamples {
		return nil, fmt.Errorf("%d samples a pixel, want 1 to %d", l.samples, tiffMostSamples)
	}
	l.bits = f.number(tiffBits, 1)
	for i := range min(l.samples, f.count(tiffBits)) {
		if n := f.at(tiffBits, i); int(n) != l.bits {
			return nil, fmt.Errorf("samples of %d and %d bits, want all alike", l.bits, n)
		}
	}
	for i := range f.count(tiffSampleFormat) {
		if n := f.at(tiffSampleFormat, i); n != 1 {
			return nil, fmt.Errorf("samples of format %d, want whole numbers without sign (1)", n)
		}
	}
	colours, bits := 1, []int{8}
	switch l.photometric {
	case tiffWhiteIsZero:
		bits = []int{1, 2, 4, 8}
	case tiffBlackIsZero:
		bits = []int{1, 2, 4, 8, 16}
	case tiffPalette:
		bits = []int{1, 2, 4, 8}
		n := f.count(tiffColourMap) / 3
		if n < 1 {
			return nil, errors.New("indices into a palette, and no palette")
		}
		l.palette = greys
		for i := range min(n, len(l.palette)) {
			l.palette[i] = [3]byte{byte(f.at(tiffColourMap, i) >> 8), byte(f.at(tiffColourMap, n+i) >> 8), byte(f.at(tiffColourMap, 2*n+i) >> 8)}
		}
	case tiffRGB:
		colours, bits = 3, []int{8, 16}
	case tiffCMYK:
		colours = 4
	default:
		return nil, fmt.Errorf("photometric interpretation %d, want grey, RGB, a palette or CMYK (0, 1, 2, 3 or 5)", l.photometric)
	}
	l.extra = f.number(tiffExtraSamples, 2) // more samples than colours and no word of them: opacity
	if l.samples < colours || l.samples > colours && (l.bits < 8 || colours == 1 && l.extra != 2) || !slices.Contains(bits, l.bits) {
		return nil, fmt.Errorf("%d samples of %d bits with photometric interpretation %d", l.samples, l.bits, l.photometric)
	}
	l.predictor = f.number(tiffPredictor, 1)
	if l.compression != 5 && l.compression != 8 && l.compression != 32946 {
		l.predictor = 1 // it belongs to LZW and Deflate
	}
	if l.predictor != 1 && (l.predictor != 2 || l.bits < 8) {
		return nil, fmt.Errorf("predictor %d with %d bits, want none, or differences of 8 or 16 bits", l.predictor, l.bits)
	}
	l.planes = 1
	if f.number(tiffPlanar, 1) == 2 {
		l.planes = l.samples
	}
	l.reversed = f.number(tiffFillOrder, 1) == 2
	return l, l.findBlocks()
}
