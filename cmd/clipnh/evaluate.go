package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline"
	"github.com/clipnh/clipnh/internal/ui"
)

// evaluateHelp is what the help of every command that evaluates says about its
// pictures.
const evaluateHelp = `
Pictures come from a folder of scores that collect wrote (--scores; or dense .dat or
.npy contributions, clipnh's or the reference's, the latter with --shape), in which
case --data-path gives their labels; or from a model (--model) and the pictures
themselves (--data-path). Each is classified by the nearest of the class embeddings,
--imagenet-zeroshot-path (.npy or .pt). The untouched model is always evaluated
beside, on the same pictures. Without labels there are features only.`

// evaluateOptions is what commands are told that evaluate a changed model.
type evaluateOptions struct {
	scores, shape     string
	model             string
	dataset, dataPath string
	stride, batch     int
	strict            bool
	precision         string
	images            imageprep.Options
	classes, features string
}

func (o *evaluateOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.scores, "scores", "", "`PATH` of what collect wrote")
	fs.StringVar(&o.shape, "shape", "", "`B,H,C,O` of a dense file without manifest, parentheses allowed")
	modelFlag(fs, &o.model)
	fs.StringVar(&o.dataset, "dataset", dataset.ImageNetVal, "layout of --data-path: `KIND` imagenet_val (labelled: a folder for each class),\nimagenet_test or images")
	choices(fs, "dataset", dataset.Kinds()...)
	fs.StringVar(&o.dataPath, "data-path", "", "`DIR` of the pictures")
	fs.StringVar(&o.classes, "imagenet-zeroshot-path", "", "`FILE` of class embeddings in the order of the labels, .npy or .pt")
	fs.StringVar(&o.features, "features-save-path", "", "`FILE` for the changed features, .npy, [B,O] (of several variants [V,B,O])")
	fs.IntVar(&o.stride, "sample-stride", 1, "take every `K`-th picture in name order")
	fs.IntVar(&o.batch, "batch-size", 8, "send `N` pictures at a time through the tower; results do not depend on it")
	precisionFlag(fs, &o.precision)
	fs.BoolVar(&o.strict, "strict", false, "stop at a picture that cannot be read")
	pictureFlags(fs, &o.images)
}

func (o *evaluateOptions) validate() error {
	switch {
	case (o.scores == "") == (o.model == ""):
		return errors.New("want one of --scores and --model")
	case o.model != "" && o.dataPath == "":
		return require("--data-path", "")
	case o.stride < 1:
		return fmt.Errorf("--sample-stride %d: want 1 or more", o.stride)
	case o.batch < 1:
		return fmt.Errorf("--batch-size %d: want 1 or more", o.batch)
	case o.images.MaxPixels < 1:
		return fmt.Errorf("--max-pixels %d: want 1 or more", o.images.MaxPixels)
	case o.features != "" && !strings.HasSuffix(o.features, ".npy"):
		return fmt.Errorf("%s: want a .npy file", o.features)
	case o.features == "" && (o.classes == "" || o.dataPath == ""):
		return errors.New("nothing to do: want --imagenet-zeroshot-path and --data-path for accuracies, or --features-save-path")
	}
	_, err := parseShape(o.shape)
	return errors.Join(err, checkPrecision(o.precision))
}

// pictures are the options as the stages take them; validate has passed.
func (o *evaluateOptions) pictures() pipeline.PictureOptions {
	shape, err := parseShape(o.shape)
	if err != nil {
		panic("evaluate: options were not validated")
	}
	return pipeline.PictureOptions{
		ScoresPath: o.scores, Shape: shape, Model: o.model, BatchSize: o.batch, Images: o.images, Strict: o.strict, Precision: precisions[o.precision],
		Data: dataset.Options{Kind: o.dataset, Path: o.dataPath}, Stride: o.stride,
	}
}

// printEvaluation prints the untouched model and what was done to it, or where
// there are no accuracies what was written.
func printEvaluation(p *ui.Printer, e *pipeline.Evaluation) error {
	columns := []ui.Column{ui.Left("variant")}
	keeping := slices.ContainsFunc(e.Variants, func(v pipeline.Evaluated) bool { return v.Units > 0 })
	if keeping {
		columns = append(columns, ui.Right("percentile"), ui.Right("kept"), ui.Right("kept %"))
	}
	describe := func(v pipeline.Evaluated) []string {
		cells := []string{v.Variant}
		if !keeping {
			return cells
		}
		percentile, kept, share := "", "", ""
		if v.Percentile != nil {
			percentile = fmt.Sprint(*v.Percentile)
		}
		if v.Units > 0 {
			kept, share = fmt.Sprintf("%d of %d", v.Kept, v.Units), fmt.Sprintf("%.2f", 100*v.KeptShare)
		}
		return append(cells, percentile, kept, share)
	}
	if !e.Labelled {
		t := ui.NewTable(append(columns, ui.Right("images"), ui.Left("features"))...)
		for _, v := range e.Variants {
			t.Row(append(describe(v), fmt.Sprint(e.Images), e.FeaturesPath)...)
		}
		return p.Table(t)
	}
	t := ui.NewTable(append(columns, ui.Right("top-1 %"), ui.Right("top-5 %"), ui.Right("correct"), ui.Right("images"))...)
	for _, v := range append([]pipeline.Evaluated{e.Baseline}, e.Variants...) {
		t.Row(append(describe(v), fmt.Sprintf("%.2f", 100*v.Top1), fmt.Sprintf("%.2f", 100*v.Top5), fmt.Sprint(v.Correct), fmt.Sprint(e.Images))...)
	}
	return p.Table(t)
}

// skippedPictures is the error of an evaluation that lacks some pictures.
func skippedPictures(e *pipeline.Evaluation) error {
	if n := len(e.Skipped); n > 0 {
		return fmt.Errorf("%w %s of %d", errSkipped, ui.Images.Count(int64(n)), n+e.Images)
	}
	return nil
}
