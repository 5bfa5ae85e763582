package collect

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// worthList is from how many images on a shard says that the list of all can be kept: listing
// takes it a minute and a quarter of a gigabyte then. A variable for tests.
var worthList = 1_000_000

// worthArchives is the same of archives, each of which is opened, and of images at addresses of
// their own, each of which is asked for.
var worthArchives = 100

// openImages opens the images of all shards.
func openImages(ctx context.Context, o Options, say ui.Reporter) (*source.ImageSet, error) {
	set, err := source.OpenImageSet(ctx, o.Data, o.Stride, o.Strict, say)
	if err != nil {
		return nil, err
	}
	if err := notAClass(set.Data, o.SavePath); err != nil {
		return nil, errors.Join(err, set.Close())
	}
	const keeps = "a list that \"clipnh data list\" keeps, given as {data-path}, "
	switch items, archives := set.Data.Items, len(set.Ends)+1; {
	case o.Shard.Whole() || len(items) == 0: // a kept list
	case archives >= worthArchives:
		say.Note("each shard opens all of %s, since where it ends depends on how many images each has: "+keeps+"says which are its own", quantity.Of(archives, "archive"))
	case items[0].IsFar() && len(items) >= worthArchives:
		say.Note("each shard asks for the size of all of %s: "+keeps+"says which are its own", ui.Images.Count(int64(len(items))))
	case len(items)*o.Stride >= worthList:
		say.Note("each shard lists all images: " + keeps + "is read in parts")
	}
	return set, nil
}

// notAClass returns an error if a folder that is to be made at or above path would count as a
// class of the images from then on.
func notAClass(data *dataset.Dataset, path string) error {
	if data.Kind != dataset.ImageNetVal || data.ClassesFile != "" {
		return nil
	}
	root, err := filepath.Abs(data.Root)
	if err != nil {
		return err
	}
	at, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	within, err := filepath.Rel(root, at)
	if err != nil || !filepath.IsLocal(within) || within == "." {
		return nil
	}
	folder, _, _ := strings.Cut(within, string(filepath.Separator))
	if slices.Contains(data.Classes, folder) {
		return nil
	}
	err = usage.Errorf("{save-path} %s is within %s, of which each folder is a class", path, data.Root)
	return hint.With(err, "write it beside the images")
}
