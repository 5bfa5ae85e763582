package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/source"
)

// sourceOptions say where images and their scores come from: what collect wrote, or a
// model and the images.
type sourceOptions struct {
	given, set       givenFlags // on the command line; by someone
	from             source.Options
	shape, precision string // as they were given
	draws            bool   // images of scores, which are then read
}

func (o *sourceOptions) addFlags(fs *pflag.FlagSet, kind string) {
	fs.StringVarP(&o.from.ScoresPath, "scores", "s", "", "`PATH` of what collect wrote")
	fs.StringVar(&o.shape, "shape", "", "`B,H,C,O` of a dense file without a manifest, parentheses allowed")
	modelFlag(fs, &o.from.Model)
	detailFlags(fs, &o.from.Details)
	imageDetailFlags(fs, &o.from.Details)
	fs.StringVar(&o.from.Data.Kind, "dataset", kind, "layout of --data-path: `KIND` imagenet_val (labelled: one folder per class), imagenet_test, cars, cars_test or images")
	choices(fs, "dataset", dataset.Kinds()...)
	labelKeyFlag(fs, &o.from.Data.LabelKey)
	fs.StringVarP(&o.from.Data.Path, "data-path", "d", "", "`PATH` of the images: a folder, an archive or a list")
	fs.IntVar(&o.from.Stride, "sample-stride", 1, "take every `K`-th image of --data-path in name order")
	fs.IntVar(&o.from.BatchSize, "batch-size", 8, batchUsage)
	precisionFlag(fs, &o.precision)
	fs.BoolVar(&o.from.Strict, "strict", false, "stop at an image that cannot be read")
	imageFlags(fs, &o.from.Images)
}

func (o *sourceOptions) validate() error {
	if err := o.validateValues(); err != nil {
		return err
	}
	if o.from.ScoresPath != "" && o.from.Images.Order != imageprep.ConvertFirst {
		return fmt.Errorf("--preprocess %s needs --model in place of --scores, whose images have been prepared", o.from.Images.Order)
	}
	if err := o.validateGiven(); err != nil {
		return err
	}
	return checkPrecision(o.precision)
}

func (o *sourceOptions) validateValues() error {
	switch {
	case !slices.Contains(dataset.Kinds(), o.from.Data.Kind):
		return fmt.Errorf("--dataset %q: want %s", o.from.Data.Kind, strings.Join(dataset.Kinds(), ", "))
	case o.from.Stride < 1:
		return fmt.Errorf("--sample-stride %d: want 1 or more", o.from.Stride)
	case o.from.BatchSize < 1 || o.from.BatchSize > maxBatch:
		return fmt.Errorf("--batch-size %d: want 1 to %d", o.from.BatchSize, maxBatch)
	case o.from.Images.MaxPixels < 1:
		return fmt.Errorf("--max-pixels %d: want 1 or more", o.from.Images.MaxPixels)
	}
	if err := checkDetails(o.from.Details); err != nil {
		return err
	}
	_, err := parseShape(o.shape)
	return err
}

// batchUsage is of commands whose towers are planned for several images whatever N is, so that
// all bits are the same; collect and registers plan for one where N is 1.
const batchUsage = "run `N` images at a time through the tower; results do not depend on it, but for the error of bf16, which is that of the first batch"

// towerFlags are those that only the tower and what it reads of images depend on.
var towerFlags = []string{"neuron-layer", "precision", "batch-size", "exif", "preprocess", "max-pixels", "strict"}

// validateGiven refuses flags that have no effect on where scores come from.
func (o *sourceOptions) validateGiven() error {
	return o.given.refuseIn(
		rule{o.from.ScoresPath == "", "without --scores", []string{"shape"}},
		rule{o.from.ScoresPath != "", "with --scores", slices.DeleteFunc(slices.Clone(towerFlags), func(flag string) bool {
			return flag == "strict" && (o.draws || o.from.Data.Path != "")
		})},
		rule{saysStride(o.from.ScoresPath), "with --scores, which say what --sample-stride they were collected with", []string{"sample-stride"}},
		rule{o.from.Data.Path == "", "without --data-path", []string{"dataset", "label-key", "sample-stride"}},
	)
}

// saysStride reports whether what collect wrote says which images it was made from: it
// does unless it is a dense file without a manifest.
func saysStride(scores string) bool {
	if scores == "" {
		return false
	}
	if !artefact.IsDense(scores) {
		return true
	}
	_, err := cache.Open(scores)
	return err == nil
}

// images returns the options of the stages; validate has passed.
func (o *sourceOptions) images(g *globalOptions) source.Options {
	shape, err := parseShape(o.shape)
	if err != nil {
		panic("options were not validated")
	}
	from := o.from
	from.Artefacts, from.Shape, from.Precision, from.Asked = g.artefacts(), shape, precisions[o.precision], o.given.images()
	return from
}
