package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/pipeline/source"

	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
)

// sourceOptions say where images and their scores come from: what collect wrote, or a
// model and the images.
type sourceOptions struct {
	given             givenFlags
	scores, shape     string
	model             string
	dataset, dataPath string
	stride, batch     int
	strict            bool
	precision         string
	images            imageprep.Options
}

func (o *sourceOptions) addFlags(fs *pflag.FlagSet, kind string) {
	fs.StringVar(&o.scores, "scores", "", "`PATH` of what collect wrote")
	fs.StringVar(&o.shape, "shape", "", "`B,H,C,O` of a dense file without a manifest, parentheses allowed")
	modelFlag(fs, &o.model)
	fs.StringVar(&o.dataset, "dataset", kind, "layout of --data-path: `KIND` imagenet_val (labelled: one folder per class), imagenet_test, cars, cars_test or images")
	choices(fs, "dataset", dataset.Kinds()...)
	fs.StringVar(&o.dataPath, "data-path", "", "`DIR` of the images")
	fs.IntVar(&o.stride, "sample-stride", 1, "take every `K`-th image in name order")
	fs.IntVar(&o.batch, "batch-size", 8, "run `N` images at a time through the tower; results do not depend on it")
	precisionFlag(fs, &o.precision)
	fs.BoolVar(&o.strict, "strict", false, "stop at an image that cannot be read")
	pictureFlags(fs, &o.images)
}

func (o *sourceOptions) validate() error {
	switch {
	case !slices.Contains(dataset.Kinds(), o.dataset):
		return fmt.Errorf("--dataset %q: want %s", o.dataset, strings.Join(dataset.Kinds(), ", "))
	case o.stride < 1:
		return fmt.Errorf("--sample-stride %d: want 1 or more", o.stride)
	case o.batch < 1 || o.batch > maxBatch:
		return fmt.Errorf("--batch-size %d: want 1 to %d", o.batch, maxBatch)
	case o.images.MaxPixels < 1:
		return fmt.Errorf("--max-pixels %d: want 1 or more", o.images.MaxPixels)
	}
	if err := o.validateGiven(); err != nil {
		return err
	}
	_, err := parseShape(o.shape)
	return errors.Join(err, checkPrecision(o.precision))
}

// maxBatch bounds --batch-size, by which the tower's memory grows: larger ones are no
// faster.
const maxBatch = 1024

// towerFlags are those that only the tower and what it reads of images depend on.
var towerFlags = []string{"precision", "batch-size", "exif", "max-pixels", "strict"}

// validateGiven refuses flags that have no effect on where scores come from.
func (o *sourceOptions) validateGiven() error {
	return o.given.refuseIn(
		rule{o.scores == "", "without --scores", []string{"shape"}},
		rule{o.scores != "", "with --scores", towerFlags},
		rule{saysStride(o.scores), "with --scores, which say what --sample-stride they were collected with", []string{"sample-stride"}},
		rule{o.dataPath == "", "without --data-path", []string{"dataset", "sample-stride"}},
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

// pictures returns the options of the stages; validate has passed.
func (o *sourceOptions) pictures(g *globalOptions) source.Options {
	shape, err := parseShape(o.shape)
	if err != nil {
		panic("options were not validated")
	}
	return source.Options{
		Artefacts:  g.artefacts(),
		ScoresPath: o.scores, Shape: shape, Model: o.model, BatchSize: o.batch, Images: o.images, Strict: o.strict, Precision: precisions[o.precision],
		Data: dataset.Options{Kind: o.dataset, Path: o.dataPath}, Stride: o.stride,
	}
}
