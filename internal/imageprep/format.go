package imageprep

import (
	"bytes"
	"errors"
)

// format is a kind of file: how it begins, and how it is read.
type format struct {
	name   string
	begins func(b []byte) bool
	// decode returns the image and what tells its orientation. Unless the
	// samples are to be kept as they are, it may convert them to RGB as
	// raster.rgb would. It has the image's size admitted before it allocates
	// anything of it.
	decode func(b []byte, admit admission, keep bool) (*raster, notes, error)
}

func prefix(s string) func([]byte) bool {
	return func(b []byte) bool { return bytes.HasPrefix(b, []byte(s)) }
}

var errTruncatedFile = errors.New("file is truncated")

// admission refuses an image whose header claims too much.
type admission func(w, h int) error
