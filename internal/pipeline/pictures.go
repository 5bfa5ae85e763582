package pipeline

import (
	"context"
	"fmt"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ui"
)

// decoded is a picture on its way to the tower.
type decoded struct {
	item   dataset.Item
	pixels []float32 // [3,S,S], normalised; the receiver gives it back
	err    error
	panic  *par.Panic // of the decoding, nil unless there is a fault in it

	loaded bool   // its file could be read, whatever is in it
	size   int64  // of the file, bytes
	sum    uint32 // of the file, see cache.SumOf
}

// decode reads and decodes the picture.
func (p *decoded) decode(side int, o imageprep.Options) {
	f, err := imageprep.Load(p.item.Path)
	if err != nil {
		p.err = err
		return
	}
	p.loaded, p.size, p.sum = true, f.Size, cache.SumOf(f.Bytes)
	p.err = imageprep.PreprocessFile(p.pixels, f, side, o)
}

// decoder reads pictures ahead of whoever needs them, several at a time, and
// hands them over in the order of the items, so that the tower does not wait
// for files. It holds at most ahead pictures in memory.
type decoder struct {
	order chan chan decoded
	free  chan []float32
	stop  context.CancelFunc
	wg    par.Group
}

func newDecoder(ctx context.Context, items []dataset.Item, side, workers, ahead int, o imageprep.Options) *decoder {
	ctx, stop := context.WithCancel(ctx)
	d := &decoder{order: make(chan chan decoded, ahead), free: make(chan []float32, ahead), stop: stop}
	for range ahead {
		d.free <- make([]float32, 3*side*side)
	}
	type job struct {
		decoded
		to chan decoded
	}
	jobs := make(chan job)
	d.wg.Go(func() {
		defer close(d.order)
		defer close(jobs)
		for _, item := range items {
			// Memory is handed out in the order of the items: were workers to take
			// it, later pictures could hold all of it while the next one waits.
			var pixels []float32
			select {
			case pixels = <-d.free:
			case <-ctx.Done():
				return
			}
			j := job{decoded{item: item, pixels: pixels}, make(chan decoded, 1)}
			jobs <- j
			d.order <- j.to // never full: each entry holds one of the ahead pictures
		}
	})
	for range workers {
		d.wg.Go(func() {
			for j := range jobs {
				if j.err = ctx.Err(); j.err == nil {
					j.panic = par.Catch(func() { j.decode(side, o) })
				}
				j.to <- j.decoded
			}
		})
	}
	return d
}

// next returns the picture of the next item; ok is false after the last one
// or when the context was cancelled.
func (d *decoder) next() (p decoded, ok bool) {
	to, ok := <-d.order
	if !ok {
		return decoded{}, false
	}
	p = <-to
	p.panic.Rethrow()
	return p, true
}

// release gives a picture's memory back.
func (d *decoder) release(p decoded) { d.free <- p.pixels }

// close ends the reading early or after the last picture.
func (d *decoder) close() {
	d.stop()
	for p, ok := d.next(); ok; p, ok = d.next() {
		d.release(p)
	}
	d.wg.Wait()
}

// changedPicture is the error of an image whose bytes are not those that were
// collected.
func changedPicture(item dataset.Item, was, now uint32) error {
	return hint.With(
		fmt.Errorf("%s: %w: collected with CRC-32C %s, this is %s", item.Path, cache.ErrStale, cache.SumText(was), cache.SumText(now)),
		"its bytes have changed: restore the image, or discard what is there with {restart}",
	)
}

// pictureSums returns the checksums of images' files; that of one that cannot be
// read is that of no bytes.
func pictureSums(ctx context.Context, items []dataset.Item, threads int, progress ui.Progress) ([]uint32, error) {
	if len(items) == 0 {
		return nil, nil
	}
	progress.Start(int64(len(items)), ui.Images, "compare pictures")
	defer progress.Done()
	sums := make([]uint32, len(items))
	par.NewTeam(threads).For(len(items), func(lo, hi, _ int) {
		for i := lo; i < hi && ctx.Err() == nil; i++ {
			if f, err := imageprep.Load(items[i].Path); err == nil {
				sums[i] = cache.SumOf(f.Bytes)
			}
			progress.Add(1)
		}
	})
	return sums, ctx.Err()
}
