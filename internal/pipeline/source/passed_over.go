package source

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// nameLeftOut names what a listing left out.
func nameLeftOut(data *dataset.Dataset, strict bool, say ui.Reporter) error {
	if err := nameSplit(data, strict, say); err != nil {
		return err
	}
	if err := nameAbsent(data, strict, say); err != nil {
		return err
	}
	return NamePassedOver(data.Skipped, data.Passed, strict, say)
}

// nameAbsent says where in a list the first image is whose file is not there: those that read
// the images name their files alone.
func nameAbsent(data *dataset.Dataset, strict bool, say ui.Reporter) error {
	a := data.Absent
	if a == nil {
		return nil
	}
	first := "the first"
	if a.Images == 1 {
		first = "it"
	}
	text := fmt.Sprintf("%s: %d of the %s that it lists %s not there: %s is number %d, %s",
		a.List, a.Images, quantity.Of(len(data.Items), "image"), quantity.Is(a.Images), first, a.First, foreign.Name(a.Path))
	if strict {
		return absentError(text)
	}
	say.Warn("%s", text)
	return nil
}

// absentError is an fs.ErrNotExist that says all itself.
type absentError string

func (e absentError) Error() string        { return string(e) }
func (e absentError) Is(target error) bool { return target == fs.ErrNotExist }

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

// NameCaptions says that what gives images their classes looks like captions.
func NameCaptions(path string, classes, images int, say ui.Reporter) {
	say.Note("%s: %s of %s, by the .txt beside each, which look like captions: {label-key} names the key of a label in the .json, and {dataset} images takes images without labels",
		path, quantity.Of(classes, "class"), ui.Images.Count(int64(images)))
}

// NameEmpty names the folders of classes that hold no image: they count as classes, by their
// place among the others, as in the labels of the reference. It also says where classes look like
// captions.
func NameEmpty(data *dataset.Dataset, path string, say ui.Reporter) {
	if data.Captions {
		NameCaptions(path, len(data.Classes), len(data.Items), say)
	}
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
	say.Note("%s: %d of its %s without images, %s: each counts as a class", path, len(empty), quantity.Of(len(data.Classes), "class"), list)
}
