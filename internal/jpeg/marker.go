package jpeg

import (
	"bytes"
	"errors"
	"fmt"
)

// Marker codes, ITU-T T.81 table B.1.
const (
	mTEM   = 0x01
	mSOF0  = 0xc0 // baseline
	mSOF1  = 0xc1 // extended sequential
	mSOF2  = 0xc2 // progressive
	mDHT   = 0xc4
	mSOF15 = 0xcf
	mDAC   = 0xcc
	mRST0  = 0xd0
	mRST7  = 0xd7
	mSOI   = 0xd8
	mEOI   = 0xd9
	mSOS   = 0xda
	mDQT   = 0xdb
	mDNL   = 0xdc
	mDRI   = 0xdd
	mAPP0  = 0xe0
	mAPP1  = 0xe1
	mAPP14 = 0xee
	mAPP15 = 0xef
	mCOM   = 0xfe
)

// frameNames names the frames that are refused; JPG (C8) is reserved.
var frameNames = map[byte]string{
	0xc3: "lossless", 0xc5: "hierarchical", 0xc6: "hierarchical progressive",
	0xc7: "hierarchical lossless", 0xc8: "reserved-extension", 0xc9: "arithmetic-coded",
	0xca: "arithmetic-coded progressive", 0xcb: "arithmetic-coded lossless",
	0xcd: "arithmetic-coded hierarchical", 0xce: "arithmetic-coded hierarchical progressive",
	0xcf: "arithmetic-coded hierarchical lossless",
}

const (
	maxComponents   = 4
	maxSampling     = 4     // largest sampling factor
	maxBlocksPerMCU = 10    // of an interleaved scan, T.81 B.2.3
	maxSide         = 65500 // libjpeg's limit, a little below the format's
	maxScans        = 300   // no real file comes near it; bounds the work of a hostile one
)

// decoder is the state of one decoding.
type decoder struct {
	data []byte
	pos  int // of the next byte to be read
	tail int // bytes left after the last scan's data, when no marker ended it

	width, height int
	progressive   bool
	frames, scans int
	comps         []component
	maxH, maxV    int
	mcusX, mcusY  int // of the whole frame, interleaved
	interval      int // MCUs per restart segment, 0 for none

	jfif, adobe    bool
	adobeTransform byte
	exif           []byte

	quant  [4]*[64]uint16 // by place, see order
	dc, ac [4]*huffman

	// The scan in hand, from its SOS segment.
	scan           []*component
	single         bool // the first scan holds every component
	ss, se, ah, al int  // spectral band and successive approximation
}

// component is one colour plane of the frame.
type component struct {
	id, tq           byte
	h, v             int // sampling factors, 1..4
	width, height    int // samples that are part of the image
	blocksX, blocksY int // blocks that a scan of this component alone holds
	stride           int // samples per row of plane, whole MCUs
	plane            []byte
	coef             []block     // progressive: all blocks, stride/8 per row
	quant            *[64]uint16 // as it stood at the component's first scan
	dc, ac           *huffman    // of the scan in hand
	lastDC           int32       // of the segment in hand
	scanned          bool        // a scan brought it
	known            [64]int8    // progressive: the lowest bit received of each coefficient, -1 for none
}

// nextMarker skips to the next marker, its fill bytes and all, and returns its
// code. Like libjpeg it passes over anything that is not a marker.
func (d *decoder) nextMarker() (byte, error) {
	for {
		i := bytes.IndexByte(d.data[d.pos:], 0xff)
		if i < 0 {
			d.pos = len(d.data)
			return 0, errTruncated
		}
		d.pos += i
		for d.pos < len(d.data) && d.data[d.pos] == 0xff {
			d.pos++
		}
		if d.pos == len(d.data) {
			return 0, errTruncated
		}
		code := d.data[d.pos]
		d.pos++
		if code != 0 {
			return code, nil
		}
	}
}

// readSegments reads segments up to the next SOS, or returns false at EOI.
func (d *decoder) readSegments() (bool, error) {
	for {
		code, err := d.nextMarker()
		if err != nil {
			return false, err
		}
		switch {
		case code == mEOI:
			return false, nil
		case code == mSOI:
			return false, errors.New("jpeg: a second start marker")
		case code == mTEM, mRST0 <= code && code <= mRST7:
			continue // no parameters
		}
		if len(d.data)-d.pos < 2 {
			return false, errTruncated
		}
		n := int(d.data[d.pos])<<8 | int(d.data[d.pos+1])
		if n < 2 {
			return false, fmt.Errorf("jpeg: segment FF%02X: length %d, want at least 2", code, n)
		}
		if len(d.data)-d.pos < n {
			return false, errTruncated
		}
		p := d.data[d.pos+2 : d.pos+n]
		d.pos += n
		if code == mSOS {
			return true, d.readSOS(p)
		}
		if err := d.readSegment(code, p); err != nil {
			return false, err
		}
	}
}

func (d *decoder) readSegment(code byte, p []byte) error {
	switch {
	case code == mDHT:
		return d.readDHT(p)
	case code == mDQT:
		return d.readDQT(p)
	case code == mDRI:
		if len(p) != 2 {
			return fmt.Errorf("jpeg: restart interval: %d bytes, want 2", len(p))
		}
		d.interval = int(p[0])<<8 | int(p[1])
	case code == mSOF0, code == mSOF1, code == mSOF2:
		d.progressive = code == mSOF2
		return d.readSOF(p)
	case code == mAPP0:
		if len(p) >= 12 && bytes.HasPrefix(p, []byte("JFIF\x00")) {
			d.jfif = true
		}
	case code == mAPP1:
		if body, ok := bytes.CutPrefix(p, []byte("Exif\x00")); ok && d.exif == nil && len(body) > 0 {
			d.exif = body[1:]
		}
	case code == mAPP14:
		if len(p) >= 12 && bytes.HasPrefix(p, []byte("Adobe")) {
			d.adobe, d.adobeTransform = true, p[11]
		}
	case mAPP0 <= code && code <= mAPP15, code == mCOM, code == mDNL, code == mDAC:
		// Nothing that changes the pixels.
	case mSOF0 <= code && code <= mSOF15:
		return frameError{code}
	default:
		return fmt.Errorf("jpeg: unknown marker FF%02X", code)
	}
	return nil
}

// frameError is the error of a frame that is not decoded.
type frameError struct{ code byte }

func (e frameError) Error() string {
	return fmt.Sprintf("jpeg: %s frame (FF%02X), want a sequential or progressive Huffman-coded one", frameNames[e.code], e.code)
}

func (e frameError) Hint() string {
	if e.code == 0xc9 || e.code == 0xca {
		return "convert it without loss, with libjpeg's jpegtran: jpegtran -copy all -optimize picture.jpg > huffman.jpg"
	}
	return "convert it to a baseline JPEG or to PNG with the program that wrote it"
}

func (d *decoder) readSOF(p []byte) error {
	if d.frames++; d.frames > 1 {
		return errors.New("jpeg: a second frame")
	}
	if len(p) < 6 || len(p) != 6+3*int(p[5]) {
		return fmt.Errorf("jpeg: frame header: %d bytes, not what its component count asks for", len(p))
	}
	if p[0] != 8 {
		return fmt.Errorf("jpeg: %d-bit samples, want 8-bit", p[0])
	}
	d.height, d.width = int(p[1])<<8|int(p[2]), int(p[3])<<8|int(p[4])
	if d.width == 0 || d.height == 0 || d.width > maxSide || d.height > maxSide {
		return fmt.Errorf("jpeg: frame of %dx%d pixels, want sides of 1 to %d", d.width, d.height, maxSide)
	}
	n := int(p[5])
	if n != 1 && n != 3 && n != maxComponents {
		return fmt.Errorf("jpeg: %d components, want 1, 3 or 4", n)
	}
	d.comps = make([]component, n)
	d.maxH, d.maxV = 1, 1
	for i := range d.comps {
		c, q := &d.comps[i], p[6+3*i:]
		c.id, c.h, c.v, c.tq = q[0], int(q[1]>>4), int(q[1]&15), q[2]
		if c.h == 0 || c.h > maxSampling || c.v == 0 || c.v > maxSampling {
			return fmt.Errorf("jpeg: component %d: sampling factors %dx%d, want 1 to %d", i, c.h, c.v, maxSampling)
		}
		if n == 1 {
			c.h, c.v = 1, 1 // factors are relative, and a lone component is never interleaved
		}
		d.maxH, d.maxV = max(d.maxH, c.h), max(d.maxV, c.v)
		for k := range c.known {
			c.known[k] = -1
		}
	}
	d.mcusX, d.mcusY = ceilDiv(d.width, 8*d.maxH), ceilDiv(d.height, 8*d.maxV)
	for i := range d.comps {
		c := &d.comps[i]
		if d.maxH%c.h != 0 || d.maxV%c.v != 0 {
			return fmt.Errorf("jpeg: component %d: sampling factors %dx%d do not divide the largest, %dx%d",
				i, c.h, c.v, d.maxH, d.maxV)
		}
		c.width, c.height = ceilDiv(d.width*c.h, d.maxH), ceilDiv(d.height*c.v, d.maxV)
		c.blocksX, c.blocksY = ceilDiv(c.width, 8), ceilDiv(c.height, 8)
	}
	return nil
}

func (d *decoder) readDQT(p []byte) error {
	for len(p) > 0 {
		wide, id := int(p[0]>>4), int(p[0]&15)
		size := 1 + 64*(1+wide)
		if wide > 1 || id > 3 || len(p) < size {
			return fmt.Errorf("jpeg: quantisation table %d of precision %d in %d bytes", id, wide, len(p))
		}
		var t [64]uint16
		for i := range t {
			if wide == 1 {
				t[order[i]] = uint16(p[1+2*i])<<8 | uint16(p[2+2*i])
			} else {
				t[order[i]] = uint16(p[1+i])
			}
		}
		d.quant[id] = &t
		p = p[size:]
	}
	return nil
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
