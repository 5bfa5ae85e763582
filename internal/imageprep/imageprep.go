// Package imageprep turns image files into the input of CLIP's image tower:
// [3,S,S] float32, the values that torchvision's transforms give over Pillow,
// bit for bit. The chain is
//
//	decode, convert to RGB, resize the shorter side to S (bicubic,
//	antialiased), crop the centre, scale to 0..1, normalise
//
// An RGB is a decoded picture. The format is told by a file's first bytes, not
// by its name: JPEG, PNG, WebP, GIF (the first frame) and BMP. Conversion to RGB
// is Pillow's convert("RGB"): transparency is dropped, not blended, 16-bit
// channels lose their low byte, 16-bit grey is cut at 255.
//
// The size in a file's header is held to Options.MaxPixels before anything of
// that size is allocated, and in formats where a byte can only make so many
// pixels to the file's length too. Decoding takes at most pixelBytes per pixel
// beside twice the file, and pictures of more than largePixels are decoded one
// at a time. All functions may be called from many goroutines at once.
package imageprep

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Version names what this package computes. It goes into the manifests of what
// is made of pictures, and changes whenever some picture's values do.
const Version = "rgb-bicubic-1"

// DefaultMaxPixels is where Pillow takes a picture for a decompression bomb.
const DefaultMaxPixels = 178956970

// Options is how pictures are to be read.
type Options struct {
	EXIF      bool // turn the picture upright as its EXIF orientation says; CLIP's own preprocessing does not
	MaxPixels int  // refuse larger pictures; 0 stands for DefaultMaxPixels
}

// format is a kind of file: how it begins, and how it is read.
type format struct {
	name   string
	begins func(b []byte) bool
	// decode returns the picture, and the body of its EXIF record, if any. It
	// has the picture's size admitted before it allocates anything of it.
	decode func(b []byte, admit admission) (*RGB, []byte, error)
}

func prefix(s string) func([]byte) bool {
	return func(b []byte) bool { return bytes.HasPrefix(b, []byte(s)) }
}

var formats = []format{
	{"jpeg", prefix("\xff\xd8\xff"), decodeJPEG},
	{"png", prefix(pngMagic), decodePNG},
	{"webp", func(b []byte) bool { return len(b) >= 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP" }, decodeWebP},
	{"gif", func(b []byte) bool { return prefix("GIF87a")(b) || prefix("GIF89a")(b) }, decodeGIF},
	{"bmp", prefix("BM"), decodeBMP},
}

// Decode reads an image file's bytes.
func Decode(b []byte, o Options) (*RGB, error) {
	if len(b) == 0 {
		return nil, errors.New("empty file, want an image")
	}
	for _, f := range formats {
		if !f.begins(b) {
			continue
		}
		img, exif, err := f.admitted(b, o)
		if err != nil {
			if !strings.HasPrefix(err.Error(), f.name+": ") {
				err = fmt.Errorf("%s: %w", f.name, err)
			}
			return nil, err
		}
		if o.EXIF {
			img = upright(img, orientation(exif))
		}
		return img, nil
	}
	return nil, fmt.Errorf("unknown format beginning %q, want JPEG, PNG, WebP, GIF or BMP", b[:min(len(b), 12)])
}

// ReadFile reads an image file. Errors name it.
func ReadFile(path string, o Options) (*RGB, error) {
	return readAs("image", path, o, Decode)
}

// Load reads an image file's bytes. Errors name it.
func Load(path string) ([]byte, error) { return load("image", path) }

// readAs reads what a file holds. Errors name what and the file.
func readAs[T any](what, path string, o Options, decode func([]byte, Options) (*T, error)) (*T, error) {
	b, err := load(what, path)
	if err != nil {
		return nil, err
	}
	return decodeAs(what, path, b, o, decode)
}

func load(what, path string) ([]byte, error) {
	// A pipe among the pictures would be waited for without end.
	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: %s: not a regular file", what, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return b, nil
}

func decodeAs[T any](what, path string, b []byte, o Options, decode func([]byte, Options) (*T, error)) (*T, error) {
	read, err := decode(b, o)
	if err != nil {
		return nil, fmt.Errorf("read %s: %s: %w", what, path, err)
	}
	return read, nil
}

// PreprocessBytes runs the whole chain on the bytes that Load read from a file
// and writes [3,size,size] to dst. It resizes no more of the picture than the
// crop keeps. Errors name the file.
func PreprocessBytes(dst []float32, b []byte, path string, size int, o Options) error {
	img, err := decodeAs("image", path, b, o, Decode)
	if err != nil {
		return err
	}
	PreprocessRGB(dst, img, size)
	return nil
}

// PreprocessRGB runs the chain after decoding: resize, crop, normalise. It
// writes [3,size,size] to dst and panics if that has another length.
func PreprocessRGB(dst []float32, img *RGB, size int) { Normalize(dst, Square(img, size)) }

// Square returns the middle of a picture, size x size, once its shorter side is
// that long. It resizes no more of the picture than that.
func Square(img *RGB, size int) *RGB {
	w, h := ShorterSide(img.W, img.H, size)
	left, top := centre(w, size), centre(h, size)
	return resample(img, w, h, left, top, left+size, top+size, Bicubic)
}
