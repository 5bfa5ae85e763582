package main

import (
	"slices"

	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
)

// collectedKind is the annotation of a --dataset whose default is the kind of data set that
// --scores were collected from.
const collectedKind = "clipnh-collected-kind"

// takesCollectedKind has --dataset take its default from --scores, and its help say so.
func takesCollectedKind(fs *pflag.FlagSet) {
	annotate(fs, "dataset", collectedKind, "scores")
	fs.Lookup("dataset").Usage += "; unless given, with --scores the one that they were collected from"
}

// labelKeyFlag adds the name of labels.
func labelKeyFlag(fs *pflag.FlagSet, key *string) {
	fs.StringVar(key, "label-key", "", "`NAME` of the labels of imagenet_val: the key in the .json beside each image of an archive, or the column of Parquet files or of a .csv list (default label, labels, class or cls)")
	if fs.Lookup("scores") != nil {
		fs.Lookup("label-key").Usage += "; unless given, with --scores the one that they were collected with"
	}
}

// takeCollected gives --dataset and --label-key, if they are not set, what --scores were collected
// with.
func takeCollected(flags *pflag.FlagSet) error {
	if err := takeCollectedKind(flags); err != nil {
		return err
	}
	key, kind, scores, data := flags.Lookup("label-key"), flags.Lookup("dataset"), flags.Lookup("scores"), flags.Lookup("data-path")
	if key == nil || isSet(key) || scores == nil || scores.Value.String() == "" || data.Value.String() == "" || artefact.IsDense(scores.Value.String()) {
		return nil
	}
	a, err := cache.Open(scores.Value.String())
	if err != nil || a.Manifest.Origin.Images == nil { // the command says what is wrong
		return nil
	}
	from, o := a.Manifest.Origin.Images, dataset.Options{Kind: kind.Value.String(), Path: data.Value.String()}
	return key.Value.Set(o.WithKeyOf(from.Dataset, from.LabelKey).LabelKey)
}

// takeCollectedKind gives --dataset, if it is not set, the kind of data set that --scores
// were collected from: images of a collection lie where they lay then. Commands that read
// labels from the data set keep their default.
func takeCollectedKind(flags *pflag.FlagSet) error {
	kind, scores, data := flags.Lookup("dataset"), flags.Lookup("scores"), flags.Lookup("data-path")
	if kind == nil || scores == nil || data == nil || isSet(kind) || kind.Annotations[collectedKind] == nil || scores.Value.String() == "" || data.Value.String() == "" || artefact.IsDense(scores.Value.String()) {
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
