// Package imageprep turns image files into the input of CLIP's image tower:
// [3,S,S] float32, the values that torchvision's transforms give over Pillow,
// bit for bit. The chain is
//
//	decode, convert to RGB, resize the shorter side to S (bicubic,
//	antialiased), crop the centre, scale to 0..1, normalise
//
// or, as Options.Order says, the conversion to RGB only after the crop. A model may be made
// for another mean and deviation of channels or another way to the square, which its Form has.
//
// An RGB is a decoded image, a raster one with the samples that its file holds.
// The format is told by a file's first bytes, not by its name: JPEG, PNG, WebP,
// GIF (the first frame), BMP, TIFF and Netpbm's raw formats. Conversion to RGB is
// Pillow's convert("RGB"): transparency is dropped, not blended, 16-bit channels
// lose their low byte, 16-bit grey is cut at 255. Damage that Pillow reads over is
// an error; docs/formats.md has a table of what is read, and what is refused.
//
// A file is read whole only if it begins as an image does. The size in its header
// is held to Options.MaxPixels before anything of that size is allocated, and in
// formats where a byte can only make so many pixels to the file's length too.
// Decoding takes at most pixelBytes per pixel beside twice the file, and images
// of more than largePixels are decoded one at a time. All functions may be called
// from many goroutines at once.
package imageprep

import (
	"errors"
	"fmt"
	"strings"
)

// Version names what this package computes. It goes into the manifests of what
// is made of images, and changes whenever some image's values do.
const Version = "rgb-bicubic-1"

var formats = []format{
	{"jpeg", prefix("\xff\xd8\xff"), decodeJPEG},
	{"png", isPNG, decodePNG},
	{"webp", func(b []byte) bool { return len(b) >= 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP" }, decodeWebP},
	{"gif", func(b []byte) bool { return prefix("GIF87a")(b) || prefix("GIF89a")(b) }, decodeGIF},
	{"bmp", prefix("BM"), decodeBMP},
	{"tiff", isTIFF, decodeTIFF},
	{"pnm", isPNM, decodePNM},
}

// Decode reads an image file's bytes.
func Decode(b []byte, o Options) (*RGB, error) {
	r, err := decode(b, o, false)
	if err != nil {
		return nil, err
	}
	return r.rgb(), nil
}

func decode(b []byte, o Options, keep bool) (*raster, error) {
	if len(b) == 0 {
		return nil, errors.New("empty file, want an image")
	}
	f := formatOf(b)
	if f == nil {
		return nil, unknownFormat(b)
	}
	r, notes, err := f.admitted(b, o, keep)
	if err != nil {
		if !strings.HasPrefix(err.Error(), f.name+": ") {
			err = fmt.Errorf("%s: %w", f.name, err)
		}
		return nil, err
	}
	if o.EXIF {
		r = r.upright(notes.orientation())
	}
	return r, nil
}

// formatOf returns the format of a file that begins with b, nil if it has none.
func formatOf(b []byte) *format {
	for i := range formats {
		if formats[i].begins(b) {
			return &formats[i]
		}
	}
	return nil
}

// Decode decodes the file, which Load has read. Errors name it.
func (f *File) Decode(o Options) (*RGB, error) { return decodeAs("image", f, o, Decode) }

// PreprocessFile runs the whole chain on a file that Load has read and writes
// [3,S,S] to dst, S the side of what a model wants. It resizes no more of the image
// than the crop keeps. Errors name the file.
func PreprocessFile(dst []float32, f *File, in Input, o Options) error {
	img, err := decodeAs("image", f, o, func(b []byte, o Options) (*RGB, error) { return decodeSquare(b, o, in) })
	if err != nil {
		return err
	}
	in.Normalize(dst, img)
	return nil
}

// DecodeResized decodes the file, which Load has read, and resizes it with Pillow's
// bilinear filter to the size that is returned for its own, before or after it is
// converted to RGB. It returns the image as it is as well. Errors name the file.
func (f *File) DecodeResized(o Options, size func(w, h int) (int, int)) (img, resized *RGB, err error) {
	img, err = decodeAs("image", f, o, func(b []byte, o Options) (*RGB, error) {
		r, err := decode(b, o, o.Order == ResizeFirst)
		if err != nil {
			return nil, err
		}
		w, h := size(r.w, r.h)
		if o.Order == ResizeFirst {
			from := r
			if r.mode != modeRGB { // either of the two may use up what it is made of
				from = r.copied()
			}
			resized = from.resized(part{w: w, h: h, across: w, down: h, filter: Bilinear})
			return r.rgb(), nil
		}
		img := r.rgb()
		resized = Resize(img, w, h, Bilinear)
		return img, nil
	})
	return img, resized, err
}

// decodeSquare reads an image file's bytes and returns the square that the model
// sees.
func decodeSquare(b []byte, o Options, in Input) (*RGB, error) {
	r, err := decode(b, o, o.Order == ResizeFirst)
	if err != nil {
		return nil, err
	}
	if r.release != nil {
		defer r.release() // the square is a copy
	}
	if o.Order == ResizeFirst {
		return r.square(in.Side, in.Fit), nil
	}
	return Square(r.rgb(), in.Side, in.Fit), nil
}

// Square returns the part of an image that a model sees, size x size. It resizes no more
// of the image than that.
func Square(img *RGB, size int, by Fit) *RGB {
	s := by.part(img.W, img.H, size)
	return resample(img, s.w, s.h, s.x, s.y, s.x+size, s.y+size, s.filter)
}
