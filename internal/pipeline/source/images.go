package source

import (
	"context"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/ui"
)

// part is the images that a model is to see, of all that there are. Of a kept list only those
// are read and compared with their sizes in it, unless all are asked for.
type part struct {
	data   *dataset.Dataset // with these images only
	sizes  []int64          // of their files when they were listed
	inputs int              // images in all
	names  string           // the hash of the names of all
	// fingerprint is that of all.
	fingerprint string

	all     []dataset.Item   // where they were listed
	listing *dataset.Listing // else
	stride  int
}

// openPart lists the images of a model, or reads their part of a list that was kept.
func openPart(ctx context.Context, o Options, say ui.Reporter) (*part, error) {
	if o.Part != nil && len(o.Paths) == 0 && dataset.IsListing(o.Data.Path) {
		l, err := OpenListing(o.Data, o.Strict, say)
		if err != nil {
			return nil, err
		}
		p := &part{data: l.Data, inputs: l.Images(o.Stride), listing: l, stride: o.Stride}
		if err := p.read(ctx, o); err != nil {
			l.Close()
			return nil, err
		}
		return p, nil
	}
	data, err := ListImages(ctx, o.Paths, o.Data, o.Stride, o.Strict, say)
	if err != nil {
		return nil, err
	}
	sizes := data.Sizes()
	p := &part{data: data, inputs: len(data.Items), names: NamesHash(data.Items), fingerprint: data.FingerprintOf(sizes), all: data.Items}
	lo, hi := 0, p.inputs
	if o.Part != nil {
		if lo, hi, err = o.Part(p.inputs); err != nil {
			return nil, err
		}
	}
	data.Items, p.sizes = data.Items[lo:hi], sizes[lo:hi]
	return p, nil
}

// read reads the part of a list.
func (p *part) read(ctx context.Context, o Options) (err error) {
	if p.fingerprint, p.names, err = p.listing.Identity(ctx, p.stride); err != nil {
		return err
	}
	lo, hi, err := o.Part(p.inputs)
	if err != nil {
		return err
	}
	if p.data.Items, p.sizes, err = p.listing.Part(ctx, lo, hi, p.stride); err != nil {
		return err
	}
	return p.listing.CheckSizes(p.data.Items, p.sizes)
}

// allNames returns the names of all images.
func (p *part) allNames(ctx context.Context) ([]string, error) {
	if p.listing != nil {
		return p.listing.Names(ctx, p.stride)
	}
	return (&dataset.Dataset{Items: p.all}).Names(), nil
}

// close closes a list that was kept.
func (p *part) close() error {
	if p.listing == nil {
		return nil
	}
	return p.listing.Close()
}
