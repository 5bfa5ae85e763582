package source

import (
	"context"
	"errors"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/ui"
)

// FeedOptions say how images are prepared, and how many go through a tower
// together.
type FeedOptions struct {
	Input   imageprep.Input // of the tower
	Batch   int
	Threads int
	Images  imageprep.Options
	Strict  bool                         // an image that cannot be decoded is an error
	First   func(pixels []float32) error // sees the first batch, before anything else does; may be nil
}

// A Feed decodes images ahead of a tower and hands them over in batches. It is the
// one loop by which images reach a tower.
type Feed struct {
	options FeedOptions
	say     ui.Reporter
	decoder *Decoder
	items   []dataset.Item // of the batch
	pixels  []float32
}

// NewFeed begins to decode items. When ctx ends, so do the images.
func NewFeed(ctx context.Context, items []dataset.Item, o FeedOptions, say ui.Reporter) *Feed {
	return &Feed{
		options: o, say: say, decoder: NewDecoder(ctx, items, o.Input, o.Threads, 2*o.Batch, o.Images),
		pixels: make([]float32, 0, o.Batch*3*o.Input.Side*o.Input.Side),
	}
}

// A Visitor sees what comes of images.
type Visitor struct {
	// Read sees every image that was read, decoded or not, in order; may be nil.
	Read func(Image) error
	// Skip sees every image that cannot be decoded, after the warning.
	Skip func(Skipped)
	// Batch sees the images of a batch, pixels [B,3,S,S], which the next overwrites.
	Batch func(items []dataset.Item, pixels []float32) error
	// Done is called after every image; may be nil.
	Done func()
}

// Next hands over the next n images. What is left of them when they end makes a
// smaller batch, so that batches do not span calls.
func (f *Feed) Next(ctx context.Context, n int, v Visitor) error {
	for range n {
		p, ok := f.decoder.Next()
		if err := ctx.Err(); err != nil {
			if ok {
				f.decoder.Release(p)
			}
			return err
		}
		if !ok {
			return errors.New("the images ended early")
		}
		if err := f.image(p, v); err != nil {
			return err
		}
		if v.Done != nil {
			v.Done()
		}
	}
	return f.flush(v)
}

// Stops reports whether an error about an image ends a run: of a strict run each does, and that
// of a server that fails, from which another run may read the image, of every run.
func Stops(err error, strict bool) bool { return strict || dataset.Unanswered(err) }

// image adds an image to the batch, or skips it.
func (f *Feed) image(p Image, v Visitor) error {
	if p.Loaded {
		f.say.Read(p.Size)
	}
	if v.Read != nil {
		if err := v.Read(p); err != nil {
			f.decoder.Release(p)
			return err
		}
	}
	if p.Err == nil {
		f.items, f.pixels = append(f.items, p.Item), append(f.pixels, p.Pixels...)
	}
	f.decoder.Release(p)
	switch {
	case p.Err != nil && Stops(p.Err, f.options.Strict):
		return p.Err
	case p.Err != nil:
		f.say.Skip(p.Err)
		v.Skip(Skipped{Name: p.Item.Name, Reason: Reason(p.Err, p.Item.Path)})
	case len(f.items) == f.options.Batch:
		return f.flush(v)
	}
	return nil
}

func (f *Feed) flush(v Visitor) error {
	if len(f.items) == 0 {
		return nil
	}
	if first := f.options.First; first != nil {
		f.options.First = nil
		if err := first(f.pixels); err != nil {
			return err
		}
	}
	err := v.Batch(f.items, f.pixels)
	f.items, f.pixels = f.items[:0], f.pixels[:0]
	return err
}

// Close ends the decoding.
func (f *Feed) Close() { f.decoder.Close() }

// Unlisted returns what a listing left out as results have it. Manifests do not:
// what they count as skipped has a place among the rows.
func Unlisted(skipped []dataset.Skipped) []Skipped {
	unlisted := make([]Skipped, len(skipped))
	for i, s := range skipped {
		unlisted[i] = Skipped{Name: s.Name, Reason: s.Reason}
	}
	return unlisted
}
