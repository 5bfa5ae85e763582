package source

import (
	"context"
	"sync"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/par"
)

// Images at addresses of their own are each waited for. They are read before workers want them,
// many at once, as far as memory allows.
const mostFetched = 16 // that no worker has yet

// mostFetchedBytes is how many bytes all of them have; a larger image is read alone. A variable for
// tests.
var mostFetchedBytes int64 = 64 << 20

// fetching reads far images in their order.
type fetching struct {
	order chan *fetched // closed after the last one

	mu    sync.Mutex
	bytes int64 // of those that were begun and are not done
	freed *sync.Cond
}

// fetched is an image that is being read.
type fetched struct {
	bytes    int64
	ready    chan struct{}
	file     *imageprep.File
	err      error
	panicked *par.Panic
}

// fetchAhead begins to read those of items that are far, until ctx ends; nil if there are none.
func fetchAhead(ctx context.Context, group *par.Group, items []dataset.Item) *fetching {
	if !anyFar(items) {
		return nil
	}
	f := &fetching{order: make(chan *fetched, mostFetched-1)}
	f.freed = sync.NewCond(&f.mu)
	stop := context.AfterFunc(ctx, func() { // wakes who waits for memory
		f.mu.Lock()
		defer f.mu.Unlock()
		f.freed.Broadcast()
	})
	group.Go(func() {
		defer close(f.order)
		defer stop()
		for i := range items {
			item := items[i]
			if !item.IsFar() {
				continue
			}
			one := &fetched{bytes: min(max(item.Bytes(), 0), mostFetchedBytes), ready: make(chan struct{})}
			if !f.reserve(ctx, one.bytes) {
				return
			}
			group.Go(func() {
				defer close(one.ready)
				one.panicked = par.Catch(func() { one.file, one.err = item.Load() })
			})
			select {
			case f.order <- one:
			case <-ctx.Done():
				return
			}
		}
	})
	return f
}

// anyFar reports whether one of some images is at an address of its own.
func anyFar(items []dataset.Item) bool {
	for i := range items {
		if items[i].IsFar() {
			return true
		}
	}
	return false
}

// reserve waits for memory. It reports whether there is some before ctx ends.
func (f *fetching) reserve(ctx context.Context, bytes int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.bytes > 0 && f.bytes+bytes > mostFetchedBytes && ctx.Err() == nil {
		f.freed.Wait()
	}
	f.bytes += bytes
	return ctx.Err() == nil
}

// next returns the reading of the next item; nil if it is not far, or the context ended.
func (f *fetching) next(item *dataset.Item) *fetched {
	if f == nil || !item.IsFar() {
		return nil
	}
	return <-f.order
}

// done gives the memory of an image back.
func (f *fetching) done(one *fetched) {
	if one == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bytes -= one.bytes
	f.freed.Broadcast()
}

// load waits for an image, or reads the one that is not far.
func (one *fetched) load(item *dataset.Item) (*imageprep.File, error) {
	if one == nil {
		return item.Load()
	}
	<-one.ready
	one.panicked.Rethrow()
	file := one.file
	one.file = nil
	return file, one.err
}
