// Package imageprep turns image files into the input of CLIP's image tower:
// [3,S,S] float32, the values that torchvision's transforms give over Pillow,
// bit for bit. The chain is
//
//	decode, convert to RGB, resize the shorter side to S (bicubic,
//	antialiased), crop the centre, scale to 0..1, normalise
//
// or, as Options.Order says, the conversion to RGB only after the crop.
//
// An RGB is a decoded picture, a raster one with the samples that its file holds.
// The format is told by a file's first bytes, not by its name: JPEG, PNG, WebP,
// GIF (the first frame), BMP, TIFF and Netpbm's raw formats. Conversion to RGB is
// Pillow's convert("RGB"): transparency is dropped, not blended, 16-bit channels
// lose their low byte, 16-bit grey is cut at 255. Damage that Pillow reads over is
// an error; docs/formats.md has a table of what is read, and what is refused.
//
// A file is read whole only if it begins as a picture does. The size in its header
// is held to Options.MaxPixels before anything of that size is allocated, and in
// formats where a byte can only make so many pixels to the file's length too.
// Decoding takes at most pixelBytes per pixel beside twice the file, and pictures
// of more than largePixels are decoded one at a time. All functions may be called
// from many goroutines at once.
package imageprep

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Version names what this package computes. It goes into the manifests of what
// is made of pictures, and changes whenever some picture's values do.
const Version = "rgb-bicubic-1"

// DefaultMaxPixels is where Pillow takes a picture for a decompression bomb.
const DefaultMaxPixels = 178956970

// RGB is a picture of 8 bits per channel.
type RGB struct {
	Pix  []byte // [H,W,3]
	W, H int
}

func newRGB(w, h int) *RGB { return &RGB{Pix: make([]byte, 3*w*h), W: w, H: h} }

// Options is how pictures are to be read.
type Options struct {
	// EXIF turns the picture upright as its EXIF orientation says. CLIP's own
	// preprocessing does not; mmcv's loader, which reads the pictures of
	// segmentation data sets, does.
	EXIF bool

	MaxPixels int // refuse larger pictures; 0 stands for DefaultMaxPixels
	Order     Order
}

// Order says when a picture is converted to RGB. It makes a difference for what is
// not RGB already: pictures with a palette are then resized without interpolation,
// colours are weighted by their opacity, 16-bit greys are cut and inks converted
// after resizing and not before.
type Order int

const (
	// ConvertFirst is the order of data sets that convert what they open, as the
	// reference's do.
	ConvertFirst Order = iota
	// ResizeFirst is the order of the preprocessing that OpenAI's CLIP and
	// open_clip come with: resize, crop, convert.
	ResizeFirst
)

// orderNames are what users call the orders.
var orderNames = []string{ConvertFirst: "reference", ResizeFirst: "openai"}

func (o Order) String() string { return orderNames[o] }

// ParseOrder returns the order of a name: reference or openai.
func ParseOrder(name string) (Order, error) {
	if i := slices.Index(orderNames, name); i >= 0 {
		return Order(i), nil
	}
	return 0, fmt.Errorf("%q, want %s", name, strings.Join(orderNames, " or "))
}

// format is a kind of file: how it begins, and how it is read.
type format struct {
	name   string
	begins func(b []byte) bool
	// decode returns the picture and what tells its orientation. Unless the
	// samples are to be kept as they are, it may convert them to RGB as
	// raster.rgb would. It has the picture's size admitted before it allocates
	// anything of it.
	decode func(b []byte, admit admission, keep bool) (*raster, notes, error)
}

func prefix(s string) func([]byte) bool {
	return func(b []byte) bool { return bytes.HasPrefix(b, []byte(s)) }
}

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

// ReadFile reads an image file. Errors name it.
func ReadFile(path string, o Options) (*RGB, error) {
	f, err := Load(path)
	if err != nil {
		return nil, err
	}
	return decodeAs("image", f, o, Decode)
}

// PreprocessFile runs the whole chain on a file that Load has read and writes
// [3,size,size] to dst. It resizes no more of the image than the crop keeps.
// Errors name the file.
func PreprocessFile(dst []float32, f *File, size int, o Options) error {
	img, err := decodeAs("image", f, o, func(b []byte, o Options) (*RGB, error) { return decodeSquare(b, o, size) })
	if err != nil {
		return err
	}
	Normalize(dst, img)
	return nil
}

// decodeSquare reads an image file's bytes and returns the square that the model
// sees.
func decodeSquare(b []byte, o Options, size int) (*RGB, error) {
	r, err := decode(b, o, o.Order == ResizeFirst)
	if err != nil {
		return nil, err
	}
	if o.Order == ResizeFirst {
		return r.square(size), nil
	}
	return Square(r.rgb(), size), nil
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
