package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/imagelist"
	"github.com/clipnh/clipnh/internal/parquet"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/remote"
)

// A Listing is an open list that was kept.
type Listing struct {
	Data *Dataset // without its images

	path string
	file *imagelist.File
}

// OpenListing opens a list that was kept of a data set of this kind. No image is looked at.
func OpenListing(o Options) (*Listing, error) {
	f, err := imagelist.Open(o.Path)
	if err != nil {
		return nil, err
	}
	h := &f.Head
	switch {
	case h.Dataset != o.Kind:
		err = hinted{fmt.Errorf("%s: it lists a data set of the kind %q, not %s", o.Path, h.Dataset, o.Kind), "give the same {dataset} as when it was listed"}
	case o.LabelKey != "" && h.LabelKey != o.LabelKey:
		err = hinted{fmt.Errorf("%s: its labels are not of the name %s", o.Path, foreign.Quote(o.LabelKey)), "give no {label-key}: a list has its labels"}
	case h.Images == 0:
		err = fmt.Errorf("%s: it lists no images", o.Path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	d := &Dataset{Kind: h.Dataset, LabelKey: h.LabelKey, Root: h.Root, Classes: h.Classes, ClassesFile: h.ClassesFile, Passed: Passed(h.Passed)}
	for _, s := range h.Skipped {
		d.Skipped = append(d.Skipped, Skipped(s))
	}
	return &Listing{Data: d, path: o.Path, file: f}, nil
}

// Close closes the list. The images of its parts stay.
func (l *Listing) Close() error { return l.file.Close() }

// Images is how many images there are if every stride-th is taken.
func (l *Listing) Images(stride int) int { return (l.file.Images + stride - 1) / stride }

// Identity is what manifests say of every stride-th image: FingerprintOf their names and
// sizes, and the cache.ListHash of their names. All of the list is read unless stride is 1.
func (l *Listing) Identity(ctx context.Context, stride int) (images, names string, err error) {
	if stride == 1 {
		return l.file.SHA256, l.file.Head.Names, nil
	}
	both := newIdentity()
	err = l.file.Each(0, l.file.Images, func(i int, e imagelist.Entry) error {
		if i%stride == 0 {
			both.add(l.name(e), e.Size)
		}
		return ctx.Err()
	})
	images, names = both.sums()
	return images, names, err
}

// Ends are Dataset.Ends of every stride-th image. All of a list is read that an older build made
// of several archives.
func (l *Listing) Ends(ctx context.Context, stride int) ([]int, error) {
	all := l.file.Ends
	if all == nil && len(l.file.Stores) > 1 {
		before := -1
		err := l.file.Each(0, l.file.Images, func(i int, e imagelist.Entry) error {
			if i > 0 && e.Store != before {
				all = append(all, i)
			}
			before = e.Store
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
	}
	var ends []int
	last := 0
	for _, end := range all {
		if end = (end + stride - 1) / stride; end > last && end < l.Images(stride) {
			ends, last = append(ends, end), end
		}
	}
	return ends, nil
}

// name is the name of an image.
func (l *Listing) name(e imagelist.Entry) string {
	if e.Store < 0 {
		return e.Name
	}
	return l.file.Stores[e.Store].Name + "!" + e.Name
}

// Names returns the names of every stride-th image.
func (l *Listing) Names(ctx context.Context, stride int) ([]string, error) {
	names := make([]string, 0, l.Images(stride))
	err := l.file.Each(0, l.file.Images, func(i int, e imagelist.Entry) error {
		if i%stride == 0 {
			names = append(names, l.name(e))
		}
		return ctx.Err()
	})
	return names, err
}

// Part returns images lo to hi of every stride-th, and their sizes when they were listed.
// Archives and Parquet files that they are in are opened, and no others; an image that is not
// there any more is cache.ErrStale. Files are not looked at.
func (l *Listing) Part(ctx context.Context, lo, hi, stride int) (items []Item, sizes []int64, err error) {
	items, sizes = make([]Item, 0, hi-lo), make([]int64, 0, hi-lo)
	in := stores{l: l, ctx: ctx, at: -1}
	last := min((hi-1)*stride+1, l.file.Images)
	if len(l.file.Stores) > 0 {
		end, err := in.ahead(ctx, lo*stride, last, stride)
		if err != nil {
			return nil, nil, err
		}
		defer end()
	}
	err = l.file.Each(lo*stride, last, func(i int, e imagelist.Entry) error {
		if i%stride != 0 {
			return nil
		}
		item, err := in.item(e)
		if err != nil {
			return err
		}
		items, sizes = append(items, item), append(sizes, e.Size)
		return ctx.Err()
	})
	return items, sizes, err
}

// stores finds images in the archives and Parquet files of a list. That of the image before
// is kept open, and those of the next ones are opened meanwhile.
type stores struct {
	l     *Listing
	ctx   context.Context
	next  func() (*Dataset, error)
	at    int // the store that is open
	items map[string]*Item
}

// ahead begins to open the stores of every stride-th of images lo to hi. end is to be called.
func (s *stores) ahead(ctx context.Context, lo, hi, stride int) (end func(), err error) {
	var order []int
	var paths []string
	err = s.l.file.Each(lo, hi, func(i int, e imagelist.Entry) error {
		if i%stride == 0 && e.Store >= 0 && (order == nil || order[len(order)-1] != e.Store) {
			order, paths = append(order, e.Store), append(paths, s.l.file.Stores[e.Store].Path)
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	var tables *parquet.Cache
	if s.l.file.Tables {
		tables = &parquet.Cache{}
	}
	a := openAhead(ctx, len(order), atOnce(paths), func(ctx context.Context, i int) (*Dataset, error) {
		store := s.l.file.Stores[order[i]]
		return openStore(ctx, tables, store.Path, store.Name)
	})
	s.next = a.next
	return a.close, nil
}

func (s *stores) item(e imagelist.Entry) (Item, error) {
	base := s.l.file.Base
	switch {
	case e.Store >= 0:
		return s.packed(e)
	case remote.Named(e.Path):
		return singleItem(s.ctx, e.Path, e.Name, e.Label), nil
	case e.Path != "":
		return Item{Path: e.Path, Name: e.Name, Label: e.Label}, nil
	case base == "":
		return Item{}, fmt.Errorf("%s: %s: no folder that it is in", s.l.path, e.Name)
	}
	path := join(base, filepath.FromSlash(e.Name))
	item := Item{Path: path, Name: e.Name, Label: e.Label}
	if os.PathSeparator == '/' {
		item.Name = path[len(path)-len(e.Name):] // which shares its memory
	}
	return item, nil
}

// packed finds an image in its store, which it opens unless it is open.
func (s *stores) packed(e imagelist.Entry) (Item, error) {
	store := s.l.file.Stores[e.Store]
	if s.at != e.Store {
		d, err := s.next()
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, remote.ErrMissing) {
			return Item{}, s.gone(remote.Shown(store.Path))
		}
		if err != nil {
			return Item{}, err
		}
		s.at, s.items = e.Store, ByName(d.Items)
	}
	item, there := s.items[s.l.name(e)]
	if !there {
		return Item{}, s.gone(store.Path + "!" + e.Name)
	}
	found := *item
	found.Label = e.Label
	return found, nil
}

// gone is the error of an archive, or of an image in one, that is listed and not there.
func (s *stores) gone(path string) error { return goneSince(s.l.path, path) }

// goneSince is the error of what a list at the path list has, and is not there.
func goneSince(list, path string) error {
	return hinted{fmt.Errorf("%s: %w: %s lists it, and it is not there any more", path, cache.ErrStale, list), listAgain}
}

// listAgain is the advice where a list does not hold any more.
const listAgain = "restore it, or list the images again with data list and {restart}"

// CheckSizes returns an error (cache.ErrStale) about the first image that has another size now
// than when it was listed.
func (l *Listing) CheckSizes(ctx context.Context, items []Item, listed []int64) error {
	sizes, err := sizesOf(items, watcherOf(ctx, true))
	if err != nil {
		return err
	}
	for i, now := range sizes {
		if was := listed[i]; now != was {
			return hinted{
				fmt.Errorf("%s: %w: %s, %s when it was listed in %s", items[i].Path, cache.ErrStale, inBytes(now), inBytes(was), l.path),
				listAgain,
			}
		}
	}
	return nil
}

func inBytes(size int64) string {
	if size == unopened {
		return "cannot be opened"
	}
	return quantity.Of(size, "byte")
}

// SinceListed compares the images of a kept list with their sizes in it. It returns how many
// have others now, and says of the first which; of what is no list there are none. One that
// cannot be opened any more is an error (cache.ErrStale), as it is of an archive.
func (d *Dataset) SinceListed() (others int, first string, err error) {
	if d.listed == nil {
		return 0, "", nil
	}
	sizes, err := d.Sizes()
	if err != nil {
		return 0, "", err
	}
	for i, now := range sizes {
		was := d.listed.sizes[i]
		if now == unopened && was != unopened {
			return 0, "", goneSince(d.listed.path, d.Items[i].Path)
		}
		if now != was {
			if others++; others == 1 {
				first = fmt.Sprintf("%s: %s, %s when it was listed", d.Items[i].Path, inBytes(now), inBytes(was))
			}
		}
	}
	return others, first, nil
}

// readListing opens all images of a list.
func readListing(ctx context.Context, o Options) (*Dataset, error) {
	l, err := OpenListing(o)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	l.Data.listed = &listedSizes{path: l.path}
	l.Data.Items, l.Data.listed.sizes, err = l.Part(ctx, 0, l.Images(1), 1)
	return l.Data, err
}
