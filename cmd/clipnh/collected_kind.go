package main

import (
	"slices"

	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
)

// takeCollectedKind gives --dataset, if it is not set, the kind of data set that --scores
// were collected from: images of a collection lie where they lay then. A default that is
// about labels too, or that takes any folder of images, stands.
func takeCollectedKind(flags *pflag.FlagSet) error {
	kind, scores, data := flags.Lookup("dataset"), flags.Lookup("scores"), flags.Lookup("data-path")
	if kind == nil || scores == nil || data == nil || isSet(kind) || kind.DefValue != dataset.ImageNetTest || scores.Value.String() == "" || data.Value.String() == "" || artefact.IsDense(scores.Value.String()) {
		return nil
	}
	a, err := cache.Open(scores.Value.String())
	if err != nil || a.Manifest.Origin.Images == nil { // the command says what is wrong
		return nil
	}
	if name := a.Manifest.Origin.Images.Dataset; slices.Contains(dataset.Kinds(), name) {
		return kind.Value.Set(name)
	}
	return nil
}
