package dataset

import "context"

// A Watcher is told how far it is with listing archives or Parquet files, several or at addresses,
// or with images at addresses of their own: far away that takes minutes.
type Watcher interface {
	// Listing says that as many of all have been listed.
	Listing(done, all int)
	// Listed ends that, also after a failure.
	Listed()
}

type watcherKey struct{}

// WithWatcher returns a context in which listings are watched.
func WithWatcher(ctx context.Context, w Watcher) context.Context {
	return context.WithValue(ctx, watcherKey{}, w)
}

// eachWatched calls list for 0 to n, in this order, until it fails, and tells the watcher if it may
// take long.
func eachWatched(ctx context.Context, n int, long bool, list func(i int) error) error {
	w := watcherOf(ctx, long)
	defer w.Listed()
	for i := range n {
		w.Listing(i, n)
		if err := list(i); err != nil {
			return err
		}
	}
	w.Listing(n, n)
	return nil
}

// watcherOf is the watcher of a context, or nobody where it need not be told.
func watcherOf(ctx context.Context, long bool) Watcher {
	w, _ := ctx.Value(watcherKey{}).(Watcher)
	if w == nil || !long {
		return unwatched{}
	}
	return w
}

// partWatcher tells of a part, from the first on, of all that is listed. Whoever has all parts listed
// ends it.
type partWatcher struct {
	of         Watcher
	first, all int
}

func (p partWatcher) Listing(done, _ int) { p.of.Listing(p.first+done, p.all) }
func (p partWatcher) Listed()             {}

type unwatched struct{}

func (unwatched) Listing(int, int) {}
func (unwatched) Listed()          {}
