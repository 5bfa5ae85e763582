package imageprep

import (
	"bytes"
	"encoding/binary"
)

// Orientations of EXIF's tag 0x0112: how the stored image must be turned to
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

// notes is what a file says beside its pixels that bears on the orientation.
type notes struct {
	exif []byte // the body of its EXIF record: a TIFF header, with or without "Exif\0\0" before it
	xmp  []byte // its XMP packet
}

// orientation is that of the EXIF record, or else that of the XMP packet, as in
// Pillow. It is 1, upright, where both are missing, damaged or say nothing:
// cameras and editors write all of these.
func (n notes) orientation() int {
	if o, ok := exifOrientation(n.exif); ok {
		return o
	}
	const name = "tiff:Orientation"
	for _, after := range []string{`="`, ">"} {
		if _, rest, ok := bytes.Cut(n.xmp, []byte(name+after)); ok && len(rest) > 0 && '0' <= rest[0] && rest[0] <= '9' {
			return int(rest[0] - '0')
		}
	}
	return 1
}

// exifOrientation reads the orientation from the first directory of an EXIF
// record.
func exifOrientation(exif []byte) (orientation int, ok bool) {
	exif = bytes.TrimPrefix(exif, []byte("Exif\x00\x00"))
	if len(exif) < 8 {
		return 0, false
	}
	var order binary.ByteOrder
	switch string(exif[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0, false
	}
	at := int64(order.Uint32(exif[firstDirectoryPtr:]))
	if at+2 > int64(len(exif)) {
		return 0, false
	}
	entries := exif[at+2:]
	for range order.Uint16(exif[at:]) {
		if len(entries) < entrySize {
			return 0, false
		}
		if order.Uint16(entries) == orientationTag && order.Uint16(entries[2:]) == typeShort {
			return int(order.Uint16(entries[8:])), true
		}
		entries = entries[entrySize:]
	}
	return 0, false
}

// turned rotates or mirrors an image according to its EXIF orientation, as Pillow's
// exif_transpose does, and returns its new size. pix is [h,w,samples].
func turned[T any](pix []T, w, h, samples, orientation int) ([]T, int, int) {
	// A step to the right and one down in the result are steps dx and dy in the
	// source, in pixels, from the source pixel first.
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
		return pix, w, h
	}
	if orientation >= transposed {
		w, h = h, w
	}
	out := make([]T, len(pix))
	for y := range h {
		from := first + y*dy
		for x := range w {
			copy(out[samples*(y*w+x):][:samples], pix[samples*from:])
			from += dx
		}
	}
	return out, w, h
}
