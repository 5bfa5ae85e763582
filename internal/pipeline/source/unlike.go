package source

import (
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/ui"
)

// WarnWhereUnlike warns where two collections, which messages call here and there, are of
// other places in a model, or of images that were prepared in another way: that moves scores
// too.
func WarnWhereUnlike(of, than *cache.Artefact, here, there string, say ui.Reporter) {
	a, b, warn := of.Manifest.Origin, than.Manifest.Origin, warnOf(here, there, say)
	if x, y := family(a), family(b); x != y && x != "" && y != "" {
		say.Warn("%s is of %s, %s of %s: the pairs of models of different families are not the same things, and some of the change may be due to that", here, x, there, y)
	} else {
		warn("block", a.Block != b.Block)
	}
	warn("precision", a.Precision != b.Precision)
	layer := func(o origin.Origin) int {
		if l := o.PairsLayer(); l != nil {
			return *l
		}
		return -1
	}
	warn("layer of neurons", layer(a) != layer(b) && layer(a) >= 0 && layer(b) >= 0)
	if a, b := a.Transformer, b.Transformer; a != nil && b != nil {
		warn("number of heads in a layer", a.Heads != b.Heads)
		warn("activation", a.Activation != b.Activation)
	}
	WarnWherePreparedUnlike(of, than, here, there, say)
}

// WarnWherePreparedUnlike warns where two collections are of images that were prepared in another
// way, which models of two architectures may want.
func WarnWherePreparedUnlike(of, than *cache.Artefact, here, there string, say ui.Reporter) {
	warn := warnOf(here, there, say)
	if a, b := of.Manifest.Origin.Images, than.Manifest.Origin.Images; a != nil && b != nil {
		warn("preprocessing", a.Preprocessing != b.Preprocessing)
		warn("order of preprocessing", a.Preprocess != b.Preprocess)
		warn("exif", a.EXIF != b.EXIF)
		warn("mean or deviation of images", a.Mean != b.Mean || a.Std != b.Std)
		warn("resize of images", a.Fit != b.Fit)
	}
}

func warnOf(here, there string, say ui.Reporter) func(name string, differs bool) {
	return func(name string, differs bool) {
		if differs {
			say.Warn("%s was collected with another %s than %s: some of the change may be due to that", here, name, there)
		}
	}
}

// family says what the model of a collection is; empty where that is not known.
func family(o origin.Origin) string {
	switch {
	case o.Transformer != nil:
		return "a vision transformer"
	case o.Block != "": // which a vision transformer has none of
		return "a ResNet"
	}
	return ""
}
