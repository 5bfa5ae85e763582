package source

import (
	"errors"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/quantity"
)

// Listed is a checksum of an image as it was listed, by its name and the sizes of its files,
// for cache.Plan.
func Listed(name string, sizes ...int64) uint32 {
	return cache.SumOf(fmt.Appendf(nil, "%s\x00%d", name, sizes))
}

// ListedAll are the checksums of images as they were listed, whose files have sizes.
func ListedAll(items []dataset.Item, sizes []int64) []uint32 {
	sums := make([]uint32, len(items))
	for i, item := range items {
		sums[i] = Listed(item.Name, sizes[i])
	}
	return sums
}

// FirstOther says by which image a whole list first differs from another, both as Listed has
// them; empty where they are the same, or was is not known.
func FirstOther(items []dataset.Item, now, was []uint32, sameNames bool) string {
	if len(was) == 0 {
		return ""
	}
	if what := FirstChange(items, now, was, sameNames, ""); what != "" || len(now) <= len(was) {
		return what
	}
	return fmt.Sprintf("%s was not among its images", items[len(was)].Path)
}

// NameOther adds to the error of a run that resumes a state with other images than the run
// that left it the first one that is not the same, as far as the state says which it had.
func NameOther(err error, path string, items []dataset.Item, now []uint32, names string) error {
	var other *cache.MismatchError
	if !errors.As(err, &other) || !other.OfImagesOnly() {
		return err
	}
	state, e := cache.InspectState(path)
	if e != nil {
		return err // which says what is wrong with it
	}
	same := state.Origin.Images != nil && state.Origin.Images.Names == names
	if what := AnotherSet(items, now, state.Listed, state.Inputs, state.Origin.Images, names); what != "" {
		return hint.With(OtherImages{other, what}, AnotherPlace)
	}
	if what := FirstOther(items, now, state.Listed, same); what != "" {
		return hint.With(OtherImages{other, what}, "restore the images and run the same command again, or discard what is there with {restart}")
	}
	return err
}

// AnotherPlace is what to do about what was made of another data set.
const AnotherPlace = "give another path, or discard what is there with {restart}"

// AnotherSet says that of inputs recorded images, of which was are checksums, none is among
// those that now are the checksums of, the first of items; empty where one is, or where
// that is not known. made is what was recorded of them, names the hash of the names of items.
func AnotherSet(items []dataset.Item, now, was []uint32, inputs int, made *origin.Images, names string) string {
	if made == nil || made.Names == "" || made.Names == names || len(now) == 0 || len(was) == 0 {
		return ""
	}
	known := map[uint32]bool{}
	for _, sum := range was {
		known[sum] = true
	}
	if slices.ContainsFunc(now, func(sum uint32) bool { return known[sum] }) {
		return ""
	}
	return fmt.Sprintf("%s of another data set; this run has %s, the first of them %s", quantity.Of(inputs, "image"), quantity.Of(len(items), "image"), items[0].Path)
}

// OtherImages is the error of what was begun with other images, one of which is known.
type OtherImages struct {
	*cache.MismatchError
	What string // how it differs
}

func (e OtherImages) Error() string {
	return fmt.Sprintf("%s: made with other images: %s", e.Path, e.What)
}

func (e OtherImages) Unwrap() error { return e.MismatchError }

// FirstGone is the first of the images that an artefact names which is not among items; empty where
// there is none, or these have other names for all of them.
func FirstGone(items []dataset.Item, a *cache.Artefact) string {
	there := make(map[string]bool, len(items))
	for _, item := range items {
		there[item.Name] = true
	}
	gone, known := "", false
	for _, name := range artefact.KnownImageNames(a) {
		if there[name] {
			known = true
		} else if gone == "" {
			gone = name
		}
	}
	if !known {
		return ""
	}
	return gone
}

// FirstChange says by which image a list first differs from the one that a run recorded
// checksums of, was; now are those of the list's first images, of one more than was where
// there are as many. gone is the name of the first image that went, if it is known; else that
// image is named by the one that comes in its place, and where the names are the same, sameNames,
// none went. It is empty where the recorded part is the same in both.
func FirstChange(items []dataset.Item, now, was []uint32, sameNames bool, gone string) string {
	now = now[:min(len(now), len(was)+1)]
	if len(now) == 0 {
		return ""
	}
	at := 0
	for at < min(len(now), len(was)) && now[at] == was[at] {
		at++
	}
	one, end := "an image that", ""
	if gone != "" {
		one, end = gone+", which", ","
	}
	switch {
	case at == len(was):
		return ""
	case at == len(now):
		if n := len(was) - at; n > 1 {
			first := ""
			if gone != "" {
				first = ", the first of them " + gone
			}
			return fmt.Sprintf("%s that followed %s are missing%s", quantity.Of(n, "image"), items[at-1].Path, first)
		}
		return fmt.Sprintf("%s followed %s%s is missing", one, items[at-1].Path, end)
	case sameNames:
		return fmt.Sprintf("%s is not the file that it was", items[at].Path)
	case at+1 < len(now) && now[at+1] == was[at]:
		return fmt.Sprintf("%s was not among its images", items[at].Path)
	case at+1 < len(was) && now[at] == was[at+1]:
		return fmt.Sprintf("%s came before %s%s is missing", one, items[at].Path, end)
	case gone != "":
		return fmt.Sprintf("%s is not the file that it was, or takes the place of %s, which is missing", items[at].Path, gone)
	}
	return fmt.Sprintf("%s is not the file that it was, or takes the place of another", items[at].Path)
}
