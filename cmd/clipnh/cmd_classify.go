package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/classify"
	"github.com/clipnh/clipnh/internal/ui"
)

const classifyHelp = `
Zero-shot classification: gives each image the class whose text is nearest to
it, with its probability. A class's logit is 100 times the cosine of the image
and the class's text, and probabilities are the softmax over the given classes,
so they say which of these classes fits best, not whether it fits well. Of equal
logits the first class comes first.

Images are files and folders, or a data set (--data-path), which --model
encodes; or those of a collection (--scores), whose scores give the features
exactly, as sums over pairs, without a pass through the image tower, or which
keeps features alone (collect --mode features). Classes are names separated by
commas, a file of one name per line, or IN or PC for those of ImageNet or PASCAL
Context (--classes); their embeddings are computed (--model, --vocab) or read
(--imagenet-zeroshot-path).

If true labels are known, accuracy is measured, over all images and for each
class: labels are the classes of a labelled data set (--dataset imagenet_val: a
folder for each class), or those of a table (--labels-csv). Labels are
matched to the classes by name, and rows to the images: folders that a row names
must be those of the image.

The table has a row for each image, with --top a row for each label. --csv
prints image, rank, label, probability, logit and true label, in full precision;
--json has everything. Memory grows only with the names of the images.`

func newClassifyCommand(g *globalOptions) *cobra.Command {
	var opts classifyOptions
	cmd := &cobra.Command{
		Use:   "classify IMAGE... --model FILE --vocab FILE --classes NAMES",
		Short: "Label images by the nearest class texts (zero-shot)",
		Long:  classifyHelp,
		Example: "clipnh classify photos --model RN50x16.pt \\\n" +
			"  --vocab bpe_simple_vocab_16e6.txt.gz --classes \"dog,cat,boat\" --csv\n" +
			"clipnh classify --scores caches/photos --classes @names.txt \\\n" +
			"  --imagenet-zeroshot-path caches/names.npy --labels-csv labels.csv --top 3",
		Args:        cobra.ArbitraryArgs,
		Annotations: exitStatus(exitSkipped, exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.from.Paths, opts.given, opts.set = args, cmd.Flags().Changed, setFlags(cmd.Flags())
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runClassify(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// classifyOptions is everything the classify command can be told: the stage's options,
// which most flags set, and texts from which others are made.
type classifyOptions struct {
	sourceOptions
	stage classify.Options

	classes, templates textList
	useTemplates, csv  bool
}

func (o *classifyOptions) addFlags(fs *pflag.FlagSet) {
	o.sourceOptions.addFlags(fs, dataset.Images)
	vocabFlag(fs, &o.stage.Vocab)
	defaultExcludes(fs, "vocab", "imagenet-zeroshot-path")
	classesFlag(fs, &o.classes)
	templatesFlag(fs, &o.templates, "class")
	fs.BoolVar(&o.useTemplates, "use-templates", true, "put classes into templates; =false encodes them as they are")
	fs.StringVar(&o.stage.TextsPath, "imagenet-zeroshot-path", "", "`FILE` of embeddings of the classes, instead of --vocab, .npy or .pt")
	fs.StringVar(&o.stage.TablePath, "labels-csv", "", "`FILE` with columns image and label: true labels, for the accuracy")
	fs.IntVar(&o.stage.Top, "top", 1, "print the `N` most probable labels of each image")
	fs.BoolVar(&o.csv, "csv", false, "print comma-separated values in place of the table")
}

func (o *classifyOptions) validate() error {
	if err := o.validateImages(); err != nil {
		return err
	}
	if err := require("--classes", o.classes.String()); err != nil {
		return err
	}
	if o.stage.TextsPath == "" {
		if err := require("--model", o.from.Model, "--vocab", o.stage.Vocab); err != nil {
			return fmt.Errorf("to embed the classes: %w", err)
		}
	}
	if err := cmp.Or(o.classes.check(), o.templates.check()); err != nil {
		return err
	}
	switch {
	case !o.useTemplates && o.templates.given():
		return errors.New("--templates and --use-templates=false: want one of them")
	case o.stage.Top < 1:
		return fmt.Errorf("--top %d: want 1 or more", o.stage.Top)
	}
	err := o.given.refuseIn(
		rule{o.stage.TextsPath != "", "with --imagenet-zeroshot-path", []string{"vocab", "templates", "use-templates"}},
		rule{o.stage.TextsPath != "" && o.from.ScoresPath != "", "with --scores and --imagenet-zeroshot-path", []string{"model"}},
		rule{saysStride(o.from.ScoresPath) && slices.Contains([]string{dataset.Images, dataset.ImageNetTest}, o.from.Data.Kind), "with --scores, unless --dataset is one with labels, such as imagenet_val", []string{"data-path"}})
	if err != nil {
		return err
	}
	return o.sourceOptions.validate()
}

// validateImages checks where images come from: arguments or a data set, seen by a model, or
// a collection.
func (o *sourceOptions) validateImages() error {
	paths, data, scores := len(o.from.Paths) > 0, o.from.Data.Path != "", o.from.ScoresPath != ""
	switch {
	case slices.Contains(o.from.Paths, ""):
		return errors.New("an image's path is empty")
	case paths && scores:
		return fmt.Errorf("images as arguments, %q, and --scores: want one of them", o.from.Paths[0])
	case paths && data:
		return fmt.Errorf("images as arguments, %q, and --data-path: want one of them", o.from.Paths[0])
	case !paths && !data && !scores:
		return errors.New("no image given: want files or folders, --data-path, or --scores")
	case !scores:
		return require("--model", o.from.Model)
	}
	return nil
}

func runClassify(ctx context.Context, opts classifyOptions, g *globalOptions) error {
	o := opts.stage
	o.Options, o.Threads = opts.images(g), g.workers()
	var err error
	if o.Classes, err = parseNames(&opts.classes, g); err != nil {
		return err
	}
	if o.TextsPath == "" {
		prompts := embedOptions{templates: opts.templates, useTemplates: opts.useTemplates}
		if o.Templates, err = prompts.prompts(g); err != nil {
			return err
		}
	}
	if opts.csv && g.json {
		return usageError{errors.New("--csv and --json: want one of them")}
	}
	g.sayFewer(opts.set, listing{"top", o.Top, len(o.Classes), ui.Classes, ""})
	out := &labelPrinter{p: g.printer, json: g.json, csv: opts.csv}
	result, err := classify.Run(ctx, o, classify.Sink{Begin: out.begin, Image: out.image}, g.printer)
	if result != nil {
		err = errors.Join(err, out.end(result, err))
	}
	if err != nil {
		return err
	}
	if n := len(result.Skipped); n > 0 {
		return fmt.Errorf("%w %s", errSkipped, ui.Images.Count(int64(n)))
	}
	return nil
}
