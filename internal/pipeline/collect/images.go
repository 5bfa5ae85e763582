package collect

import (
	"context"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// images are those of all shards: listed by this run, or by a list that was kept, of which a
// run reads only its own part.
type images struct {
	data        *dataset.Dataset // with its images only where this run has listed them
	inputs      int              // how many images there are
	names       string           // the hash of their names
	fingerprint string           // of their names and sizes
	sizes       []int64          // of their files, where this run has listed them
	listing     *dataset.Listing // nil where it has
	stride      int
}

// worthList is from how many images on a shard says that the list of all can be kept: listing
// takes it a minute and a quarter of a gigabyte then. A variable for tests.
var worthList = 1_000_000

// openImages lists every stride-th image, or opens the list that was kept.
func openImages(ctx context.Context, o Options, say ui.Reporter) (images, error) {
	if dataset.IsListing(o.Data.Path) {
		l, err := source.OpenListing(o.Data, o.Strict, say)
		if err != nil {
			return images{}, err
		}
		i := images{data: l.Data, inputs: l.Images(o.Stride), listing: l, stride: o.Stride}
		if i.fingerprint, i.names, err = l.Identity(ctx, o.Stride); err != nil {
			i.close()
		}
		return i, err
	}
	data, err := source.OpenImages(ctx, o.Data, o.Strict, say)
	if err != nil {
		return images{}, err
	}
	if n := len(data.Items); n >= worthList && !o.Shard.Whole() {
		say.Note("each shard lists all %s: a list that \"clipnh data list\" keeps, given as {data-path}, is read in parts", quantity.Of(n, "image"))
	}
	data = data.Stride(o.Stride)
	sizes := data.Sizes()
	return images{data: data, inputs: len(data.Items), names: source.NamesHash(data.Items), fingerprint: data.FingerprintOf(sizes), sizes: sizes}, nil
}

// close closes a list that was kept.
func (i images) close() {
	if i.listing != nil {
		i.listing.Close()
	}
}

// part returns images lo to hi, and the sizes of their files. Those of a list that was kept must
// have the sizes that they had then.
func (i images) part(ctx context.Context, lo, hi int) ([]dataset.Item, []int64, error) {
	if i.listing == nil {
		return i.data.Items[lo:hi], i.sizes[lo:hi], nil
	}
	items, sizes, err := i.listing.Part(ctx, lo, hi, i.stride)
	if err != nil {
		return nil, nil, err
	}
	return items, sizes, i.listing.CheckSizes(items, sizes)
}
