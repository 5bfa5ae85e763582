package source

import (
	"context"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/par"
)

// Image is an image on its way to the tower.
type Image struct {
	Item   dataset.Item
	Pixels []float32 // [3,S,S], normalised; the receiver gives it back
	Err    error
	panic  *par.Panic // of the decoding, nil unless there is a fault in it

	Loaded bool   // its file could be read, whatever is in it
	Size   int64  // of the file, bytes
	Sum    uint32 // of the file, see cache.SumOf
}

// decode reads the image, unless it is on its way already, and decodes it.
func (p *Image) decode(far *fetched, in imageprep.Input, o imageprep.Options) {
	f, err := far.load(&p.Item)
	if err != nil {
		p.Err = err
		return
	}
	p.Loaded, p.Size, p.Sum = true, f.Size, cache.SumOf(f.Bytes)
	p.Err = imageprep.PreprocessFile(p.Pixels, f, in, o)
}

// Decoder reads images ahead of whoever needs them, several at a time, and
// hands them over in the order of the items, so that the tower does not wait
// for files. It holds at most ahead decoded images in memory.
type Decoder struct {
	order chan chan Image
	free  chan []float32
	stop  context.CancelFunc
	wg    par.Group
}

// NewDecoder begins to decode items for what a model wants, with workers at work and
// ahead images in memory at most.
func NewDecoder(ctx context.Context, items []dataset.Item, in imageprep.Input, workers, ahead int, o imageprep.Options) *Decoder {
	ctx, stop := context.WithCancel(ctx)
	d := &Decoder{order: make(chan chan Image, ahead), free: make(chan []float32, ahead), stop: stop}
	for range ahead {
		d.free <- make([]float32, 3*in.Side*in.Side)
	}
	type job struct {
		Image
		far *fetched
		to  chan Image
	}
	jobs := make(chan job)
	far := fetchAhead(ctx, &d.wg, items)
	d.wg.Go(func() {
		defer close(d.order)
		defer close(jobs)
		for _, item := range items {
			// Memory is handed out in the order of the items: were workers to take
			// it, later images could hold all of it while the next one waits.
			var pixels []float32
			select {
			case pixels = <-d.free:
			case <-ctx.Done():
				return
			}
			j := job{Image{Item: item, Pixels: pixels}, far.next(&item), make(chan Image, 1)}
			jobs <- j
			d.order <- j.to // never full: each entry holds one of the ahead images
		}
	})
	for range workers {
		d.wg.Go(func() {
			for j := range jobs {
				if j.Err = ctx.Err(); j.Err == nil {
					j.panic = par.Catch(func() { j.decode(j.far, in, o) })
				}
				far.done(j.far)
				j.to <- j.Image
			}
		})
	}
	return d
}

// Next returns the image of the next item; ok is false after the last one
// or when the context was cancelled.
func (d *Decoder) Next() (p Image, ok bool) {
	to, ok := <-d.order
	if !ok {
		return Image{}, false
	}
	p = <-to
	p.panic.Rethrow()
	return p, true
}

// Release gives an image's memory back.
func (d *Decoder) Release(p Image) { d.free <- p.Pixels }

// Close ends the reading early or after the last image.
func (d *Decoder) Close() {
	d.stop()
	for p, ok := d.Next(); ok; p, ok = d.Next() {
		d.Release(p)
	}
	d.wg.Wait()
}
