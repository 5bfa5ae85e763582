package source

import (
	"context"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/ui"
)

// OpenAs opens the images of a collection, under the names that it has for them; a is nil
// for another program's file.
func OpenAs(ctx context.Context, o dataset.Options, a *cache.Artefact) (*dataset.Dataset, error) {
	data, err := dataset.Open(ctx, o)
	if err != nil || a == nil {
		return data, err
	}
	if _, err := a.Payload(artefact.ImagesFile); err != nil {
		return data, nil // a dense file, whose rows have no names
	}
	names, err := artefact.ImageNames(a)
	if err != nil {
		return nil, err
	}
	return data.NamedAs(names), nil
}

// NameOtherImages warns where images that are shown beside a collection's numbers are not
// those that it was made of, as far as names and sizes tell. To a strict run, images of the same
// names and other sizes are an error, which is cache.ErrStale.
func NameOtherImages(ctx context.Context, data *dataset.Dataset, path string, a *cache.Artefact, scores string, strict bool, say ui.Reporter) error {
	from := artefact.OriginOf(a).Images
	if from == nil {
		return nil
	}
	there := data.Stride(max(from.Stride, 1))
	now, err := there.Fingerprint()
	if err != nil || now == from.SHA256 {
		return err
	}
	names, err := artefact.ImageNames(a)
	if err == nil {
		switch others, e := haveOtherSizes(data, names, a); {
		case e != nil:
			return e
		case others != nil:
			first, err := firstNamed(ctx, others, a, say)
			if err != nil {
				return err
			}
			if strict {
				return otherSizes(path, scores, first)
			}
			say.Warn("%s: not quite the images that %s was made of: names or sizes differ%s", path, scores, first)
			return nil
		}
	}
	if err == nil && len(names) > 0 && !anyNamed(there, names) {
		say.Warn("%s: none of the images that %s was made of: all names differ", path, scores)
		return nil
	}
	say.Warn("%s: not quite the images that %s was made of: names or sizes differ", path, scores)
	return nil
}

// nameOtherSizes warns where the images that labels are taken of have the names of those of a
// collection, but not their sizes: archives often have the same names within. names are those
// of the rows, by which images are found whatever their order. To a strict run it is an error.
func nameOtherSizes(ctx context.Context, data *dataset.Dataset, names []string, path string, of *cache.Artefact, strict bool, say ui.Reporter) error {
	others, err := haveOtherSizes(data, names, of)
	if err != nil || others == nil {
		return err
	}
	first, err := firstNamed(ctx, others, of, say)
	if err != nil {
		return err
	}
	if strict {
		return otherSizes(path, of.Path(), first)
	}
	say.Warn("%s: %s that %s was made of: %s%s; the labels may be those of others", path, notTheImages, of.Path(), differentSizes, first)
	return nil
}

const (
	notTheImages   = "not the images"
	differentSizes = "their names are the same, their sizes differ"
)

// firstNamed names, for the end of a message, the first of the images of a collection whose bytes
// are not those that it was made of; empty where that is not known, or there are so many that it
// would take long to look.
func firstNamed(ctx context.Context, images []dataset.Item, of *cache.Artefact, say ui.Reporter) (string, error) {
	const most = 2000
	sums := of.InputSums()
	if len(sums) != len(images) || len(images) > most {
		return "", nil
	}
	progress := say.Progress()
	progress.Start(int64(len(images)), ui.Images, "compare images")
	defer progress.Done()
	for i, item := range images {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		f, err := item.Load()
		if err == nil {
			progress.Read(f.Size)
		}
		progress.Add(1)
		if err != nil || cache.SumOf(f.Bytes) != sums[i] {
			return fmt.Sprintf(" (the first is %s)", item.Path), nil
		}
	}
	return "", nil
}

// otherSizes is the error of images at path that are not those that scores were made of; first
// names one.
func otherSizes(path, scores, first string) error {
	return hint.With(fmt.Errorf("%s: %w: %s that %s was made of: %s%s", path, cache.ErrStale, notTheImages, scores, differentSizes, first),
		"restore the images, or collect them again")
}

// haveOtherSizes returns the images that have the names of those of a collection, of whose rows
// names are, if they have other sizes than these had, as far as its manifest tells; nil if not.
func haveOtherSizes(data *dataset.Dataset, names []string, of *cache.Artefact) ([]dataset.Item, error) {
	from := artefact.OriginOf(of).Images
	if from == nil {
		return nil, nil
	}
	differ := func(there *dataset.Dataset) ([]dataset.Item, error) {
		now, err := there.Fingerprint()
		if err != nil || now == from.SHA256 {
			return nil, err
		}
		return there.Items, nil
	}
	items := dataset.ByName(data.Items)
	there := data.Stride(1)
	there.Items = nil
	if cache.ListHash(names) == from.Names { // every image has a row
		for _, name := range names {
			if item := items[name]; item != nil {
				there.Items = append(there.Items, *item)
			}
		}
		return differ(there)
	}
	// Others have none; they stand among them in the order of the data set.
	known := make(map[string]bool, len(names))
	for _, name := range names {
		known[name] = true
	}
	for _, s := range of.Manifest.Skipped {
		known[s.Name] = true
	}
	for _, item := range data.Items {
		if known[item.Name] {
			there.Items = append(there.Items, item)
		}
	}
	if NamesHash(there.Items) != from.Names {
		there = data.Stride(max(from.Stride, 1))
		if len(there.Items) != of.Manifest.Inputs {
			return nil, nil // of more images than those of the collection
		}
	}
	return differ(there)
}

// anyNamed reports whether an image has one of some names.
func anyNamed(data *dataset.Dataset, names []string) bool {
	known := make(map[string]bool, len(names))
	for _, name := range names {
		known[name] = true
	}
	return slices.ContainsFunc(data.Items, func(item dataset.Item) bool { return known[item.Name] })
}
