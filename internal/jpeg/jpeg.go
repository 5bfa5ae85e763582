// Package jpeg decodes JPEG files to the pixels that libjpeg-turbo gives with
// its default settings, bit for bit: the accurate integer inverse DCT,
// triangle-filter ("fancy") chroma upsampling, fixed-point colour conversion.
// The standard library's decoder rounds otherwise and replicates chroma, which
// moves image features by up to several percent.
//
// A frame is what the SOF marker declares: size, components, sampling factors.
// A component is one of its 1, 3 or 4 colour planes, stored as blocks of 8x8
// samples. An MCU is the unit of an interleaved scan: h*v neighbouring blocks
// of every component. A scan carries some components, in a progressive frame
// only some coefficients of them, or some of their bits. A segment is the
// stretch of a scan between two restart markers.
//
// Sequential (SOF0, SOF1) and progressive (SOF2) Huffman-coded frames of 8-bit
// samples are read; 12-bit, lossless, hierarchical and arithmetic-coded frames
// are refused by name.
//
// libjpeg, and Pillow with it, makes something of most damage and says nothing:
// the rest of a segment turns grey, bad codes read as zero. Here what libjpeg
// takes for damage inside a scan is an error:
//
//	damage                                        Pillow           Decode
//	file ends inside a scan                       error            error
//	any marker inside a scan, EOI too             grey from there  error
//	a wrong restart marker, or none               resynchronised   error
//	a code that the Huffman table lacks           read as zero     error
//	bytes left over before a marker               passed over      passed over
//	a component that no scan brings               grey             error
//	progressive: bits sent twice or out of turn   read             error
//	progressive: low coefficients incomplete      smoothed         error
//	progressive: higher coefficients incomplete   read             read
//	progressive: no end marker                    error            error
//	sequential: no end marker, file ends          error            error
//	sequential: no end marker, 8 bytes follow     read             read
//
// Changed bits that decode to other coefficients leave no trace and are read.
//
// Memory is bounded by the file's length: a frame with more than eight blocks
// per byte is refused, since every block takes one bit at the least, and a
// block takes less than 512 bytes in all. Callers that want a tighter bound
// check DecodeConfig's size first.
package jpeg

import (
	"errors"
	"fmt"
)

// Config is what the header says of an image.
type Config struct {
	Width, Height int
	Components    int    // 1 grey, 3 RGB, 4 CMYK
	Progressive   bool   // a progressive frame
	EXIF          []byte // TIFF body of the first Exif segment before the first scan, aliasing the input; nil without one
}

// Image is a decoded image.
type Image struct {
	Pix           []byte // [Height,Width,Components], interleaved; CMYK as amounts of ink, 255 is full
	Width, Height int
	Components    int // 1 grey, 3 RGB, 4 CMYK
}

// Release gives the pixels' memory back, for another image. Nobody may use them afterwards.
func (m *Image) Release() {
	giveBack(m.Pix)
	m.Pix = nil
}

// errTruncated says that the data ended where more of a scan was due.
var errTruncated = errors.New("jpeg: file is truncated")

// DecodeConfig reads the header up to the first scan and allocates nothing of
// the image's size.
func DecodeConfig(b []byte) (Config, error) {
	var d decoder
	if err := d.readHeader(b); err != nil {
		return Config{}, err
	}
	return Config{
		Width: d.width, Height: d.height, Components: len(d.comps),
		Progressive: d.progressive, EXIF: d.exif,
	}, nil
}

// Decode decodes a whole file. Three components become RGB and four CMYK, by
// the rules that libjpeg derives from the JFIF and Adobe markers and the
// component names. Four-component samples are inverted, as Adobe writes them
// and as Pillow reads every such file.
func Decode(b []byte) (*Image, error) {
	var d decoder
	defer d.release()
	if err := d.readHeader(b); err != nil {
		return nil, err
	}
	if err := d.allocate(); err != nil {
		return nil, err
	}
	for {
		if err := d.readScan(); err != nil {
			return nil, err
		}
		more, err := d.nextScan()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
	}
	if err := d.checkComplete(); err != nil {
		return nil, err
	}
	if d.progressive {
		d.reconstruct()
	}
	return d.output(), nil
}

// readHeader reads up to and including the first SOS segment.
func (d *decoder) readHeader(b []byte) error {
	d.data = b
	if len(b) < 2 || b[0] != 0xff || b[1] != mSOI {
		return errors.New("jpeg: no start marker FF D8 at the beginning")
	}
	d.pos = 2
	sos, err := d.readSegments()
	if err != nil {
		return err
	}
	if !sos {
		return errors.New("jpeg: end marker before the first scan")
	}
	return nil
}

// nextScan goes on to the next SOS segment, or returns false at the end of the
// image.
func (d *decoder) nextScan() (bool, error) {
	sos, err := d.readSegments()
	if errors.Is(err, errTruncated) && d.singleScan() && d.tail >= prefetch {
		// libjpeg has all it needs by now, and Pillow does not ask for more.
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if sos && d.singleScan() {
		return false, errors.New("jpeg: a second scan after one that held all components")
	}
	return sos, nil
}

// prefetch is how many bytes after the last one it decodes libjpeg wants to
// see before it is sure of a scan that no marker ends.
const prefetch = 8

// blocksPerByte bounds a frame by the file's length: a block takes at least a bit.
const blocksPerByte = 8

// allocate lays the components out and allocates their planes, or, for a
// progressive frame, their coefficients.
func (d *decoder) allocate() error {
	blocks := 0
	for _, c := range d.comps {
		blocks += d.mcusX * d.mcusY * c.h * c.v
	}
	if blocks/blocksPerByte > len(d.data) {
		return fmt.Errorf("jpeg: %d bytes for %dx%d pixels, less than a bit for each of %d blocks: %w",
			len(d.data), d.width, d.height, blocks, errTruncated)
	}
	for i := range d.comps {
		c := &d.comps[i]
		c.stride = d.mcusX * c.h * 8
		if d.progressive {
			c.coef = make([]block, d.mcusX*c.h*d.mcusY*c.v)
			continue // the plane comes when the coefficients are complete
		}
		c.allocatePlane(d)
	}
	return nil
}

func (c *component) allocatePlane(d *decoder) {
	c.plane = borrow(c.stride * d.mcusY * c.v * 8)
}

// release gives the planes back.
func (d *decoder) release() {
	for i := range d.comps {
		giveBack(d.comps[i].plane)
		d.comps[i].plane = nil
	}
}

// singleScan reports whether the first scan is the whole image.
func (d *decoder) singleScan() bool { return d.single && !d.progressive }
