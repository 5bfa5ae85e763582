package source

import (
	"context"
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// An ImageSet is all images of a data set that a run or its shards send through a model: listed
// by this run, or by a list that was kept, of which a run reads only its own part.
type ImageSet struct {
	Data        *dataset.Dataset // with its images only where this run has listed them
	Count       int              // how many images there are
	Names       string           // the hash of their names
	Fingerprint string           // of their names and sizes
	Ends        []int            // the images before which another archive begins, where there are several

	sizes   []int64          // of their files, where this run has listed them
	listing *dataset.Listing // nil where it has
	stride  int
}

// OpenImageSet lists every stride-th image, or opens the list that was kept. It is to be closed.
func OpenImageSet(ctx context.Context, o dataset.Options, stride int, strict bool, say ui.Reporter) (*ImageSet, error) {
	if !dataset.IsListing(o.Path) {
		data, err := ListImages(ctx, nil, o, stride, strict, say)
		if err != nil {
			return nil, err
		}
		return newImageSet(data)
	}
	l, err := OpenListing(o, strict, say)
	if err != nil {
		return nil, err
	}
	s := &ImageSet{Data: l.Data, Count: l.Images(stride), listing: l, stride: stride}
	s.Fingerprint, s.Names, err = l.Identity(ctx, stride)
	if err == nil {
		s.Ends, err = l.Ends(ctx, stride)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return s, nil
}

// newImageSet is that of images which this run has listed.
func newImageSet(data *dataset.Dataset) (*ImageSet, error) {
	sizes, err := data.Sizes()
	if err != nil {
		return nil, err
	}
	return &ImageSet{Data: data, Count: len(data.Items), Names: NamesHash(data.Items), Fingerprint: data.FingerprintOf(sizes), Ends: data.Ends(), sizes: sizes}, nil
}

// Part returns images lo to hi, and the sizes of their files when they were listed. Those of a
// list that was kept must still have them (cache.ErrStale).
func (s *ImageSet) Part(ctx context.Context, lo, hi int) ([]dataset.Item, []int64, error) {
	if s.listing == nil {
		return s.Data.Items[lo:hi], s.sizes[lo:hi], nil
	}
	items, sizes, err := s.listing.Part(ctx, lo, hi, s.stride)
	if err != nil {
		return nil, nil, err
	}
	return items, sizes, s.listing.CheckSizes(ctx, items, sizes)
}

// AllNames returns the names of all images.
func (s *ImageSet) AllNames(ctx context.Context) ([]string, error) {
	if s.listing != nil {
		return s.listing.Names(ctx, s.stride)
	}
	return s.Data.Names(), nil
}

// Close closes a list that was kept. The images of its parts stay.
func (s *ImageSet) Close() error {
	if s.listing == nil {
		return nil
	}
	return s.listing.Close()
}

// OpenImages lists the images of a data set. What could not be listed is
// named; to a strict run it is an error.
func OpenImages(ctx context.Context, o dataset.Options, strict bool, say ui.Reporter) (*dataset.Dataset, error) {
	data, err := dataset.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	NameEmpty(data, o.Shown(), say)
	if err := nameLeftOut(data, strict, say); err != nil {
		return nil, err
	}
	n, first, err := data.SinceListed()
	if n > 0 {
		err = fmt.Errorf("%s: %w: %s of %d %s changed since it was made, the first %s", o.Shown(), cache.ErrStale, ui.Images.Count(int64(n)), len(data.Items), quantity.Has(n), first)
		if !strict {
			say.Warn("%v", err)
			return data, nil
		}
		err = hint.With(err, "restore the images, or list them again with data list and {restart}")
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

// OpenListing opens a kept list of images, which the caller closes. What could not be listed is
// named; to a strict run it is an error.
func OpenListing(o dataset.Options, strict bool, say ui.Reporter) (*dataset.Listing, error) {
	l, err := dataset.OpenListing(o)
	if err != nil {
		return nil, err
	}
	if err := nameLeftOut(l.Data, strict, say); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// ListImages lists the images of a model: files, and those of folders, where there are
// paths, or else every stride-th of a data set. What could not be listed is named; to a
// strict run it is an error.
func ListImages(ctx context.Context, paths []string, o dataset.Options, stride int, strict bool, say ui.Reporter) (*dataset.Dataset, error) {
	if len(paths) == 0 {
		data, err := OpenImages(ctx, o, strict, say)
		if err != nil || stride == 1 {
			return data, err
		}
		return data.Stride(stride), nil
	}
	paths, err := dataset.Expand(paths)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if dataset.IsList(path) || dataset.IsListing(path) {
			return nil, hint.With(usage.Errorf("%s: a list, want images, folders or archives", dataset.Options{Path: path}.Shown()), "{data-path} takes lists of images")
		}
	}
	data, err := dataset.Files(ctx, paths)
	if err != nil {
		return nil, err
	}
	return data, NamePassedOver(data.Skipped, data.Passed, strict, say)
}

// NamesHash is the hash of the names of images, which a collection of them keeps
// whatever becomes of their files.
func NamesHash(items []dataset.Item) string {
	names := make([]string, len(items))
	for i, item := range items {
		names[i] = item.Name
	}
	return cache.ListHash(names)
}
