package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/archive"
	"github.com/clipnh/clipnh/internal/imagelist"
	"github.com/clipnh/clipnh/internal/parquet"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/remote"
)

// This file writes kept lists of images (internal/imagelist), which Open and OpenListing take
// in place of what was listed: names, sizes, labels and order are then those of the list, and
// only what the images of a part are in is opened.

// listing is a list that is being written.
type listing struct {
	head   *imagelist.Head
	add    func(imagelist.Entry) error
	store  map[string]int // by path, those of the head
	folder string         // the working folder
	both   identity
}

// identity adds up what manifests say of all images.
type identity struct{ images, names hash.Hash }

func newIdentity() identity { return identity{sha256.New(), sha256.New()} }

// add takes the next image. What it writes is what FingerprintOf and cache.ListHash do.
func (i identity) add(name string, size int64) {
	i.images.Write(fingerprintLine(name, size))
	i.names.Write(append([]byte(name), 0))
}

func (i identity) sums() (images, names string) {
	return hex.EncodeToString(i.images.Sum(nil)), hex.EncodeToString(i.names.Sum(nil))
}

// WriteListing lists the images of a data set, at least one, and writes the list. Those in
// archives and Parquet files without labels are listed one file after the other, so that
// memory does not grow with the number of files.
func WriteListing(ctx context.Context, o Options, w io.Writer) (*imagelist.Head, error) {
	if IsListing(o.Path) {
		return nil, fmt.Errorf("%s: a list of this form already, want what it lists", o.Path)
	}
	folder, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	l := &listing{head: &imagelist.Head{Dataset: o.Kind, Stores: []imagelist.Store{}, Skipped: []imagelist.Skipped{}}, store: map[string]int{}, folder: folder, both: newIdentity()}
	l.head.DataPath = l.absolute(o.Path)
	archives, err := archivesAt(o.Path)
	if err != nil {
		return nil, err
	}
	if err := l.addStores(archives); err != nil {
		return nil, err
	}
	tables, err := areTables(o.Path, archives)
	if err != nil {
		return nil, err
	}
	l.head.Tables = tables
	err = imagelist.Write(w, l.head, func(add func(imagelist.Entry) error) error {
		l.add = add
		if o.Kind == Images && archives != nil {
			err = l.eachStore(ctx, o, archives)
		} else {
			err = l.all(ctx, o)
		}
		l.head.SHA256, l.head.Names = l.both.sums()
		return err
	})
	if err == nil && l.head.Images == 0 {
		err = l.none(o)
	}
	return l.head, err
}

// none is the error of a data set without images.
func (l *listing) none(o Options) error {
	if s := l.head.Skipped; len(s) > 0 {
		return noLines([]Skipped{Skipped(s[0])})
	}
	return fmt.Errorf("%s: no images (%s) among %s", o.Shown(), strings.Join(decoded, " "), quantity.Of(l.head.Passed.Files, "file"))
}

// absolute is a path from the root. Addresses stay.
func (l *listing) absolute(path string) string {
	if path == "" || remote.Named(path) || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(l.folder, path)
}

// addStores puts archives into the head.
func (l *listing) addStores(archives []string) error {
	if archives == nil {
		return nil
	}
	for i, name := range below(archives) {
		at := archives[i]
		if remote.Shown(at) != at {
			return hinted{
				fmt.Errorf("%s: its address has a key in it, which a list would keep", remote.Shown(at)),
				"give the address without it; keys are taken from the environment",
			}
		}
		l.store[at] = i
		l.head.Stores = append(l.head.Stores, imagelist.Store{Path: l.absolute(at), Name: name})
	}
	return nil
}

// all lists a data set as Open does.
func (l *listing) all(ctx context.Context, o Options) error {
	d, err := Open(ctx, o)
	if err != nil {
		return err
	}
	l.head.Base, l.head.Root, l.head.Classes, l.head.ClassesFile = l.absolute(d.Root), l.absolute(d.Root), d.Classes, l.absolute(d.ClassesFile)
	return l.take(ctx, d)
}

// eachStore lists archives or Parquet files one after the other, as Open would all of them.
func (l *listing) eachStore(ctx context.Context, o Options, archives []string) error {
	l.head.Root = l.absolute(o.Shown())
	var tables *parquet.Cache
	if l.head.Tables {
		tables = &parquet.Cache{}
	}
	for i, at := range archives {
		d, err := openStore(ctx, tables, at, l.head.Stores[i].Name)
		if err != nil {
			return err
		}
		if err := l.take(ctx, d); err != nil {
			return err
		}
	}
	if !l.head.Tables {
		slices.SortFunc(l.head.Skipped, func(a, b imagelist.Skipped) int { return strings.Compare(a.Path, b.Path) })
	}
	return nil
}

// openStore lists all images of one of several archives, or, if there is a cache for them,
// Parquet files.
func openStore(ctx context.Context, tables *parquet.Cache, at, name string) (*Dataset, error) {
	if tables != nil {
		t, err := parquet.Open(ctx, at, tables)
		if err != nil {
			return nil, err
		}
		d := &Dataset{}
		return d, d.addRows(t, name, nil)
	}
	p := &pack{ctx: ctx, path: remote.Shown(at), archives: []string{at}}
	if err := p.add(at, name); err != nil {
		return nil, err
	}
	return &Dataset{Root: p.path, Items: p.items, Skipped: p.skipped, Passed: p.files}, nil
}

// take adds the images of a data set, or of a part of it.
func (l *listing) take(ctx context.Context, d *Dataset) error {
	sizes := d.Sizes()
	for i := range d.Items {
		if err := ctx.Err(); err != nil {
			return err
		}
		item := &d.Items[i]
		e := imagelist.Entry{Name: item.Name, Size: sizes[i], Label: item.Label, Store: -1}
		switch at, packed := item.storePath(); {
		case packed:
			e.Store = l.store[at]
			e.Name = item.Name[len(l.head.Stores[e.Store].Name)+1:]
		case l.absolute(item.Path) != join(l.head.Base, filepath.FromSlash(item.Name)):
			e.Path = l.absolute(item.Path)
		}
		if sizes[i] == unopened {
			l.head.Unopened = append(l.head.Unopened, item.Path)
		}
		l.both.add(item.Name, sizes[i])
		if err := l.add(e); err != nil {
			return err
		}
	}
	for _, s := range d.Skipped {
		l.head.Skipped = append(l.head.Skipped, imagelist.Skipped(s))
	}
	p := &l.head.Passed
	p.Files, p.Bare, p.Folders = p.Files+d.Passed.Files, p.Bare+d.Passed.Bare, p.Folders+d.Passed.Folders
	p.Inside += d.Passed.Inside
	p.Split, p.Beside = d.Passed.Split, d.Passed.Beside
	return nil
}

// storePath returns the path of the archive or Parquet file that an image is in.
func (i *Item) storePath() (path string, packed bool) {
	if i.from == nil {
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
