package report

import (
	"context"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
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

// mostShown are the images with the largest counts, at most so many and none without one,
// ascending.
func mostShown(counts []int, most int) []int {
	images := orderOf(len(counts), func(i int) float64 { return float64(counts[i]) })
	images = images[:min(most, len(images))]
	images = slices.DeleteFunc(images, func(i int) bool { return counts[i] == 0 })
	slices.Sort(images)
	return images
}

// mapImages is how many images' maps a file of an unfinished run has. Tests lower it.
var mapImages = 64

// keptMaps computes the maps of n images, in groups that an unfinished run leaves to the next one.
func keptMaps[M any](b *base, n int, compute func(first int, group []M) error) ([]M, error) {
	progress := b.say.Progress()
	progress.Start(int64(n), ui.Images, "report: maps")
	defer progress.Done()
	var all []M
	for lo := 0; lo < n; lo += mapImages {
		hi := min(n, lo+mapImages)
		group := make([]M, hi-lo)
		name := fmt.Sprintf("work/%d", lo/mapImages)
		if !b.folder.read(name, &group) || len(group) != hi-lo {
			if err := compute(lo, group); err != nil {
				return nil, err
			}
			if err := b.folder.keep(name, group); err != nil {
				return nil, err
			}
		}
		all = append(all, group...)
		progress.Add(int64(hi - lo))
	}
	return all, nil
}
