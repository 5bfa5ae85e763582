package source

import (
	"context"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/ui"
)

// featuresReader reads a folder of image features, of which no parts are known.
type featuresReader struct {
	*artefact.ImageFeatures
	names  []string
	labels []int // nil: no labels
}

// openFeatures opens a folder of scores, or of image features, which are all that is looked at.
func openFeatures(ctx context.Context, o Options, say ui.Reporter) (*Source, error) {
	a, err := o.Artefacts.Collection(o.ScoresPath, nil, artefact.KindScores, artefact.KindImageFeatures)
	if err != nil {
		return nil, err
	}
	if a.Manifest.Kind != artefact.KindImageFeatures {
		return openScoresOf(ctx, a, o, say)
	}
	f, err := artefact.ImageFeaturesOf(a)
	if err != nil {
		return nil, err
	}
	r := &featuresReader{ImageFeatures: f}
	if r.names, r.labels, err = namesAndLabels(ctx, f.Names, a, o, say); err != nil {
		f.Close()
		return nil, err
	}
	return &Source{
		Artefact: a, Images: f.Images, OutDim: f.OutDim, Labelled: r.labels != nil, Origin: artefact.DerivedFrom(a), Names: r.names, reader: r,
	}, nil
}

// namesAndLabels are those of the images of a collection; labels are nil where none are wanted,
// or the data set has none.
func namesAndLabels(ctx context.Context, of func() ([]string, error), a *cache.Artefact, o Options, say ui.Reporter) (names []string, labels []int, err error) {
	if names, err = of(); err == nil && o.Data.Path != "" {
		labels, err = dataLabels(ctx, o, names, a, say)
	}
	return names, labels, err
}

func (r *featuresReader) each(ctx context.Context, _ *Source, do func(Batch) error) error {
	features := kernel.Alloc(min(batchImages, r.Images) * r.OutDim)
	for lo := 0; lo < r.Images; lo += batchImages {
		if err := ctx.Err(); err != nil {
			return err
		}
		hi := min(lo+batchImages, r.Images)
		rows := features[:(hi-lo)*r.OutDim]
		if err := r.Read(rows, lo); err != nil {
			return err
		}
		b := Batch{Names: r.names[lo:hi], Contributions: featuresAlone{rows}}
		if r.labels != nil {
			b.Labels = r.labels[lo:hi]
		}
		if err := do(b); err != nil {
			return err
		}
	}
	return nil
}

func (r *featuresReader) close() error { return r.Close() }
