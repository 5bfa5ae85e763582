package dataset

import (
	"context"
	"runtime"

	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/remote"
)

// Archives are opened several at once: those at addresses wait for answers, those in files for
// disks and, where they are packed, for a processor.
const (
	addressesAtOnce = 8
	filesAtOnce     = 4
	singlesAtOnce   = 32 // images at addresses of their own, of which one byte is asked for
)

// atOnce is how many of several archives are opened at once.
func atOnce(paths []string) int {
	if len(paths) > 0 && remote.Named(paths[0]) {
		return addressesAtOnce
	}
	return min(filesAtOnce, runtime.GOMAXPROCS(0))
}

// ahead opens things several at once, and hands them over in their order: what is in memory are
// those that are being opened, and as many that wait. The first error in that order counts,
// whichever came first.
type ahead[T any] struct {
	ctx  context.Context
	stop context.CancelFunc
	open func(ctx context.Context, i int) (T, error)

	n, started, taken int
	opened            []chan opening[T] // of those under way, by their numbers modulo the length
	running           par.Group
}

// opening is how opening one of them ended.
type opening[T any] struct {
	thing    T
	err      error
	panicked *par.Panic
}

// openAhead begins to open things 0 to n, which are given a context that ends only if that of the
// caller does, or if not all are taken: things may be read by it later. close is to be called.
func openAhead[T any](ctx context.Context, n, atOnce int, open func(ctx context.Context, i int) (T, error)) *ahead[T] {
	a := &ahead[T]{open: open, n: n, opened: make([]chan opening[T], max(min(atOnce, n), 1))}
	a.ctx, a.stop = context.WithCancel(ctx)
	for i := range a.opened {
		a.opened[i] = make(chan opening[T], 1)
	}
	if len(a.opened) > 1 {
		for range a.opened {
			a.start()
		}
	}
	return a
}

// start begins to open the next thing, if there is one.
func (a *ahead[T]) start() {
	i := a.started
	if i == a.n {
		return
	}
	a.started++
	a.running.Go(func() {
		var o opening[T]
		o.panicked = par.Catch(func() { o.thing, o.err = a.open(a.ctx, i) })
		a.opened[i%len(a.opened)] <- o
	})
}

// next hands over the next thing. It must not be called more than n times, nor after an error.
func (a *ahead[T]) next() (T, error) {
	if len(a.opened) == 1 {
		a.taken++
		thing, err := a.open(a.ctx, a.taken-1)
		if err != nil {
			a.taken = -1
		}
		return thing, err
	}
	o := <-a.opened[a.taken%len(a.opened)]
	o.panicked.Rethrow()
	if o.err != nil {
		return o.thing, o.err
	}
	a.taken++
	a.start()
	return o.thing, nil
}

// close ends what is under way, unless all were taken.
func (a *ahead[T]) close() {
	if a.taken < a.n {
		a.stop()
	}
	a.running.Wait()
}

// eachAhead opens things, of paths if they have any, several at once, and has take be given them
// in their order, until one fails. The watcher is told if there are several, or one at an address.
func eachAhead[T any](ctx context.Context, paths []string, open func(ctx context.Context, i int) (T, error), take func(i int, thing T) error) error {
	a := openAhead(ctx, len(paths), atOnce(paths), open)
	defer a.close()
	return eachWatched(ctx, len(paths), len(paths) > 1 || remote.Named(paths[0]), func(i int) error {
		thing, err := a.next()
		if err != nil {
			return err
		}
		return take(i, thing)
	})
}
