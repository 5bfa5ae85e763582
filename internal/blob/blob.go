// Package blob opens what holds images: a file, or an object at an address.
package blob

import (
	"context"
	"io"
	"math"
	"time"

	"github.com/clipnh/clipnh/internal/digest"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/remote"
)

// A Reader reads a blob, from its first byte on or from any.
type Reader interface {
	io.Reader
	io.ReaderAt
	io.Closer
}

// A Listed is a blob as it was when what is in it was listed.
type Listed struct {
	Size int64 // bytes

	file   foreign.Listed
	exact  string         // of a file: see Exact
	object *remote.Object // nil of a file
}

// List opens the file at a path, or the object at an address, for what is in it to be listed.
// Reading an object ends with ctx.
func List(ctx context.Context, path string) (Listed, Reader, error) {
	if !remote.Named(path) {
		now := time.Now()
		file, r, err := foreign.List(path)
		if err != nil {
			return Listed{}, nil, err
		}
		l := Listed{Size: file.Size, file: file}
		if info, err := r.Stat(); err == nil {
			l.exact = digest.IdentityOf(info).Exact(now)
		}
		return l, r, nil
	}
	o, err := remote.Open(ctx, path)
	if err != nil {
		return Listed{}, nil, err
	}
	return Listed{Size: o.Size, object: o}, reader(o), nil
}

// Open opens the blob again. If it is another, that is foreign.ErrChanged or, perhaps only when it
// is read, remote.ErrChanged.
func (l *Listed) Open() (Reader, error) {
	if l.object == nil {
		return l.file.Open()
	}
	return reader(l.object), nil
}

// Identity tells an object at an address from what may be there at another time; it is
// empty of a file, and where the server says too little.
func (l *Listed) Identity() string {
	if l.object == nil {
		return ""
	}
	return l.object.Identity()
}

// Exact tells the blob from every other that may be at its path or address at another time, also
// from one of the same size: an object by its size and its tag, a file by its size, its times of
// change and its inode, as digest does. It is empty where these do not say that much.
func (l *Listed) Exact() string {
	if l.object == nil {
		return l.exact
	}
	return l.object.Exact()
}

// There reports whether the blob can be opened. If it is not what was listed, or, of an object at
// an address, if the server does not say, that is an error.
func (l *Listed) There() (bool, error) {
	if l.object == nil {
		return l.file.There()
	}
	return l.object.There()
}

func reader(o *remote.Object) Reader {
	return object{io.NewSectionReader(o, 0, math.MaxInt64)}
}

// object reads an object. There is nothing to close.
type object struct{ *io.SectionReader }

func (object) Close() error { return nil }
