package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/shift"
	"github.com/clipnh/clipnh/internal/plot"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

const shiftHelp = `
Follows concepts through a collection of images: how much yellow is there in the
cars of each year? For a text, the --k pairs are taken whose principal component
is closest to its embedding. Their ratio in an image is the length of the sum of
their contributions divided by that of all contributions, the image feature. The
mean ratio of each group (such as a year) is printed next to the true share of
the label; over images, ratio and label are correlated (point-biserial r, with
the two-sided p of Student's t). To compare two collections, use watch.

Concepts are --concepts yellow,convertible, or --concepts @FILE, a list. They
are embedded with --model, --vocab and --templates; or their embeddings, written
by embed, are rows of --text-embeddings-path (of the texts in --lines if given,
otherwise of the concepts in their order). Texts are not centred.

Images come from what collect wrote (--scores), or from --model and --data-path.
Labels:
  --dataset cars  Stanford Cars, below --data-path: the classes of the devkit,
                  whose last word is the year; --colours-csv, the refined table,
                  gives colours. The label of a concept is its colour (number 9
                  is yellow; --colour-names names others), or else the classes
                  whose name contains its words
  --labels-csv    any table: image, a --group-column, and for each concept a
                  column of 0 and 1, named like it or mapped as in
                  --label-column yellow=is_yellow
Rows are matched to images by name; folders that a row names must be those of
the image. A concept without a label only gets means.

--watch REF compares --scores with a reference collection of the same model, as
"clipnh watch --reference REF" does, whose help explains it.

Writes, if given: --save-path, JSON, by concept in the reference's layout
(correlation, p_value, heads, neurons, per_year, and ratio and label by image),
or the result of --watch; --plot, two curves per concept over the groups, or the
figure of watch.

With --shard 3/16 only the third of sixteen parts of the images of --model is
measured, to FILE.3-of-16.json, so that several machines can share the work. Of
images in at least as many archives as there are parts, each part is whole
archives. clipnh merge joins the parts into the file of a single run (its --plot
draws the figure). A part that was interrupted or killed resumes when the same
command is run again. With --scores no shards are needed: no image goes through
a model.
Images that changed since they were collected, or since a part was measured, are
named where --data-path has them (--strict stops instead); for that, all their
files are read.`

func newShiftCommand(g *globalOptions) *cobra.Command {
	var opts shiftOptions
	cmd := &cobra.Command{
		Use:   "shift --concepts TEXT,... --pcs-path FILE --scores PATH",
		Short: "Follow concepts over years or other groups of images",
		Long:  shiftHelp,
		Example: "clipnh shift --concepts yellow,convertible --pcs-path caches/pc0.npy \\\n" +
			"  --model RN50x16.pt --vocab bpe_simple_vocab_16e6.txt.gz \\\n" +
			"  --dataset cars --data-path cars \\\n" +
			"  --colours-csv cars_refined/refined_train.csv --plot shift.png\n" +
			"clipnh shift --watch caches/june --scores caches/july \\\n" +
			"  --concepts @words.txt --text-embeddings-path caches/words.npy \\\n" +
			"  --pcs-path caches/pc0.npy --fail-above 0.5",
		Args:        noArgs,
		Annotations: reporting(exitStatus(exitSkipped, exitShift, exitMissing, exitStale, exitInterrupted)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opts.cars.CSV != "" && !cmd.Flags().Changed("dataset") {
				opts.from.Data.Kind = dataset.Cars // no other data set has such a table
			}
			opts.given, opts.set = cmd.Flags().Changed, setFlags(cmd.Flags())
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			if g.checking {
				return nil
			}
			if opts.watch.Reference != "" {
				return runWatch(cmd.Context(), opts, g)
			}
			return g.ofShard(opts.shard, opts.stage.SavePath, func() error { return runShift(cmd.Context(), opts, g) })
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// shiftOptions is everything the shift command can be told: options of the stages, which
// most flags set, and texts from which others are made.
type shiftOptions struct {
	sourceOptions // its data set also says where labels come from
	stage         shift.Options
	shard         string

	concepts     shift.ConceptOptions
	followed     textList // of --concepts
	texts        textList // of --text
	conceptsPath string
	templates    textList
	useTemplates bool

	table        dataset.TableOptions
	cars         dataset.CarOptions
	labelColumns []string

	watch   shift.WatchOptions
	control string // of false discoveries
}

func (o *shiftOptions) addFlags(fs *pflag.FlagSet) {
	o.addConceptFlags(fs)
	fs.StringVar(&o.cars.CSV, "colours-csv", "", "`FILE` of the refined labels of Stanford Cars, with columns image and Class")
	fs.StringSliceVar(&o.cars.Colours, "colour-names", nil, "`NAME,...` of the colours 0, 1, ... in the table (default yellow for 9)")
	fs.StringVar(&o.table.Path, "labels-csv", "", "`FILE` of labels, with one row per image")
	fs.StringVar(&o.table.Image, "image-column", "image", "`NAME` of the column of image names in --labels-csv")
	fs.StringVar(&o.table.Group, "group-column", "", "`NAME` of the column to group by, such as year")
	fs.StringSliceVar(&o.labelColumns, "label-column", nil, "`CONCEPT=NAME,...` of label columns, or NAME for a single concept; for cars, NAME is a colour or words of a class")
	fs.StringVarP(&o.stage.SavePath, "save-path", "o", "", "`FILE` for the result, .json; that of an earlier run is replaced")
	fs.StringVar(&o.shard, "shard", "", "measure only part `N/OF` of the images of --model, to PATH.N-of-OF.json, for merge; of whole archives, if there are OF or more")
	fs.BoolVar(&o.stage.Restart, "restart", false, "with --shard, discard what is at its path and start over")
	fs.StringVar(&o.stage.PlotPath, "plot", "", "`FILE` for the figure, .png or .svg")
	fs.StringVar(&o.watch.Reference, "watch", "", "reference collection `REF` to compare --scores with")
	o.addWatchFlags(fs, "with --watch, ")
	o.sourceOptions.addFlags(fs, dataset.Images)
	neuronLayerFlag(fs, &o.from.NeuronLayer, layerOfInputs)
}

func (o *shiftOptions) validate() error {
	if o.watch.Reference != "" && !o.hasConcepts() {
		return o.validatePairs()
	}
	if err := require("--pcs-path", o.concepts.PCsPath); err != nil {
		return err
	}
	if !o.hasConcepts() && o.from.Data.Kind != dataset.Cars {
		return errors.New("nothing to follow: want --concepts")
	}
	if err := cmp.Or(o.followed.check(), o.texts.check(), o.templates.check(), checkDetails(o.from.Details)); err != nil {
		return err
	}
	switch {
	case o.concepts.K < 1:
		return fmt.Errorf("--k %d: want 1 or more", o.concepts.K)
	case o.concepts.EmbeddingsPath == "" && (o.from.Model == "" || o.concepts.Vocab == ""):
		return errors.New("concepts have no embeddings: want --model and --vocab, or --text-embeddings-path")
	case o.concepts.EmbeddingsPath == "" && o.concepts.TextsPath != "":
		return errors.New("--lines needs --text-embeddings-path, whose texts it lists")
	case !o.useTemplates && o.templates.given():
		return errors.New("--templates and --use-templates=false: want one of them")
	}
	if err := o.validatePart(); err != nil {
		return err
	}
	if err := o.validateGiven(); err != nil {
		return err
	}
	if o.watch.Reference != "" {
		return o.validateWatch()
	}
	if !math.IsInf(o.watch.FailAbove, 1) {
		return errors.New("--fail-above needs --watch")
	}
	return o.validateShift()
}

// hasConcepts reports whether there are texts to follow.
func (o *shiftOptions) hasConcepts() bool {
	return o.followed.given() || o.texts.given() || o.conceptsPath != ""
}

// validateGiven refuses flags that have no effect; sourceOptions refuses more.
func (o *shiftOptions) validateGiven() error {
	watch := o.watch.Reference != ""
	return o.given.refuseIn(
		rule{o.concepts.EmbeddingsPath != "", "with --text-embeddings-path", []string{"vocab", "templates", "use-templates"}},
		rule{o.concepts.EmbeddingsPath != "" && o.from.ScoresPath != "", "with --scores and --text-embeddings-path", []string{"model", "vit-heads", "activation", "image-mean", "image-std", "image-resize"}},
		rule{!watch, "without --watch", []string{"list", "bootstrap", "seed", "fdr", "test", "control", "junit", "openmetrics"}},
		rule{watch && o.watch.Bootstrap == 0, "with --bootstrap 0", []string{"seed"}},
		rule{watch, "with --watch", append([]string{"dataset", "data-path", "shape", "sample-stride", "image-column", "colour-names"}, towerFlags...)},
		rule{o.table.Path == "", "without --labels-csv", []string{"image-column"}},
		rule{o.from.ScoresPath != "" && !artefact.IsDense(o.from.ScoresPath) && o.from.Data.Kind != dataset.Cars,
			"with --scores and without --dataset cars", []string{"data-path", "dataset"}},
	)
}

func (o *shiftOptions) validatePart() error {
	switch {
	case o.shard == "" && o.stage.Restart:
		return errors.New("--restart needs --shard")
	case o.shard == "":
		return nil
	case o.watch.Reference != "" || o.from.ScoresPath != "":
		return errors.New("--shard needs --model, without --watch and --scores: merge what collect --shard wrote, and give that to --scores")
	case o.stage.PlotPath != "":
		return errors.New("--plot and --shard: want --plot with clipnh merge, which has all images")
	}
	_, err := parsePart(o.shard, o.stage.SavePath)
	return err
}

// plotFormatErr returns an error unless path names a figure.
func plotFormatErr(path string) error {
	if _, err := plot.FormatOf(path); err != nil {
		return fmt.Errorf("--plot %w", err)
	}
	return nil
}

func (o *shiftOptions) validateShift() error {
	cars := o.from.Data.Kind == dataset.Cars
	switch {
	case o.from.ScoresPath == "" && o.from.Model == "":
		return errors.New("no images: want --scores, or --model and --data-path")
	case (o.from.ScoresPath == "" || cars) && o.from.Data.Path == "":
		return require("--data-path", "")
	case o.cars.CSV != "" && !cars:
		return errors.New("--colours-csv needs --dataset cars")
	case cars && o.table.Path != "":
		return errors.New("--labels-csv and --dataset cars: want labels from one of them (--dataset images reads the images of cars too)")
	case len(o.cars.Colours) > 0 && o.cars.CSV == "":
		return errors.New("--colour-names needs --colours-csv")
	case o.table.Path == "" && o.table.Group != "":
		return errors.New("--group-column needs --labels-csv")
	case o.table.Path == "" && !cars && len(o.labelColumns) > 0:
		return errors.New("--label-column needs --labels-csv, or --dataset cars")
	case o.stage.PlotPath != "" && o.table.Group == "" && !cars:
		return errors.New("--plot draws means by group: it needs --labels-csv and --group-column, or --dataset cars")
	}
	if err := plotFormatErr(o.stage.PlotPath); o.stage.PlotPath != "" && err != nil {
		return err
	}
	o.draws = o.from.Data.Path != "" // which compares the images of scores with their files
	return o.sourceOptions.validate()
}

// conceptOptions returns the concepts and how to embed them.
func (o *shiftOptions) conceptOptions(g *globalOptions) (shift.ConceptOptions, error) {
	c := o.concepts
	c.Artefacts, c.Model, c.Details = g.artefacts(), o.from.Model, o.from.Details
	for _, given := range []*textList{&o.followed, &o.texts} {
		concepts, err := given.read(&g.texts)
		if err != nil {
			return c, err
		}
		c.Concepts = append(c.Concepts, concepts...)
	}
	var err error
	if o.conceptsPath != "" {
		lines, err := g.texts.lines("concepts-path", o.conceptsPath)
		if err != nil {
			return c, err
		}
		c.Concepts = append(c.Concepts, lines...)
	}
	if len(c.Concepts) == 0 && o.watch.Reference != "" {
		return c, nil // pairs are compared
	}
	if len(c.Concepts) == 0 {
		c.Concepts = []string{"yellow", "convertible"} // as in the reference, for cars
	}
	seen := make(map[string]bool, len(c.Concepts))
	for _, text := range c.Concepts {
		if seen[text] {
			return c, usageError{fmt.Errorf("concept %q: given twice", text)}
		}
		seen[text] = true
	}
	switch {
	case o.concepts.TextsPath != "":
		c.Texts, err = g.texts.lines("lines", o.concepts.TextsPath)
	case o.concepts.EmbeddingsPath == "":
		e := embedOptions{useTemplates: o.useTemplates, templates: o.templates}
		c.Templates, err = e.prompts(g)
	}
	return c, err
}

// questions returns the labels that concepts are compared with, and which of them
// --label-column names.
func (o *shiftOptions) questions(concepts []string) (questions []string, asked map[string]bool, err error) {
	questions, asked = slices.Clone(concepts), map[string]bool{}
	for _, column := range o.labelColumns {
		concept, name, mapped := strings.Cut(column, "=")
		if !mapped {
			name = concept
			if len(concepts) == 1 {
				concept = concepts[0]
			}
		}
		at := slices.Index(concepts, concept)
		if at < 0 || name == "" {
			return nil, nil, usageError{fmt.Errorf("--label-column %q: %q is not a concept, want CONCEPT=NAME", column, concept)}
		}
		if asked[questions[at]] {
			return nil, nil, usageError{fmt.Errorf("--label-column: concept %q is given twice", concept)}
		}
		questions[at], asked[name] = name, true
	}
	return questions, asked, nil
}

// reader returns the function that reads the labels, nil if there are none.
func (o *shiftOptions) reader(questions []string, asked map[string]bool) func(context.Context) (*dataset.Labels, error) {
	distinct := slices.Compact(slices.Sorted(slices.Values(questions)))
	optional := make(map[string]bool, len(distinct))
	for _, name := range distinct {
		optional[name] = !asked[name]
	}
	switch {
	case o.table.Path != "":
		table := o.table
		table.Labels, table.LabelOptional = distinct, optional
		return func(context.Context) (*dataset.Labels, error) { return dataset.ReadTable(table) }
	case o.from.Data.Kind == dataset.Cars:
		cars := o.cars
		cars.Root, cars.Labels = o.from.Data.Path, distinct
		return func(ctx context.Context) (*dataset.Labels, error) {
			l, err := dataset.ReadCars(ctx, cars)
			if err != nil {
				return nil, err
			}
			for name := range asked {
				if !slices.Contains(l.Names, name) {
					return nil, usage.Errorf("--label-column: %q is not a known colour, and no class contains its words", name)
				}
			}
			return l, nil
		}
	}
	return nil
}

func runShift(ctx context.Context, opts shiftOptions, g *globalOptions) error {
	concepts, err := opts.conceptOptions(g)
	if err != nil {
		return err
	}
	questions, asked, err := opts.questions(concepts.Concepts)
	if err != nil {
		return err
	}
	o := opts.stage
	o.Options, o.ConceptOptions, o.Questions, o.ReadLabels = opts.images(g), concepts, questions, opts.reader(questions, asked)
	o.Shard, _ = parsePart(opts.shard, o.SavePath) // validated
	o.Threads, o.Store = g.workers(), g.files
	if opts.from.ScoresPath != "" {
		o.Options.Model = "" // it only embeds texts
		o.Collected = o.Data
		if !artefact.IsDense(opts.from.ScoresPath) {
			o.Data.Path = "" // what collect wrote has the names of the images
		}
	}
	result, err := shift.Run(ctx, o, g.printer)
	if result == nil {
		return err
	}
	written := err
	if result.Complete {
		g.printer.Note("%s is already complete", result.Path)
	}
	if g.json {
		err = g.printer.JSON(result)
	} else {
		err = errors.Join(printShift(g.printer, result), printRounding(g.printer, result.Rounding))
	}
	var skipped error
	if n := len(result.Skipped); n > 0 {
		skipped = fmt.Errorf("%w %s of %d", errSkipped, ui.Images.Count(int64(n)), n+result.Images)
	}
	return outcome(written, err, skipped)
}
