package collect

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// collected is what a chunk of images gave.
type collected struct {
	values   []float32
	features []float32        // [images,O], where they are kept beside the values
	images   int              // that have values
	zeroed   int              // values that float16 makes zero
	skipped  []source.Skipped // that could not be decoded
	sums     []uint32         // of the files of all of them, see cache.SumOf
	family   string           // of kernels, or the device, that computed the values
}

// run sends images, by their numbers, through the tower and hands over what
// every chunk of them gave, cut as they all are. The next chunk overwrites its values.
func (c *collector) run(ctx context.Context, numbers []int, cut cache.Chunking, done func(collected) error) error {
	if len(numbers) == 0 {
		return nil
	}
	items := make([]dataset.Item, len(numbers))
	for i, n := range numbers {
		items[i] = c.items[n]
	}
	o := c.options
	chunk := cut.Size()
	batch := min(o.BatchSize, chunk)
	options := clip.ImageOptions{Batch: max(batch, min(o.BatchSize, 2)), Threads: o.Threads, Precision: o.Precision}
	from := towers{c.model.Checkpoint, c.device}
	running, err := c.mode.start(from, options)
	if err != nil {
		return err
	}
	first := source.MeasureRounding(c.model.Checkpoint, running.tower, running.options, func(found *source.Rounding) { c.rounding = found })
	if c.device != nil {
		first = from.compared(running.tower, running.options, c.say, func(found *OnDevice) { c.onDevice = found })
	}
	progress := c.say.Progress()
	progress.Start(int64(len(items)), ui.Images, "collect")
	defer progress.Done()

	// The feed does not see the interrupt, so that a chunk can be finished.
	whole := context.WithoutCancel(ctx)
	feed := source.NewFeed(whole, items, source.FeedOptions{
		Input: c.model.Config.Input(), Batch: batch, Threads: o.Threads, Images: o.Images, Strict: o.Strict,
		First: first,
	}, c.say)
	defer feed.Close()
	defer context.AfterFunc(ctx, func() { c.say.Note("interrupted: finishing %s first", ui.Images.Count(int64(chunk))) })()
	c.timed = c.estimate(len(items))
	each := c.mode.values()
	values := make([]float32, min(chunk, len(items))*each)
	for len(items) > 0 {
		if err := ctx.Err(); err != nil {
			return hint.With(err, "what is finished is kept: run the same command again to resume")
		}
		n := min(cut.Left(numbers[0]), len(items))
		part, err := c.chunk(whole, feed, numbers[:n], running, values, func() { progress.Add(1) })
		if err != nil {
			return err
		}
		part.values, part.family = values[:part.images*each], c.family()
		c.kept, c.zeroed = c.kept+len(part.values), c.zeroed+part.zeroed
		if err := c.measure(part.values); err != nil {
			return err
		}
		if err := done(part); err != nil {
			return err
		}
		items, numbers = items[n:], numbers[n:]
	}
	return nil
}

// chunk fills values with those of the next images of a feed, of which it is given
// the numbers.
func (c *collector) chunk(ctx context.Context, feed *source.Feed, numbers []int, running *started, values []float32, progress func()) (of collected, err error) {
	each := c.mode.values()
	err = feed.Next(ctx, len(numbers), source.Visitor{
		Read: func(p source.Image) error {
			err := p.AsListed(c.sizes[numbers[len(of.sums)]], putBack)
			of.sums = append(of.sums, p.Sum)
			return err
		},
		Skip: func(s source.Skipped) { of.skipped = append(of.skipped, s) },
		Batch: func(items []dataset.Item, pixels []float32) error {
			dst := values[of.images*each:][:len(items)*each]
			if err := running.compute(dst, pixels); err != nil {
				return err
			}
			if i := artefact.FirstNonFinite(dst); i >= 0 {
				return fmt.Errorf("%s: %s is %g: the model overflows on this image", items[i/each].Name, c.mode.label(i%each), dst[i])
			}
			if c.half {
				of.zeroed += underflows(dst)
			}
			if running.features != nil {
				if i := artefact.FirstNonFinite(running.features); i >= 0 {
					return fmt.Errorf("%s: feature is %g: the model overflows on this image", items[i*len(items)/len(running.features)].Name, running.features[i])
				}
				of.features = append(of.features, running.features...)
			}
			of.images += len(items)
			c.timed.batch(len(items))
			return nil
		},
		Done: progress,
	})
	return of, err
}

// underflows counts the values that are not zero and that float16 makes zero: at most
// half of its smallest number, 2^-24.
func underflows(values []float32) int {
	n := 0
	for _, x := range values {
		if x != 0 && x <= 0x1p-25 && x >= -0x1p-25 {
			n++
		}
	}
	return n
}

// rowSink appends rows, and those of the features unless these are nil. An interrupt lets
// the chunk in hand finish.
type rowSink struct {
	c           *collector
	w, features *cache.ChunkWriter
	at          int // the chunk that take is given next
	add         func(collected) error
}

func (s *rowSink) next() int {
	if s.features == nil {
		return s.w.Done()
	}
	return min(s.w.Done(), s.features.Done())
}

func (s *rowSink) startAt(chunk int)   { s.at = chunk }
func (s *rowSink) end(err error) error { return err }

func (s *rowSink) take(chunk collected) (err error) {
	if s.add == nil {
		if s.add, err = s.c.appender(s.w); err != nil {
			return err
		}
	}
	if s.features != nil && s.at == s.features.Done() {
		if err := s.features.AppendInputs(chunk.sums, chunk.skipped, func(put func([]float32) error) error { return put(chunk.features) }); err != nil {
			return err
		}
	}
	s.at++
	if s.at <= s.w.Done() {
		return nil
	}
	return s.add(chunk)
}

// from returns the numbers of the images from one on.
func (c *collector) from(first int) []int {
	var rest []int
	for i := first; i < len(c.items); i++ {
		rest = append(rest, i)
	}
	return rest
}

// appender returns what appends the rows of a chunk of values.
func (c *collector) appender(w *cache.ChunkWriter) (func(collected) error, error) {
	rows, err := c.rows()
	return func(chunk collected) error { return w.AppendInputs(chunk.sums, chunk.skipped, rows(chunk)) }, err
}

// rows returns what writes the rows of a chunk of values.
func (c *collector) rows() (func(collected) func(write func([]float32) error) error, error) {
	expand, err := c.mode.rowBuilder()
	if err != nil {
		return nil, err
	}
	row, each := make([]float32, artefact.Product(c.mode.row().shape)), c.mode.values()
	return func(chunk collected) func(write func([]float32) error) error {
		return func(write func([]float32) error) error {
			switch {
			case expand == nil && c.options.StatsOnly:
				return write(chunk.features)
			case expand == nil:
				return write(chunk.values)
			}
			for i := range chunk.images {
				expand(row, chunk.values[i*each:(i+1)*each])
				if err := write(row); err != nil {
					return err
				}
			}
			return nil
		}
	}, nil
}

// room fails when the disk has no room for the rows of the images that are left, before
// the first of them goes through the tower.
func (c *collector) room(rowBytes int64, rows int) error {
	path, total := c.options.SavePath, rowBytes*int64(len(c.items))
	if artefact.IsDense(path) {
		c.say.Note("%s: the dense tensor of %s takes %s", path, quantity.Of(len(c.items), "image"), ui.FormatBytes(total))
	}
	c.disk = fmt.Sprintf("; %s takes %s", path, ui.FormatBytes(total))
	free, err := cache.Free(filepath.Dir(path))
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return err
	}
	left := total - rowBytes*int64(rows) + c.pending
	if uint64(left) <= free {
		c.disk += fmt.Sprintf(", the disk has room for %s", ui.FormatBytes(int64(free)))
		return nil
	}
	want, room := ui.FormatBytes(left), ui.FormatBytes(int64(free))
	if want == room {
		want, room = fmt.Sprint(left, " B"), fmt.Sprint(free, " B")
	}
	err = fmt.Errorf("%s: %s are still to be written, the disk has room for %s", path, want, room)
	switch {
	case c.mode.row().kind == artefact.KindDense:
		err = fmt.Errorf("%w (scores alone, a path without .dat or .npy, take %d times less)", err, c.model.Config.OutDim)
	case !c.half:
		err = hint.With(err, "{dtype} float16 takes half as much, {stats-only} next to nothing, and {sample-stride} takes fewer images")
	}
	return err
}

// estimate returns the estimator of a run over so many images.
func (c *collector) estimate(images int) *estimator {
	return &estimator{images: images, now: time.Now, say: func(left time.Duration, seen int, took time.Duration) {
		c.say.Note("%s at %s: about %s to go%s", ui.Images.Count(int64(images)), ui.Images.Rate(int64(seen), took), ui.FormatDuration(left), c.disk)
	}}
}

// family names what computes the values of images: the kernels of this process, or a
// device, see cache.Families.
func (c *collector) family() string {
	if c.device == nil {
		return cache.Family()
	}
	return c.device.Origin().Name
}

// tryDevice computes a blank image, so that a device on which the model does not load
// leaves no folder that was begun with it. A finished collection needs none of that.
func (c *collector) tryDevice() error {
	if _, err := cache.Open(c.options.SavePath); err == nil && !c.options.Restart {
		return nil
	}
	running, err := c.mode.start(towers{c.model.Checkpoint, c.device}, clip.ImageOptions{Batch: 1, Threads: c.options.Threads, Precision: c.options.Precision})
	if err != nil {
		return err
	}
	return running.compute(make([]float32, c.mode.values()), make([]float32, running.tower.ImageLen()))
}

func (c *collector) warnOfZeros() {
	if c.zeroed > 0 && c.lost == nil {
		c.say.Warn("%d of %s, too small for float16, became zero: {dtype} float32 keeps them", c.zeroed, quantity.Of(c.kept, "value"))
	}
}

// measure measures once what float16 changes in the parts that a run keeps.
func (c *collector) measure(values []float32) error {
	h, halves := c.mode.(halving)
	if !c.half || !halves || c.lost != nil || len(values) == 0 {
		return nil
	}
	share, images, err := h.loss(values)
	c.lost = &Loss{images, share}
	return err
}
