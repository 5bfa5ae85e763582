package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	*Written
	add    func(imagelist.Entry) error
	store  map[string]int // by path, those of the head
	folder string         // the working folder
	both   identity
	images int // so far
	before int // the store of the last one; below 0 of none
}

// Written is what a list that was written says of its images, and what it does not keep.
type Written struct {
	imagelist.Head
	Captions bool     // of Dataset
	Unopened []string // images whose files could not be opened
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

// WriteListing lists the images of a data set, at least one, and writes the list. Those without
// labels in archives and Parquet files are listed one file after the other, and those in a folder
// one folder within it after the other, so that memory does not grow with the number of these.
func WriteListing(ctx context.Context, o Options, w io.Writer) (*Written, error) {
	if IsListing(o.Path) {
		return nil, fmt.Errorf("%s: a list of this form already, want what it lists", o.Path)
	}
	folder, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	written := &Written{Head: imagelist.Head{Dataset: o.Kind, LabelKey: o.LabelKey, Stores: []imagelist.Store{}, Skipped: []imagelist.Skipped{}}}
	l := &listing{Written: written, store: map[string]int{}, folder: folder, both: newIdentity(), before: -1}
	l.DataPath = l.absolute(o.Path)
	if err := o.checkKey(); err != nil {
		return nil, err
	}
	archives, err := archivesAt(o.Path)
	if err == nil && archives == nil {
		err = withoutKey(o.Path)
	}
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
	l.Tables = tables
	err = imagelist.Write(w, &l.Head, func(add func(imagelist.Entry) error) error {
		l.add = add
		switch {
		case o.Kind == Images && archives != nil:
			err = l.eachStore(ctx, o, archives)
		case o.Kind == Images && IsList(o.Path):
			err = l.eachLine(ctx, o)
		case o.Kind == Images:
			err = l.eachFile(ctx, o)
		default:
			err = l.all(ctx, o)
		}
		l.SHA256, l.Names = l.both.sums()
		return err
	})
	if err == nil && l.Images == 0 {
		err = l.none(o)
	}
	return written, err
}

// none is the error of a data set without images.
func (l *listing) none(o Options) error {
	if s := l.Skipped; len(s) > 0 {
		return noLines([]Skipped{Skipped(s[0])})
	}
	return fmt.Errorf("%s: no images (%s) among %s", o.Shown(), strings.Join(decoded, " "), quantity.Of(l.Passed.Files, "file"))
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
		if err := withoutKey(at); err != nil {
			return err
		}
		l.store[at] = i
		l.Stores = append(l.Stores, imagelist.Store{Path: l.absolute(at), Name: name})
	}
	return nil
}

// withoutKey returns an error where an address has something secret in it.
func withoutKey(at string) error {
	if remote.Shown(at) == at {
		return nil
	}
	return hinted{
		fmt.Errorf("%s: its address has a key in it, which a list would keep", remote.Shown(at)),
		"give the address without it; keys are taken from the environment",
	}
}

// all lists a data set as Open does.
func (l *listing) all(ctx context.Context, o Options) error {
	d, err := Open(ctx, o)
	if err != nil {
		return err
	}
	l.Captions = d.Captions
	l.Base, l.Root, l.Classes, l.ClassesFile = l.absolute(d.Root), l.absolute(d.Root), d.Classes, l.absolute(d.ClassesFile)
	return l.take(ctx, d)
}

// eachFile lists the images of a folder as Open does, and keeps none of them.
func (l *listing) eachFile(ctx context.Context, o Options) error {
	if err := checkFolder(o.Path); err != nil {
		return err
	}
	dir := filepath.Clean(o.Path)
	l.Base, l.Root = l.absolute(dir), l.absolute(dir)
	found := 0
	f := &finder{ctx: ctx, deep: true}
	f.take = func(path string) error {
		found++
		item, ok := f.item(dir, path, Unlabelled)
		if !ok {
			return nil
		}
		return l.image(ctx, &item, size(item.Path))
	}
	if err := f.find(dir); err != nil {
		return err
	}
	if found == 0 {
		return f.noImages(dir)
	}
	l.leftOut(&Dataset{Skipped: f.named(dir), Passed: f.files})
	return nil
}

// eachLine lists the images of a list as Open does, and makes their items one by one.
func (l *listing) eachLine(ctx context.Context, o Options) error {
	lines, err := openLines(ctx, o.Path, o.Kind, o.LabelKey)
	if err != nil {
		return err
	}
	l.Base, l.Root = l.absolute(lines.list), l.absolute(lines.list)
	all := len(lines.paths)
	w := watcherOf(ctx, lines.far != nil && all > 1)
	defer w.Listed()
	for first := 0; first < all; first += linesTogether {
		d := &Dataset{watcher: partWatcher{w, first, all}}
		for i := first; i < min(first+linesTogether, all); i++ {
			d.Items = append(d.Items, lines.item(ctx, i))
		}
		if err := l.take(ctx, d); err != nil {
			return err
		}
	}
	w.Listing(all, all)
	return nil
}

// linesTogether is how many images of a list are in memory at once.
var linesTogether = 4096

// eachStore lists archives or Parquet files, several at once, as Open would all of them.
func (l *listing) eachStore(ctx context.Context, o Options, archives []string) error {
	l.Root = l.absolute(o.Shown())
	if l.Tables {
		tables := &parquet.Cache{}
		return eachAhead(ctx, archives, func(ctx context.Context, i int) (*sized, error) {
			d, err := openStore(ctx, tables, archives[i], l.Stores[i].Name)
			if err != nil {
				return nil, err
			}
			sizes, err := d.Sizes()
			return &sized{d, sizes}, err
		}, func(_ int, s *sized) error { return l.takeSized(ctx, s) })
	}
	err := eachAhead(ctx, archives, l.opens(archives), func(i int, s *openedStore) error { return l.members(ctx, s, archives[i], i) })
	if err != nil {
		return err
	}
	slices.SortFunc(l.Skipped, func(a, b imagelist.Skipped) int { return strings.Compare(a.Path, b.Path) })
	return nil
}

// openedStore is an archive whose members are to be listed.
type openedStore struct {
	*scanned
	pack  *pack
	there bool
}

// opens returns what opens one of the archives of the head.
func (l *listing) opens(archives []string) func(ctx context.Context, i int) (*openedStore, error) {
	return func(ctx context.Context, i int) (*openedStore, error) {
		s := &openedStore{pack: &pack{ctx: ctx, path: remote.Shown(archives[i]), archives: archives[i : i+1]}}
		var err error
		if s.scanned, err = s.pack.open(ctx, archives[i], l.Stores[i].Name); err != nil {
			return nil, err
		}
		slices.SortFunc(s.Members, func(a, b archive.Member) int { return strings.Compare(a.Name, b.Name) })
		s.there, err = s.There()
		return s, err
	}
}

// members lists the images of an archive, a store of the head, as openStore does, without making
// items of them.
func (l *listing) members(ctx context.Context, s *openedStore, at string, store int) error {
	name, shown, p := l.Stores[store].Name, remote.Shown(at), s.pack
	p.leave(s.scanned)
	for _, m := range s.Members {
		if !p.takes(shown, name, m.Name) {
			continue
		}
		size := m.Size
		if !s.there {
			size = unopened
		}
		e := imagelist.Entry{Name: m.Name, Size: size, Label: Unlabelled, Store: store}
		if err := l.entry(ctx, e, name+"!"+m.Name, shown+"!"+m.Name); err != nil {
			return err
		}
	}
	l.leftOut(&Dataset{Skipped: p.skipped, Passed: p.files})
	return nil
}

// openStore lists all images of one of several archives, or, if there is a cache for them,
// Parquet files.
func openStore(ctx context.Context, tables *parquet.Cache, at, name string) (*Dataset, error) {
	if tables != nil {
		t, err := parquet.Open(ctx, at, "", tables)
		if err != nil {
			return nil, err
		}
		d := &Dataset{}
		return d, d.addRows(t, name, nil)
	}
	p := &pack{ctx: ctx, path: remote.Shown(at), archives: []string{at}}
	a, err := p.open(ctx, at, name)
	if err != nil {
		return nil, err
	}
	p.add(a, at, name)
	return &Dataset{Root: p.path, Items: p.items, Skipped: p.skipped, Passed: p.files}, nil
}

// sized is a data set, or a part of one, with the sizes of its images.
type sized struct {
	*Dataset
	sizes []int64
}

// take adds the images of a data set, or of a part of it.
func (l *listing) take(ctx context.Context, d *Dataset) error {
	sizes, err := d.Sizes()
	if err != nil {
		return err
	}
	return l.takeSized(ctx, &sized{d, sizes})
}

func (l *listing) takeSized(ctx context.Context, s *sized) error {
	for i := range s.Items {
		if err := l.image(ctx, &s.Items[i], s.sizes[i]); err != nil {
			return err
		}
	}
	l.leftOut(s.Dataset)
	return nil
}

// image adds an image of a size.
func (l *listing) image(ctx context.Context, item *Item, size int64) error {
	e := imagelist.Entry{Name: item.Name, Size: size, Label: item.Label, Store: -1}
	switch at, packed := item.storePath(); {
	case packed:
		e.Store = l.store[at]
		e.Name = item.Name[len(l.Stores[e.Store].Name)+1:]
	case l.absolute(item.Path) != join(l.Base, filepath.FromSlash(item.Name)):
		e.Path = l.absolute(item.Path)
	}
	return l.entry(ctx, e, item.Name, item.Path)
}

// entry adds the entry of an image that has a name and a path.
func (l *listing) entry(ctx context.Context, e imagelist.Entry, name, path string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if e.Size == unopened {
		l.Unopened = append(l.Unopened, path)
	}
	if l.before != e.Store && l.before >= 0 {
		l.Ends = append(l.Ends, l.images)
	}
	l.before, l.images = e.Store, l.images+1
	l.both.add(name, e.Size)
	return l.add(e)
}

// leftOut adds what was left out of a data set, or of a part of it.
func (l *listing) leftOut(d *Dataset) {
	for _, s := range d.Skipped {
		l.Skipped = append(l.Skipped, imagelist.Skipped(s))
	}
	p := &l.Passed
	p.Files, p.Bare, p.Folders = p.Files+d.Passed.Files, p.Bare+d.Passed.Bare, p.Folders+d.Passed.Folders
	p.Inside += d.Passed.Inside
	p.Split, p.Beside = d.Passed.Split, d.Passed.Beside
}
