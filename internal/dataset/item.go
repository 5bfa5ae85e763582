package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/archive"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/parquet"
	"github.com/clipnh/clipnh/internal/remote"
)

// An Item is an image.
type Item struct {
	Path  string // what messages call it: the path of its file, as the system writes it, or see from
	Name  string // below Root, with slashes; unique
	Label int    // index into Classes, or Unlabelled

	from source // nil: a file of its own, at Path
}

// A source is where an image is that is not a file of its own.
type source interface {
	imageprep.Source
	store() store // what it is in
	bytes() int64 // how many there are
}

// A store is a file that holds images. What is at an address of its own is a store of one.
type store interface {
	There() (bool, error) // whether it can be opened; an error if that is not known, or it has changed
	Exact() string        // tells it from all others that may be there at another time; empty if it cannot
}

// Unlabelled is the label of an image of no known class.
const Unlabelled = -1

// unopened is the size recorded for an image file that cannot be opened.
const unopened = -1

// Load reads the image's bytes, as imageprep.Load does those of a file.
func (i *Item) Load() (*imageprep.File, error) {
	if i.from != nil {
		return imageprep.LoadFrom(i.Path, i.from)
	}
	return imageprep.Load(i.Path)
}

// loadLabels is Load of a label map.
func (i *Item) loadLabels() (*imageprep.File, error) {
	if i.from != nil {
		return imageprep.LoadLabelsFrom(i.Path, i.from)
	}
	return imageprep.LoadLabels(i.Path)
}

// IsFile reports whether the image is a file of its own, at Path.
func (i *Item) IsFile() bool { return i.from == nil }

// IsFar reports whether the image is at an address of its own, so that each one is waited for.
func (i *Item) IsFar() bool {
	_, is := i.from.(*single)
	return is
}

// Bytes is how many bytes an image has that is no file of its own, as far as that is known.
func (i *Item) Bytes() int64 {
	if i.from == nil {
		return unopened
	}
	return i.from.bytes()
}

// HeldBy tells what holds images, one archive or Parquet file or several, from all that may be
// there at another time, so that images of the same names have the same bytes. It is empty
// where that cannot be told, as of images that are files of their own. An image at an address of
// its own is held by what is there.
func HeldBy(items []Item) string {
	sum := sha256.New()
	var last store
	for i := range items {
		if items[i].from == nil {
			return ""
		}
		in := items[i].from.store()
		if in == last {
			continue
		}
		exact := in.Exact()
		if exact == "" {
			return ""
		}
		last = in
		fmt.Fprintln(sum, exact)
	}
	if last == nil {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// Unanswered reports whether an error is of an address whose server failed or refused, or gave
// another object than the one that was listed, so that it is not known what is there.
func Unanswered(err error) bool {
	return errors.Is(err, remote.ErrFailed) || errors.Is(err, remote.ErrChanged)
}

// Gone reports whether an error is of an address where there is nothing.
func Gone(err error) bool { return errors.Is(err, remote.ErrMissing) }

// size is the size of the file at path, or unopened.
func size(path string) int64 {
	f, err := foreign.Open(path) // a pipe among the images would be waited for without end
	if err != nil {
		return unopened
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return unopened
	}
	return info.Size()
}

// ByName returns the items by their names.
func ByName(items []Item) map[string]*Item {
	byName := make(map[string]*Item, len(items))
	for i := range items {
		byName[items[i].Name] = &items[i]
	}
	return byName
}

// storePath returns the path of the archive or Parquet file that an image is in.
func (i *Item) storePath() (path string, packed bool) {
	if i.from == nil || i.IsFar() {
		return "", false
	}
	switch in := i.from.store().(type) {
	case *archive.Archive:
		return in.Path, true
	case *parquet.Table:
		return in.Path, true
	}
	panic(errors.New("dataset: a store of another kind"))
}
