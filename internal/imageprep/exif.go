package imageprep

import (
	"bytes"
	"encoding/binary"
)

// Orientations of EXIF's tag 0x0112: how the stored picture must be turned to
// stand upright. The value 1, and all others, mean that it does.
const (
	mirrored          = 2 // left and right swapped
	turnedHalf        = 3
	flipped           = 4 // top and bottom swapped
	transposed        = 5 // rows and columns swapped
	turnedLeft        = 6 // to be turned a quarter clockwise
	transverse        = 7 // rows and columns swapped, and turned half
	turnedRight       = 8 // to be turned a quarter anticlockwise
	orientationTag    = 0x0112
	typeShort         = 3
	entrySize         = 12
	firstDirectoryPtr = 4
)

// orientation reads the orientation from an EXIF record: a TIFF header, with or
// without "Exif\0\0" before it, and its first directory. It is 1, upright, where
// the record is missing, damaged or says nothing: cameras and editors write
// all of these.
func orientation(exif []byte) int {
	exif = bytes.TrimPrefix(exif, []byte("Exif\x00\x00"))
	if len(exif) < 8 {
		return 1
	}
	var order binary.ByteOrder
	switch string(exif[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := int64(order.Uint32(exif[firstDirectoryPtr:]))
	if at+2 > int64(len(exif)) {
		return 1
	}
	entries := exif[at+2:]
	for range order.Uint16(exif[at:]) {
		if len(entries) < entrySize {
			return 1
		}
		if order.Uint16(entries) == orientationTag && order.Uint16(entries[2:]) == typeShort {
			return int(order.Uint16(entries[8:]))
		}
		entries = entries[entrySize:]
	}
	return 1
}

// upright turns a picture that is stored with an orientation, as Pillow's
// exif_transpose does.
func upright(src *RGB, orientation int) *RGB {
	// A step to the right and one down in the result are steps dx and dy in the
	// source, in pixels, from the source pixel first.
	w, h := src.W, src.H
	var first, dx, dy int
	switch orientation {
	case mirrored:
		first, dx, dy = w-1, -1, w
	case turnedHalf:
		first, dx, dy = w*h-1, -1, -w
	case flipped:
		first, dx, dy = w*(h-1), 1, -w
	case transposed:
		first, dx, dy = 0, w, 1
	case turnedLeft:
		first, dx, dy = w*(h-1), -w, 1
	case transverse:
		first, dx, dy = w*h-1, -w, -1
	case turnedRight:
		first, dx, dy = w-1, w, -1
	default:
		return src
	}
	if orientation >= transposed {
		w, h = h, w
	}
	out := newRGB(w, h)
	for y := range h {
		from := first + y*dy
		for x := range w {
			copy(out.Pix[3*(y*w+x):][:3], src.Pix[3*from:])
			from += dx
		}
	}
	return out
}
