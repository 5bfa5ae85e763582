package collect

import (
	"context"
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

// This file notices images that are not what they were: while a collection is
// under way, and between a run and the one that goes on with it.

const putBack = "finished chunks are kept: restore the image and run the same command again, or discard what is there with {restart}"

// heldBy is dataset.HeldBy of images lo to hi of the collection.
func (c *collector) heldBy(lo, hi int) string { return dataset.HeldBy(c.items[lo:hi]) }

// namingImages adds to the error of a collection that was begun with other images the first
// one that is not the same, as far as checksums are known.
func (c *collector) namingImages(ctx context.Context, err error) error {
	var mismatch *cache.MismatchError
	if !errors.As(err, &mismatch) || !mismatch.OfImagesOnly() {
		return err
	}
	var sums, listed []uint32
	var made *origin.Images
	inputs, gone := 0, ""
	if u, e := cache.InspectUnfinished(mismatch.Path); e == nil {
		sums, listed, made, inputs = u.InputSums(), u.Listed, u.Plan.Origin.Images, u.Plan.Inputs
	} else if a, e := cache.Open(mismatch.Path); e == nil {
		sums, made, inputs = a.InputSums(), a.Manifest.Origin.Images, a.Manifest.Inputs
		if len(c.items) == c.listed.Count { // an image that a shard lacks may be another's now
			gone = source.FirstGone(c.items, a)
		}
	}
	sameNames := made != nil && made.Names == c.listed.Names
	asListed := source.ListedAll(c.items, c.sizes)
	if other := source.AnotherSet(c.items, asListed, listed, inputs, made, c.listed.Names); other != "" {
		return hint.With(source.OtherImages{MismatchError: mismatch, What: other}, source.AnotherPlace)
	}
	what := source.FirstOther(c.items, asListed, listed, sameNames)
	if what == "" {
		now, stopped := c.sumsNow(ctx, min(len(c.items), len(sums)+1))
		if stopped != nil {
			return stopped
		}
		if other := source.AnotherSet(c.items, now, sums, inputs, made, c.listed.Names); other != "" {
			return hint.With(source.OtherImages{MismatchError: mismatch, What: other}, source.AnotherPlace)
		}
		what = source.FirstChange(c.items, now, sums, sameNames, gone)
	}
	if what == "" {
		return err
	}
	return hint.With(source.OtherImages{MismatchError: mismatch, What: what}, "finished chunks are kept: restore the images and run the same command again, give another path, or discard what is there with {restart}")
}

// unchangedWith reads the images that an earlier run has collected, of which w writes the rows, and
// fails with ErrStale where one is not the file that it was. Features beside the rows, which
// another writer has, may be ahead or behind. An image is read once, and not at all where what
// holds it is the same. Of rows that are complete, held is nil.
func (c *collector) unchangedWith(ctx context.Context, rows []uint32, held []bool, features *cache.ChunkWriter) error {
	more, err := c.featuresSums(features)
	if err != nil {
		return err
	}
	var heldToo []bool
	if features != nil {
		heldToo = features.Held()
	}
	fewer := rows
	if len(fewer) > len(more) {
		fewer, more = more, fewer
	}
	for i, was := range fewer {
		if now := more[i]; now != was {
			return source.Changed(c.items[i].Path)
		}
	}
	either := make([]bool, len(more))
	for i := range either {
		either[i] = i < len(held) && held[i] || i < len(heldToo) && heldToo[i]
	}
	return source.Unchanged(ctx, c.items, more, either, c.options.Threads, c.say.Progress())
}

// sumUnchanged is unchangedWith for what has only one checksum of all images.
func (c *collector) sumUnchanged(ctx context.Context, state *sumState) error {
	if state.HeldBy != "" && state.HeldBy == c.heldBy(0, state.Done) {
		return nil
	}
	now, err := c.sumsNow(ctx, state.Done)
	if err != nil {
		return err
	}
	if got := addSums(0, now); got != state.Sum {
		return hint.With(
			fmt.Errorf("%s: %w: one of the first %s is not the file that it was: its bytes have changed", c.listed.Data.Root, cache.ErrStale,
				ui.Images.Count(int64(state.Done))),
			"restore it, or discard what is there with {restart}",
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
