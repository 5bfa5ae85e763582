package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/ui"
)

// collected is what a chunk of pictures gave.
type collected struct {
	values  []float32
	images  int       // that have values
	skipped []Skipped // that could not be decoded
	sums    []uint32  // of the files of all of them, see cache.SumOf
}

// run sends pictures, by their numbers, through the tower and hands over what
// every chunk of them gave. The next chunk overwrites its values.
func (c *collector) run(ctx context.Context, numbers []int, chunk int, done func(collected) error) error {
	if len(numbers) == 0 {
		return nil
	}
	items := make([]dataset.Item, len(numbers))
	for i, n := range numbers {
		items[i] = c.items[n]
	}
	o := c.options
	batch := min(o.BatchSize, chunk)
	options := clip.ImageOptions{Batch: max(batch, min(o.BatchSize, 2)), Threads: o.Threads, Precision: o.Precision}
	c.mode.tower(&options)
	tower, err := clip.NewImageTower(c.model.Checkpoint, options)
	if err != nil {
		return err
	}
	c.tower, c.batch = tower, make([]float32, 0, batch*tower.PictureLen())
	progress := c.say.Progress()
	progress.Start(int64(len(items)), ui.Images, "collect")
	defer progress.Done()

	// The decoder does not see the interrupt, so that a chunk can be finished.
	pictures := newDecoder(context.WithoutCancel(ctx), items, tower.Config().ImageSize, o.Threads, 2*batch, o.Images)
	defer pictures.close()
	defer context.AfterFunc(ctx, func() { c.say.Note("interrupted: finishing %s first", ui.Images.Count(int64(chunk))) })()
	each := c.mode.values()
	values := make([]float32, min(chunk, len(items))*each)
	for len(items) > 0 {
		if err := ctx.Err(); err != nil {
			return hint.With(err, "what is finished is kept: run the same command again to resume")
		}
		n := min(chunk, len(items))
		of, err := c.chunk(pictures, numbers[:n], values, func() { progress.Add(1) })
		if err != nil {
			return err
		}
		of.values = values[:of.images*each]
		if err := done(of); err != nil {
			return err
		}
		items, numbers = items[n:], numbers[n:]
	}
	return nil
}

// chunk fills values with those of the next pictures, of which it is given the
// numbers.
func (c *collector) chunk(pictures *decoder, numbers []int, values []float32, progress func()) (of collected, err error) {
	each := c.mode.values()
	var names []string // of the pictures in the batch
	flush := func() error {
		if len(names) == 0 {
			return nil
		}
		dst := values[of.images*each:][:len(names)*each]
		if err := c.mode.compute(dst, c.tower, c.batch); err != nil {
			return err
		}
		for i, x := range dst {
			if x-x != 0 {
				return fmt.Errorf("%s: %s is %g: the model overflows on this picture", names[i/each], c.mode.label(i%each), x)
			}
		}
		of.images += len(names)
		names, c.batch = names[:0], c.batch[:0]
		return nil
	}
	for _, number := range numbers {
		p, ok := pictures.next()
		if !ok {
			return of, errors.New("the pictures ended early")
		}
		if err := c.asListed(p, number); err != nil {
			pictures.release(p)
			return of, err
		}
		of.sums = append(of.sums, p.sum)
		if p.err != nil {
			pictures.release(p)
			if c.options.Strict {
				return of, p.err
			}
			c.say.Warn("skipped: %v", p.err)
			of.skipped = append(of.skipped, Skipped{Name: p.item.Name, Reason: reason(p.err, p.item.Path)})
		} else {
			c.batch = append(c.batch, p.pixels...)
			pictures.release(p)
			names = append(names, p.item.Name)
			if len(c.batch) == cap(c.batch) {
				if err := flush(); err != nil {
					return of, err
				}
			}
		}
		progress()
	}
	return of, flush()
}
