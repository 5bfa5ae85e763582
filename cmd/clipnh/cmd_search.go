package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/search"
	"github.com/clipnh/clipnh/internal/ui"
)

const searchHelp = `
Finds the images that match a text (--text), are similar to an example image
(--image), or to which a unit contributes most (--units: a pair such as h21n624,
a neuron, n624, or a head, h21; in a vision transformer l10h3n624, l9n624 and
l10h3). Each query ranks the images separately: texts and examples by the cosine
with the image's feature, units by the norm of their contribution, not centred,
bias share included, as retrieve ranks. Of equal values the earlier image comes
first. In a vision transformer, a head stands for its pairs: what the neurons of
one layer add through it (second order). What the head itself adds (first order)
is ranked by retrieve --head-idxs l10h3, from a model.

Images are files and folders, or a data set (--data-path), which --model
encodes; or those of a collection (--scores), whose scores give the features
exactly, as sums over pairs, without a pass through the image tower, or which
keeps features alone (collect --mode features) and has no units. With a
collection, --model and --vocab are needed for texts only, and --model for an
example that is a file; an image of the collection is an example by its name.

--csv prints query, rank, image, measure and value, in full precision; --json
has everything. Writes, with --save-dir, sheet.png: a row of images for each
query. Images of a collection are then found by name below --data-path; those
that have changed since they were collected are named (--strict stops instead).`

func newSearchCommand(g *globalOptions) *cobra.Command {
	var opts searchOptions
	cmd := &cobra.Command{
		Use:   "search IMAGE... --text TEXT --model FILE --vocab FILE",
		Short: "Find images by a text, an example image or a unit",
		Long:  searchHelp,
		Example: "clipnh search photos --text \"a dog on a beach\" --model RN50x16.pt \\\n" +
			"  --vocab bpe_simple_vocab_16e6.txt.gz\n" +
			"clipnh search --scores caches/photos --image holiday/17.jpg \\\n" +
			"  --units h21n624,h21 --data-path photos --save-dir found",
		Args:        cobra.ArbitraryArgs,
		Annotations: exitStatus(exitSkipped, exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.from.Paths, opts.given, opts.set = args, cmd.Flags().Changed, setFlags(cmd.Flags())
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runSearch(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// searchOptions is everything the search command can be told: the stage's options, which
// most flags set, and texts from which others are made.
type searchOptions struct {
	sourceOptions
	stage search.Options

	units            string
	texts, templates textList
	useTemplates     bool
	csv              bool
}

func (o *searchOptions) addFlags(fs *pflag.FlagSet) {
	textsFlag(fs, &o.texts, "text", "", "search for texts"+textsHelp, nil)
	fs.StringArrayVar(&o.stage.Examples, "image", nil, "search for images like `FILE`, or like an image of --scores by its name; may be repeated")
	fs.StringVar(&o.units, "units", "", "search by a `LIST` of pairs, neurons and heads, such as h21n624,n7,h3, or l10h3n624,l9n7,l10h3 of a vision transformer")
	o.sourceOptions.addFlags(fs, dataset.Images)
	takesCollectedKind(fs)
	neuronLayerFlag(fs, &o.from.NeuronLayer, "")
	vocabFlag(fs, &o.stage.Vocab)
	defaultNeeds(fs, "vocab", "text")
	templatesFlag(fs, &o.templates, "text")
	fs.BoolVar(&o.useTemplates, "use-templates", true, "put texts into templates; =false encodes them as they are")
	fs.IntVar(&o.stage.Top, "top", 10, "list the `N` images of largest value")
	fs.BoolVar(&o.csv, "csv", false, "print comma-separated values in place of the table")
	fs.StringVarP(&o.stage.SaveDir, "save-dir", "o", "", "`DIR` for a sheet of what was found, .png")
}

func (o *searchOptions) validate() error {
	texts, scores, drawn := o.texts.given(), o.from.ScoresPath != "", o.stage.SaveDir != ""
	if err := o.validateImages(); err != nil {
		return err
	}
	if err := cmp.Or(o.texts.check(), o.templates.check()); err != nil {
		return err
	}
	switch {
	case !texts && len(o.stage.Examples) == 0 && o.units == "":
		return errors.New("nothing to search for: want --text, --image or --units")
	case slices.Contains(o.stage.Examples, ""):
		return errors.New("--image is empty: want a file, or the name of an image of --scores")
	case !o.useTemplates && o.templates.given():
		return errors.New("--templates and --use-templates=false: want one of them")
	case o.stage.Top < 1:
		return fmt.Errorf("--top %d: want 1 or more", o.stage.Top)
	case scores && drawn && o.from.Data.Path == "":
		return fmt.Errorf("--save-dir: %w", require("--data-path", ""))
	}
	if texts {
		if err := require("--model", o.from.Model, "--vocab", o.stage.Vocab); err != nil {
			return fmt.Errorf("--text: %w", err)
		}
	}
	if err := cmp.Or(once("--units", splitUnits(o.units)), filesOnce("--image", o.stage.Examples), o.validateValues()); err != nil {
		return err
	}
	err := o.given.refuseIn(
		rule{!texts, "without --text", []string{"vocab", "templates", "use-templates"}},
		rule{scores && !texts && len(o.stage.Examples) == 0, "with --scores and without --text or --image", []string{"model"}},
		rule{scores && !drawn, "with --scores and without --save-dir", []string{"data-path", "dataset"}})
	if err != nil {
		return err
	}
	o.draws = drawn
	return o.sourceOptions.validate()
}

func runSearch(ctx context.Context, opts searchOptions, g *globalOptions) error {
	if opts.csv && g.json {
		return usageError{errors.New("--csv and --json: want one of them")}
	}
	o := opts.stage
	o.Options, o.Threads, o.Store, o.Units = opts.images(g), g.workers(), g.files, splitUnits(opts.units)
	var err error
	if opts.texts.given() {
		if o.Texts, err = opts.texts.readOnce(&g.texts); err != nil {
			return err
		}
		prompts := embedOptions{templates: opts.templates, useTemplates: opts.useTemplates}
		if o.Templates, err = prompts.prompts(g); err != nil {
			return err
		}
	}
	result, err := search.Run(ctx, o, g.printer)
	if result == nil {
		return err
	}
	written := err
	g.sayFewer(opts.set, listing{"top", o.Top, result.Images, ui.Images, ""})
	switch {
	case g.json:
		err = g.printer.JSON(result)
	case opts.csv:
		err = searchCSV(result, g.printer)
	default:
		err = errors.Join(printSearch(result, g.printer), printRounding(g.printer, result.Rounding))
	}
	var skipped error
	if n := len(result.Skipped); n > 0 {
		skipped = fmt.Errorf("%w %s", errSkipped, ui.Images.Count(int64(n)))
	}
	return outcome(written, err, skipped)
}

// searchCSV prints what was found as comma-separated values.
func searchCSV(r *search.Result, p *ui.Printer) error {
	rows := [][]string{{"query", "rank", "image", "measure", "value"}}
	for _, q := range r.Queries {
		for _, hit := range q.Top {
			rows = append(rows, []string{q.Query, strconv.Itoa(hit.Rank), hit.Name, q.Measure, strconv.FormatFloat(float64(hit.Value), 'g', -1, 32)})
		}
	}
	return p.CSV(rows)
}

// mostQuery is how many columns of a query the table shows; --csv and --json have all.
const mostQuery = 60

func printSearch(r *search.Result, p *ui.Printer) error {
	t := ui.NewTable(ui.Left("query"), ui.Right("rank"), ui.Right("image"), ui.Left("file"), ui.Right("value"))
	for _, q := range r.Queries {
		query := ui.Shortened(q.Query, mostQuery)
		for _, hit := range q.Top {
			t.Row(query, fmt.Sprint(hit.Rank), fmt.Sprint(hit.Image), hit.Name, q.ValueText(hit))
			query = ""
		}
	}
	if err := p.Table(t); err != nil || r.Sheet == "" {
		return err
	}
	sheet := ui.NewTable(ui.Left("sheet"))
	sheet.Row(r.Sheet)
	return errors.Join(p.Text("\n"), p.Table(sheet))
}
