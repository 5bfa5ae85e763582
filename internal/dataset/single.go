package dataset

import (
	"context"

	"github.com/clipnh/clipnh/internal/remote"
)

// single is the source of an image at an address of its own, and its store.
type single struct{ *remote.Single }

func (s *single) store() store { return s }
func (s *single) bytes() int64 { return s.Size() }

// singleItem is an image at an address of its own, which is not looked at yet.
func singleItem(ctx context.Context, address, name string, label int) Item {
	s := &single{remote.NewSingle(ctx, address)}
	return Item{Path: s.Address, Name: name, Label: label, from: s}
}

// isSingle reports whether a store is an image at an address of its own.
func isSingle(s store) bool {
	_, is := s.(*single)
	return is
}

// atOnce is how many of the things that images like this one are in are asked for at once.
func (i *Item) atOnce() int {
	if i.IsFar() {
		return singlesAtOnce
	}
	path, _ := i.storePath()
	return atOnce([]string{path})
}
