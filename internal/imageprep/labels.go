package imageprep

import "fmt"

// Labels is a label map: an image whose pixels are numbers, not colours.
type Labels struct {
	Pix  []uint16 // [H,W]
	W, H int
}

// NewLabels returns a label map of w x h zeros, if images of that size may be
// read.
func NewLabels(w, h int, o Options) (*Labels, error) {
	if err := o.check(w, h); err != nil {
		return nil, err
	}
	return &Labels{Pix: make([]uint16, w*h), W: w, H: h}, nil
}

// LoadLabels is Load for the file of a label map.
func LoadLabels(path string) (*File, error) { return load("label map", path, isPNG) }

// LoadLabelsFrom is LoadFrom for a label map.
func LoadLabelsFrom(path string, from Source) (*File, error) {
	return loadFrom("label map", path, from, isPNG)
}

// DecodeLabels decodes the label map that the file, which LoadLabels has read, holds.
// Errors name the file.
func (f *File) DecodeLabels(o Options) (*Labels, error) {
	return decodeAs("label map", f, o, DecodeLabels)
}

// DecodeLabels reads a label map from the bytes of a PNG file: the index of an image
// with a palette, whatever its colours, or the grey value as stored, of 1 to 16 bits.
// A file of another kind is an error with a method Hint. Memory is two bytes a pixel
// beside the file and a row.
func DecodeLabels(b []byte, o Options) (*Labels, error) {
	if !isPNG(b) {
		return nil, notLabels{fmt.Errorf("file beginning %q, want a PNG of indices", b[:min(len(b), 12)])}
	}
	f, err := parsePNG(b)
	if err != nil {
		return nil, fmt.Errorf("png: %w", err)
	}
	if err := o.check(f.w, f.h); err != nil {
		return nil, fmt.Errorf("png: %w", err)
	}
	if f.kind != pngGrey && f.kind != pngPalette {
		return nil, notLabels{fmt.Errorf("png: %d channels, want one of indices", pngChannels[f.kind])}
	}
	packed, err := f.packed()
	if err != nil {
		return nil, fmt.Errorf("png: %w", err)
	}
	labels := &Labels{Pix: make([]uint16, f.w*f.h), W: f.w, H: f.h}
	err = f.rows(packed, func(row []byte, w, at, dx int) {
		for i := range w {
			if f.depth == 16 {
				labels.Pix[at+i*dx] = uint16(row[2*i])<<8 | uint16(row[2*i+1])
			} else {
				labels.Pix[at+i*dx] = uint16(sample(row, i, f.depth))
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("png: %w", err)
	}
	return labels, nil
}

// notLabels is the error of a file that shows labels as colours, or not at all.
type notLabels struct{ error }

func (e notLabels) Unwrap() error { return e.error }

func (e notLabels) Hint() string {
	return "a label map is a PNG with a palette or of one grey channel, each pixel the number of its class; " +
		"one of colours is for looking at, and data sets have the map of indices beside it"
}
