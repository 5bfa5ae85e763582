package collect

import (
	"context"
	"fmt"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

// This file notices images that are not what they were: while a collection is
// under way, and between a run and the one that goes on with it.

const putBack = "finished chunks are kept: restore the image and run the same command again, or discard what is there with {restart}"

// asListed returns an error unless the file of an image is as long as it was when
// the collection began. One that could not be opened then is skipped like one that
// cannot be decoded; what could be then, and cannot now, is not: the next run
// would not know.
func (c *collector) asListed(p source.Image, number int) error {
	was := c.sizes[number]
	switch {
	case p.Loaded && p.Size == was, !p.Loaded && was < 0:
		return nil
	case !p.Loaded:
		return hint.With(fmt.Errorf("%w; it could be read when the run began", p.Err), putBack)
	case was < 0:
		return hint.With(fmt.Errorf("%s: it could not be read when the run began, and can be now", p.Item.Path), putBack)
	}
	return hint.With(fmt.Errorf("%s: changed while the run was under way: %d bytes, %d when it began", p.Item.Path, p.Size, was), putBack)
}

// unchanged reads the first images of the collection, those that an earlier run
// has collected, and fails with ErrStale where one is not the file that it was.
func (c *collector) unchanged(ctx context.Context, sums []uint32) error {
	now, err := c.sumsNow(ctx, len(sums))
	if err != nil {
		return err
	}
	for i, was := range sums {
		if now[i] != was {
			return source.Changed(c.items[i], was, now[i])
		}
	}
	return nil
}

// sumUnchanged is unchanged for what has only one checksum of all images.
func (c *collector) sumUnchanged(ctx context.Context, state *sumState) error {
	now, err := c.sumsNow(ctx, state.Done)
	if err != nil {
		return err
	}
	if got := addSums(0, now); got != state.Sum {
		return hint.With(
			fmt.Errorf("%s: %w: the first %s were collected with CRC-32C %s, these are %s", c.data.Root, cache.ErrStale,
				ui.Images.Count(int64(state.Done)), cache.SumText(state.Sum), cache.SumText(got)),
			"the bytes of an image have changed: restore it, or discard what is there with {restart}",
		)
	}
	return nil
}

// addSums adds files' checksums to one of the files before them.
func addSums(sum uint32, of []uint32) uint32 {
	for _, s := range of {
		sum = cache.AddSum(sum, s)
	}
	return sum
}

// sumsNow returns the checksums of the first n images' files; that of one that
// cannot be read is that of no bytes.
func (c *collector) sumsNow(ctx context.Context, n int) ([]uint32, error) {
	return source.Sums(ctx, c.items[:n], c.options.Threads, c.say.Progress())
}
