package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

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

// nameLeftOut names what a listing left out.
func nameLeftOut(data *dataset.Dataset, strict bool, say ui.Reporter) error {
	if err := nameSplit(data, strict, say); err != nil {
		return err
	}
	return NamePassedOver(data.Skipped, data.Passed, strict, say)
}

// nameSplit says which folder was taken for the split that a kind of data set is, where
// that is not what was asked for: the images next to it are left out, and of a split
// without labels the kind may not have been chosen at all.
func nameSplit(data *dataset.Dataset, strict bool, say ui.Reporter) error {
	passed := data.Passed
	unlabelled := data.Kind == dataset.ImageNetTest
	switch {
	case passed.Split == "" || passed.Beside == 0 && !unlabelled:
		return nil
	case passed.Beside == 0:
		say.Note("took the images of %s", passed.Split)
		return nil
	}
	left := fmt.Sprintf("took the images of %s, and not the %s next to that folder", passed.Split, ui.Images.Count(int64(passed.Beside)))
	advice := "move these into the folders of their classes, or give {data-path} that folder itself"
	if unlabelled {
		advice = "{dataset} images takes all, or give {data-path} that folder itself"
	}
	if strict {
		return hint.With(errors.New(left), advice)
	}
	say.Warn("%s: %s", left, advice)
	return nil
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
			return nil, hint.With(usage.Errorf("%s: a list, want images, folders or archives", path), "{data-path} takes lists of images")
		}
	}
	data, err := dataset.Files(ctx, paths)
	if err != nil {
		return nil, err
	}
	return data, NamePassedOver(data.Skipped, data.Passed, strict, say)
}

// Unlisted returns what a listing left out as results have it. Manifests do not:
// what they count as skipped has a place among the rows.
func Unlisted(skipped []dataset.Skipped) []Skipped {
	unlisted := make([]Skipped, len(skipped))
	for i, s := range skipped {
		unlisted[i] = Skipped{Name: s.Name, Reason: s.Reason}
	}
	return unlisted
}

// NamePassedOver names the folders and images that a listing left out, and
// counts the files that may be images but are not called so.
func NamePassedOver(skipped []dataset.Skipped, passed dataset.Passed, strict bool, say ui.Reporter) error {
	const most = 20 // named for each reason
	count := map[string]int{}
	for _, s := range skipped {
		if strict {
			return fmt.Errorf("%q: %s", s.Path, s.Reason)
		}
		if count[s.Reason]++; count[s.Reason] <= most {
			say.Warn("skipped: %s: %s", s.Name, s.Reason)
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(count)) {
		if n := count[reason] - most; n > 0 {
			say.Warn("skipped: %d more: %s", n, reason)
		}
	}
	if passed.Inside > 0 {
		left := fmt.Sprintf("took no image of %s, which hold%s %s", quantity.Of(passed.Folders, "folder"), quantity.Ending(passed.Folders), quantity.Of(passed.Inside, "image"))
		const advice = "{dataset} images takes those in folders too"
		if strict {
			return hint.With(errors.New(left), advice)
		}
		say.Warn("%s: %s", left, advice)
	} else if passed.Folders > 0 {
		say.Note("folders of which no images are taken: %d; {dataset} images takes those in folders too", passed.Folders)
	}
	if passed.Bare > 0 {
		say.Note("files without an extension, which are not taken for images: %d", passed.Bare)
	}
	return nil
}

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
func NameOtherImages(data *dataset.Dataset, path string, a *cache.Artefact, scores string, strict bool, say ui.Reporter) error {
	from := artefact.OriginOf(a).Images
	if from == nil {
		return nil
	}
	there := data.Stride(max(from.Stride, 1))
	if there.Fingerprint() == from.SHA256 {
		return nil
	}
	names, err := artefact.ImageNames(a)
	if strict && err == nil && haveOtherSizes(data, names, a) {
		return otherSizes(path, scores)
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
func nameOtherSizes(data *dataset.Dataset, names []string, path string, of *cache.Artefact, strict bool, say ui.Reporter) error {
	switch {
	case !haveOtherSizes(data, names, of):
	case strict:
		return otherSizes(path, of.Path())
	default:
		say.Warn("%s: %s that %s was made of: %s; the labels may be those of others", path, notTheImages, of.Path(), differentSizes)
	}
	return nil
}

const (
	notTheImages   = "not the images"
	differentSizes = "their names are the same, their sizes differ"
)

// otherSizes is the error of images at path that are not those that scores were made of.
func otherSizes(path, scores string) error {
	return hint.With(fmt.Errorf("%s: %w: %s that %s was made of: %s", path, cache.ErrStale, notTheImages, scores, differentSizes),
		"restore the images, or collect them again")
}

// haveOtherSizes reports whether images that have the names of those of a collection, of whose
// rows names are, have other sizes than these had, as far as its manifest tells.
func haveOtherSizes(data *dataset.Dataset, names []string, of *cache.Artefact) bool {
	from := artefact.OriginOf(of).Images
	if from == nil {
		return false
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
		return there.Fingerprint() != from.SHA256
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
			return false // of more images than those of the collection
		}
	}
	return there.Fingerprint() != from.SHA256
}

// NameEmpty names the folders of classes that hold no image: they count as classes, by their
// place among the others, as in the labels of the reference.
func NameEmpty(data *dataset.Dataset, path string, say ui.Reporter) {
	if data.Kind != dataset.ImageNetVal || data.ClassesFile != "" || len(data.Classes) == 0 {
		return
	}
	has := make([]bool, len(data.Classes))
	for _, item := range data.Items {
		if item.Label != dataset.Unlabelled {
			has[item.Label] = true
		}
	}
	var empty []string
	for label, class := range data.Classes {
		if !has[label] {
			empty = append(empty, foreign.Quote(class))
		}
	}
	if len(empty) == 0 {
		return
	}
	const most = 5
	list := strings.Join(empty[:min(len(empty), most)], ", ")
	if more := len(empty) - most; more > 0 {
		list = fmt.Sprintf("%s and %d more", list, more)
	}
	say.Note("%s: %d of its %s without images, %s: each counts as a class", path, len(empty), quantity.Of(len(data.Classes), "class folder"), list)
}

// anyNamed reports whether an image has one of some names.
func anyNamed(data *dataset.Dataset, names []string) bool {
	known := make(map[string]bool, len(names))
	for _, name := range names {
		known[name] = true
	}
	return slices.ContainsFunc(data.Items, func(item dataset.Item) bool { return known[item.Name] })
}
