package report

import (
	"context"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/source"
)

// send hands over the pixels of some images, at most n at a time, with their places among these.
// One that cannot be read is named and left out.
func (b *base) send(ctx context.Context, images []int, input imageprep.Input, n int, run func(pixels []float32, places []int) error) error {
	items, at := make([]dataset.Item, len(images)), make(map[string]int, len(images))
	for i, image := range images {
		name := b.names[image]
		items[i], at[name] = *b.items[name], i
	}
	feed := source.NewFeed(ctx, items, source.FeedOptions{Input: input, Batch: n, Threads: b.Threads, Images: b.Images, Strict: b.Strict}, b.say)
	defer feed.Close()
	return feed.Next(ctx, len(items), source.Visitor{
		Read: func(p source.Image) error {
			if !p.Loaded {
				return nil
			}
			return b.recorded.CompareSum(p.Item.Name, p.Item.Path, p.Sum)
		},
		Skip: func(s source.Skipped) { b.skip(s) },
		Batch: func(items []dataset.Item, pixels []float32) error {
			places := make([]int, len(items))
			for i, item := range items {
				places[i] = at[item.Name]
			}
			return run(pixels, places)
		},
	})
}
