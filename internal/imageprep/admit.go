package imageprep

import (
	"fmt"
	"sync"
)

const (
	// pixelBytes is the most that a format takes for a pixel: a progressive JPEG
	// of four inks, its coefficients, its planes, and the image twice.
	pixelBytes = 20

	// mostInflated is how many bytes a byte of a deflate stream can become.
	mostInflated = 1032

	// mostPixels is how many pixels a byte of a file may make in an image of
	// more than freePixels: as many as a byte of a PNG file with a bit a pixel.
	// Formats whose canvas is larger than what is drawn, or that spend nothing
	// on pixels of one colour, could ask for all memory in a few bytes.
	mostPixels = 8 * mostInflated
	freePixels = 1 << 24

	// largePixels is how many pixels make an image large. Cameras make few such.
	largePixels = 1 << 25
)

// large is held while a large image is decoded, so that a folder of bombs
// takes no more memory than one of them, whatever the number of workers.
var large sync.Mutex

// admitted decodes b within the bounds of o.
func (f *format) admitted(b []byte, o Options, keep bool) (*raster, notes, error) {
	held := false
	defer func() {
		if held {
			large.Unlock()
		}
	}()
	return f.decode(b, func(w, h int) error {
		if err := o.check(w, h); err != nil {
			return err
		}
		if w*h > freePixels {
			if err := fits(w, h, w*h, mostPixels, len(b)); err != nil {
				return err
			}
		}
		if w*h > largePixels && !held {
			large.Lock()
			held = true
		}
		return nil
	}, keep)
}

// tooLarge is the error of an image of more pixels than allowed.
type tooLarge string

func (e tooLarge) Error() string { return string(e) }

// Hint says how larger images are taken.
func (tooLarge) Hint() string {
	return "{max-pixels} takes larger images, if there is memory for them"
}

// check refuses an image of more pixels than allowed, or of none.
func (o Options) check(w, h int) error {
	limit := o.MaxPixels
	if limit <= 0 {
		limit = DefaultMaxPixels
	}
	if w <= 0 || h <= 0 {
		return fmt.Errorf("%dx%d pixels, want at least one", w, h)
	}
	if w > limit/h {
		return tooLarge(fmt.Sprintf("%dx%d pixels, want at most %d in all", w, h, limit))
	}
	return nil
}

// fits refuses an image of w x h pixels whose units, bytes or blocks or the
// pixels themselves, are more than its size bytes of data can make: one makes
// perByte of them at most.
func fits(w, h, units, perByte, size int) error {
	if units/perByte > size {
		return fmt.Errorf("%d bytes of data for %dx%d pixels: %w", size, w, h, errTruncatedFile)
	}
	return nil
}
