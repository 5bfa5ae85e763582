package source

import (
	"fmt"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/imageprep"
)

// Asked says which ways of preparing images someone asked for. Others are defaults, which
// give way to those of a collection.
type Asked struct{ Order, EXIF bool }

// PrepareAsCollected has images prepared as those of a collection were. A collection without
// a manifest, nil, does not say how, and changes nothing.
func PrepareAsCollected(o *imageprep.Options, a *cache.Artefact) error {
	return PrepareBeside(o, Asked{}, artefact.Reader{}, a)
}

// PrepareBeside has images that are compared with those of a collection prepared as these
// were, or as those of what svd made of one. What someone asked for and is another way is an
// error that is cache.ErrStale, and stands if r takes it nevertheless. A collection without a
// manifest, nil, does not say how, and changes nothing; nor do means of builds that did not
// write it.
func PrepareBeside(o *imageprep.Options, asked Asked, r artefact.Reader, a *cache.Artefact) error {
	made := artefact.OriginOf(a).Preparation()
	if made == nil {
		return nil
	}
	group := preparationOf(a)
	order, err := imageprep.ParseOrder(made.Preprocess)
	if err != nil {
		return fmt.Errorf("%s: preprocess %w", a.Path(), err)
	}
	var facts artefact.Facts
	if asked.Order {
		facts = append(facts, cache.Fact{Field: group + ".preprocess", Want: o.Order.String()})
	} else {
		o.Order = order
	}
	if asked.EXIF {
		facts = append(facts, cache.Fact{Field: group + ".exif", Want: o.EXIF})
	} else {
		o.EXIF = made.EXIF
	}
	if err := r.Check(a, facts); err != nil {
		var advice []string
		if asked.Order && order != o.Order {
			advice = append(advice, "leave out {preprocess}")
		}
		if asked.EXIF && made.EXIF != o.EXIF {
			advice = append(advice, "leave out {exif}")
		}
		if advice == nil {
			return err
		}
		return hint.With(err, strings.Join(advice, " and ")+": images are then prepared as those of "+a.Path())
	}
	return nil
}

// preparationOf is the field of a manifest that says how the images of an artefact were prepared.
func preparationOf(a *cache.Artefact) string {
	if a.Manifest.Origin.Images != nil {
		return "origin.images"
	}
	return "origin.prepared"
}
