package imageprep

import (
	"fmt"
	"slices"
	"strings"
)

// DefaultMaxPixels is where Pillow takes an image for a decompression bomb.
const DefaultMaxPixels = 178956970

// Options is how images are to be read.
type Options struct {
	// EXIF turns the image upright as its EXIF orientation says. CLIP's own
	// preprocessing does not; mmcv's loader, which reads the images of
	// segmentation data sets, does.
	EXIF bool

	MaxPixels int // refuse larger images; 0 stands for DefaultMaxPixels
	Order     Order
}

// Order says when an image is converted to RGB. It makes a difference for what is
// not RGB already: images with a palette are then resized without interpolation,
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
