package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"

	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/report"
)

// thumbKey is what a thumbnail is of.
type thumbKey struct {
	image, size int
	changed     bool
}

// Thumb draws a thumbnail of an image of the report, a JPEG of size x size pixels, as the report has
// them: of the part that the model sees. An image that has changed since it was collected is
// ErrChanged, unless changed says that it is wanted as it is now. The scores need not be there.
func (l *common) Thumb(ctx context.Context, image, size int, changed bool) ([]byte, error) {
	if size < 1 || size > maxThumb {
		return nil, fmt.Errorf("size %d: want 1 to %d", size, maxThumb)
	}
	if err := l.off(Images); err != nil {
		return nil, err
	}
	if n := len(l.o.Names); image < 0 || image >= n {
		return nil, because(ErrUnknown, fmt.Errorf("image %d: want 0 to %d", image, n-1))
	}
	key := thumbKey{image, size, changed}
	if thumb, ok := l.thumbs.get(key); ok {
		return thumb, nil
	}
	leave, err := l.drawing.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	thumb, err := l.draw(l.o.Names[image], size, changed)
	if err != nil {
		return nil, err
	}
	l.thumbs.put(key, thumb)
	return thumb, nil
}

// draw makes a thumbnail of the image of a name.
func (l *common) draw(name string, size int, changed bool) ([]byte, error) {
	file, err := l.fileOf(name, changed)
	if err != nil && !errors.Is(err, ErrInternal) {
		return nil, err
	}
	var img *imageprep.RGB
	if err == nil {
		img, err = file.Decode(l.o.Images)
	}
	if err != nil {
		return nil, because(ErrInternal, errors.New(source.Reason(err, l.items[name].Path)))
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, rgba(imageprep.Square(img, size, model.FitOf(l.from))), &jpeg.Options{Quality: report.ThumbQuality}); err != nil {
		return nil, because(ErrInternal, fmt.Errorf("%s: thumbnail: %w", name, err))
	}
	return b.Bytes(), nil
}

// rgba is an image as the encoder takes it.
func rgba(img *imageprep.RGB) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, img.W, img.H))
	for i := range img.W * img.H {
		copy(m.Pix[4*i:4*i+3], img.Pix[3*i:3*i+3])
		m.Pix[4*i+3] = 0xff
	}
	return m
}
