package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/pipeline/report"
	"github.com/clipnh/clipnh/internal/ui"
)

const reportHelp = `
Makes a report: a folder of pages that show every neuron-head pair of a model on
a collection of images. Open its index.html in a browser, from the disk or from
any web server; "clipnh explore" shows the same pages with a live part.

Of what collect --mode heads wrote, the pages show heads in place of pairs: the
texts of each that textspan found, with the share of its outputs' variance that
they explain, the images to which it adds most along each, the norm of what it
adds, and, with the model, where in the images it reads that.

A pair's page has the images on which it is strongest, weakest and in between,
the histogram of its scores, its words, its neighbours by direction and by
scores, and means by label. Images are ranked as retrieve ranks them.

Reads scores or heads that collect wrote (--scores). Everything else is
optional; what is missing is named on standard error and on the first page:

  --codes, --text-descs-list-path
                            words (from sparse), as show takes them
  --pcs-path                components (from svd): signs of pairs, and with
                            --text-descs-embeddings-path words, computed
  --word-scores-path        how well words predict scores (from score)
  --imagenet-zeroshot-path  classes (from embed): with labels, accuracy
  --data-path, --dataset    the images that were collected: thumbnails, labels
  --model                   with the images: maps of activation, of attention,
                            and of what each place adds to a logit
  --groups-csv              groups of images, such as years
  --spans-path              of heads: their texts (from textspan); for images
                            along these, --text-descs-list-path and
                            --text-descs-embeddings-path, as textspan took them
  --parts                   of heads: the MLPs of the same images, for the share
                            of the feature that each head makes up
  --with                    another collection: which pairs, or heads, differ,
                            as compare

Writes below --out. An interrupted report resumes; a folder that is not a report
is not touched. The same inputs give the same bytes. Images that have changed
since they were collected are shown as they are now, marked on the pages and
named with a warning: the numbers are those of the earlier files (--strict stops
instead).`

func newReportCommand(g *globalOptions) *cobra.Command {
	var opts reportOptions
	cmd := &cobra.Command{
		Use:   "report --scores PATH --out DIR",
		Short: "Make a folder of web pages that show every pair, or head",
		Long:  reportHelp,
		Example: "clipnh report --scores caches/photos --pcs-path caches/pc0.npy \\\n" +
			"  --codes caches/codes.npz \\\n" +
			"  --text-descs-list-path 30k.txt --data-path photos --out report",
		Args:        noArgs,
		Annotations: exitStatus(exitSkipped, exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.given = cmd.Flags().Changed
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runReport(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// reportOptions is everything the report command can be told: the stage's options.
type reportOptions struct {
	given givenFlags
	stage report.Options

	precision string
}

func (o *reportOptions) addFlags(fs *pflag.FlagSet) {
	s := &o.stage
	fs.StringVarP(&s.ScoresPath, "scores", "s", "", "`PATH` of scores that collect wrote, or of heads (collect --mode heads)")
	fs.StringVarP(&s.PCsPath, "pcs-path", "p", "", "`FILE` of principal components of pairs, .npy")
	fs.StringArrayVar(&s.DecompositionPaths, "codes", nil, "`FILE` of codes that sparse wrote, .npz; may be given twice")
	takesWords(fs, &s.WordsPath)
	fs.StringVar(&s.EmbeddingsPath, "text-descs-embeddings-path", "", "`FILE` of embeddings of the words, .npy or .pt, to compute words of components")
	fs.StringVar(&s.NeuronPCsPath, "neuron-pcs-path", "", "`FILE` of principal components of neurons, .npy, for words")
	fs.StringVar(&s.WordScoresPath, "word-scores-path", "", "`FILE` of how well words of pairs predict scores, that score wrote, .npy")
	fs.StringVar(&s.SpansPath, "spans-path", "", "`FILE` of texts of heads that textspan wrote, .txt or .json")
	fs.StringSliceVar(&s.Parts, "parts", nil, "`PATH,...` of the MLPs of the images of heads, for shares of the feature")
	fs.StringVar(&s.ClassesPath, "imagenet-zeroshot-path", "", "`FILE` of embeddings of the classes, .npy or .pt")
	fs.StringVarP(&s.Data.Path, "data-path", "d", "", "`PATH` of the images that were collected")
	fs.StringVar(&s.Data.Kind, "dataset", dataset.Images, "layout of --data-path: `KIND` imagenet_val, imagenet_test, cars, cars_test or images")
	choices(fs, "dataset", dataset.Kinds()...)
	labelKeyFlag(fs, &s.Data.LabelKey)
	takesCollectedKind(fs)
	modelFlag(fs, &s.Model)
	detailFlags(fs, &s.Details)
	imageDetailFlags(fs, &s.Details)
	fs.IntVar(&s.BatchSize, "batch-size", 8, batchUsage)
	precisionFlag(fs, &o.precision)
	fs.BoolVar(&s.Strict, "strict", false, "stop at an image that cannot be read, or has changed")
	fs.StringVar(&s.Groups.Path, "groups-csv", "", "`FILE` of groups of images, with one row per image")
	fs.StringVar(&s.Groups.Image, "image-column", "image", "`NAME` of the column of image names in --groups-csv")
	fs.StringVar(&s.Groups.Group, "group-column", "", "`NAME` of the column of groups in --groups-csv, such as year")
	fs.StringVar(&s.With, "with", "", "`PATH` of another report, of scores, or of heads, to compare with")
	fs.StringVar(&s.Title, "title", "", "call the report `TEXT` (default the model and the collection)")
	fs.StringVarP(&s.Dir, "out", "o", "", "`DIR` for the report")
	fs.Uint64Var(&s.Seed, "seed", 0, "draw the projections that find neighbours with this `SEED`")
}

func (o *reportOptions) validate() error {
	s := &o.stage
	if err := require("--scores", s.ScoresPath, "--out", s.Dir); err != nil {
		return err
	}
	read, computed := len(s.DecompositionPaths) > 0, s.EmbeddingsPath != ""
	spanned := s.SpansPath != ""
	const ofHeads = "with --spans-path, whose texts are of heads"
	if err := o.given.refuseIn(rule{spanned, ofHeads, []string{"imagenet-zeroshot-path"}}); err != nil {
		return hint.With(err, `"clipnh explore" takes it, and tells the accuracy without heads`)
	}
	if err := o.given.refuseIn(rule{spanned, ofHeads,
		[]string{"codes", "pcs-path", "neuron-pcs-path", "word-scores-path"}}); err != nil {
		return err
	}
	switch {
	case (read || computed) && s.WordsPath == "":
		return errors.New("--codes and --text-descs-embeddings-path need --text-descs-list-path")
	case !read && !computed && s.WordsPath != "":
		return errors.New("--text-descs-list-path needs --codes, or --text-descs-embeddings-path")
	case !read && computed && !spanned && s.PCsPath == "" && s.NeuronPCsPath == "":
		return errors.New("--text-descs-embeddings-path needs --pcs-path or --neuron-pcs-path, or --codes, or of heads --spans-path")
	case s.WordScoresPath != "" && !read && !computed:
		return errors.New("--word-scores-path needs the words that were measured, --codes")
	case (s.Groups.Path == "") != (s.Groups.Group == ""):
		return errors.New("--groups-csv and --group-column: want both or neither")
	case !slices.Contains(dataset.Kinds(), s.Data.Kind):
		return fmt.Errorf("--dataset %q: want %s", s.Data.Kind, strings.Join(dataset.Kinds(), ", "))
	}
	if s.BatchSize < 1 || s.BatchSize > maxBatch {
		return fmt.Errorf("--batch-size %d: want 1 to %d", s.BatchSize, maxBatch)
	}
	if s.Model != "" && s.Data.Path == "" {
		return errors.New("--model needs --data-path, the images that maps are of")
	}
	if err := cmp.Or(checkDetails(s.Details), checkPrecision(o.precision)); err != nil {
		return err
	}
	return o.given.refuseIn(
		rule{s.Model == "", "without --model", []string{"vit-heads", "activation", "image-mean", "image-std", "image-resize", "batch-size", "precision"}},
		rule{!computed, "without --text-descs-embeddings-path", []string{"neuron-pcs-path"}},
		rule{read, "with --codes", []string{"neuron-pcs-path"}},
		rule{s.Data.Path == "", "without --data-path", []string{"dataset", "strict"}},
		rule{s.Groups.Path == "", "without --groups-csv", []string{"image-column"}})
}

func runReport(ctx context.Context, opts reportOptions, g *globalOptions) error {
	o := opts.stage
	o.Artefacts, o.Store, o.Threads, o.Precision = g.artefacts(), g.files, g.workers(), precisions[opts.precision]
	if o.WordsPath != "" {
		var err error
		if o.Words, err = g.texts.lines("text-descs-list-path", o.WordsPath); err != nil {
			return err
		}
	}
	o.Spell, o.Command = g.printer.Spelled, madeBy
	result, err := report.Run(ctx, o, g.printer)
	if err != nil {
		return err
	}
	g.sayAside("data-path") // whose images the pages then lack
	if g.json {
		err = g.printer.JSON(result)
	} else {
		err = printReport(result, g.printer)
	}
	if n := len(result.Skipped); err == nil && n > 0 {
		err = fmt.Errorf("%w %s", errSkipped, ui.Images.Count(int64(n)))
	}
	return err
}

func printReport(r *report.Result, p *ui.Printer) error {
	open := "\nOpen " + filepath.Join(r.Dir, "index.html") + " in a browser.\n"
	if r.Heads > 0 {
		t := ui.NewTable(ui.Left("report"), ui.Right("images"), ui.Right("heads"), ui.Right("files"), ui.Right("size"))
		t.Row(r.Dir, fmt.Sprint(r.Images), fmt.Sprint(r.Heads), fmt.Sprint(r.Files), ui.FormatBytes(r.Bytes))
		return errors.Join(p.Table(t), p.Text(open))
	}
	t := ui.NewTable(ui.Left("report"), ui.Right("images"), ui.Right("pairs"), ui.Right("neurons"), ui.Right("files"), ui.Right("size"))
	t.Row(r.Dir, fmt.Sprint(r.Images), fmt.Sprint(r.Pairs), fmt.Sprint(r.Neurons), fmt.Sprint(r.Files), ui.FormatBytes(r.Bytes))
	return errors.Join(p.Table(t), p.Text(open))
}
