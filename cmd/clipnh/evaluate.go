package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
	"github.com/clipnh/clipnh/internal/ui"
)

// evaluateHelp is the part about images in the help of the commands that evaluate.
const evaluateHelp = `
Images come from a folder of scores that collect wrote (--scores; also dense
.dat or .npy contributions, of clipnh or of the reference, the latter with
--shape), with their labels from --data-path; or from a checkpoint (--model) and
the images themselves (--data-path). Each image gets the class of the nearest
class embedding, --imagenet-zeroshot-path (.npy or .pt); of equally near ones,
the first. The unchanged model is evaluated on the same images. Without labels,
only features are written.

There must be an embedding for each class, in the order of the labels: row 0 is
taken for label 0. Where the embeddings have their texts and the classes have
names, those of folders or of classes.txt, the two are compared. The name of a
class as the text of another row, or within it where no text is a name, is
refused, and so is a list of which less than 90 % are the names. If none is the
name of a folder, rows are paired by place: with a warning, unless the folders
have ids such as n01440764 or each text contains the name of its class.`

// evaluateOptions is what commands that evaluate a changed model can be told.
type evaluateOptions struct {
	sourceOptions
	classes, features string
	restart           bool // discard features that were made from something else
}

func (o *evaluateOptions) addFlags(fs *pflag.FlagSet) {
	o.sourceOptions.addFlags(fs, dataset.ImageNetVal)
	neuronLayerFlag(fs, &o.from.NeuronLayer, layerOfInputs)
	fs.StringVar(&o.classes, "imagenet-zeroshot-path", "", "`FILE` of class embeddings in the order of the labels, .npy or .pt")
	fs.StringVar(&o.features, "features-save-path", "", "`FILE` for the changed features, .npy, [B,O], or [V,B,O] of several variants")
	fs.BoolVar(&o.restart, "restart", false, "discard what is at --features-save-path, even if it was made from something else")
}

func (o *evaluateOptions) validate() error {
	switch {
	case (o.from.ScoresPath == "") == (o.from.Model == ""):
		return errors.New("want one of --scores and --model")
	case o.from.Model != "" && o.from.Data.Path == "":
		return require("--data-path", "")
	case o.features != "" && !strings.HasSuffix(o.features, ".npy"):
		return fmt.Errorf("%s: want a .npy file", o.features)
	case o.classes != "" && o.from.Data.Path == "":
		return errors.New("--imagenet-zeroshot-path needs --data-path, which has the labels")
	case o.features == "" && (o.classes == "" || o.from.Data.Path == ""):
		return errors.New("nothing to do: want --imagenet-zeroshot-path and --data-path for accuracies, or --features-save-path")
	}
	if o.features == "" {
		if err := o.given.refuse("without --features-save-path", "restart"); err != nil {
			return err
		}
	}
	if o.from.ScoresPath != "" && o.classes == "" {
		if err := o.given.refuse("with --scores and without --imagenet-zeroshot-path", "data-path", "dataset"); err != nil {
			return err
		}
	}
	return o.sourceOptions.validate()
}

// printEvaluation prints the accuracies of the unchanged model and of its variants or,
// without labels, the features that were written.
func printEvaluation(p *ui.Printer, e *evaluate.Evaluation) error {
	columns := []ui.Column{ui.Left("variant")}
	keeping := slices.ContainsFunc(e.Variants, func(v evaluate.VariantScore) bool { return v.Units > 0 })
	if keeping {
		columns = append(columns, ui.Right("percentile"), ui.Right("kept"), ui.Right("kept %"))
	}
	describe := func(v evaluate.VariantScore) []string {
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
	for _, v := range append([]evaluate.VariantScore{e.Baseline}, e.Variants...) {
		t.Row(append(describe(v), fmt.Sprintf("%.2f", 100*v.Top1), fmt.Sprintf("%.2f", 100*v.Top5), fmt.Sprint(v.Correct), fmt.Sprint(e.Images))...)
	}
	return p.Table(t)
}

// printParts prints accuracies on parts of the images, one column per variant.
func printParts(p *ui.Printer, part string, e *evaluate.Evaluation, parts []evaluate.PartScore) error {
	columns := []ui.Column{ui.Left(part), ui.Right("images"), ui.Right("untouched %")}
	for _, v := range e.Variants {
		title := v.Variant
		if v.Percentile != nil {
			title += fmt.Sprintf(" from %g", *v.Percentile)
		}
		columns = append(columns, ui.Right(title+" %"))
	}
	t := ui.NewTable(columns...)
	for _, s := range parts {
		row := []string{s.Name, fmt.Sprint(s.Images), fmt.Sprintf("%.2f", 100*s.Baseline)}
		for _, share := range s.Variants {
			row = append(row, fmt.Sprintf("%.2f", 100*share))
		}
		t.Row(row...)
	}
	return errors.Join(p.Text("\n"), p.Table(t))
}

// skippedImages returns the error of an evaluation without some of its images.
func skippedImages(e *evaluate.Evaluation) error {
	if n := len(e.Skipped); n > 0 {
		return fmt.Errorf("%w %s of %d", errSkipped, ui.Images.Count(int64(n)), n+e.Images)
	}
	return nil
}
