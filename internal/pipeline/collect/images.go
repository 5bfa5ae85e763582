package collect

import (
	"context"

	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

// worthList is from how many images on a shard says that the list of all can be kept: listing
// takes it a minute and a quarter of a gigabyte then. A variable for tests.
var worthList = 1_000_000

// openImages opens the images of all shards.
func openImages(ctx context.Context, o Options, say ui.Reporter) (*source.ImageSet, error) {
	set, err := source.OpenImageSet(ctx, o.Data, o.Stride, o.Strict, say)
	if err != nil {
		return nil, err
	}
	if len(set.Data.Items)*o.Stride >= worthList && !o.Shard.Whole() {
		say.Note("each shard lists all images: a list that \"clipnh data list\" keeps, given as {data-path}, is read in parts")
	}
	return set, nil
}
