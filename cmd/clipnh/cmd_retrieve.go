package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/retrieve"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
)

const retrieveHelp = `
Finds the top-activating images of a neuron and of each of its neuron-head
pairs: a neuron may stand for butterflies, and its pair with head 21 for
butterfly costumes. Images are ranked by the norm of the unit's contribution,
not centred, its share of the bias included; a neuron's contribution is the sum
over heads.

Units are neurons with all of their pairs (--neur-idxs 624,1300), single pairs
with their neuron (--pairs h21n624,h3n7; l10h3n624 of a vision transformer), or
those whose principal component (--pcs-path, written by svd) is closest to a
text (--text "butterfly costume", --model, --vocab). These can be combined. Of
the pairs close to a text, dead ones, whose largest norm is below 1 % of the
largest of all pairs, are left out, since their components may point anywhere.
--weigh-by-norm ranks by cosine times the largest norm, which favours the pairs
that contribute most.

In a vision transformer, --head-idxs l10h3,l11 looks at heads instead, or at all
heads of a layer together, in the images of --data-path (--model): with --text,
at what the head adds to the feature along each text, r.text with the text's
embedding as it is, a unit vector, not centred; without, at the norm of r. The
images of the largest numbers are listed with what the head read of the class
token; --json also has what it read of every place, and --save-dir draws it, one
sheet for each head, such as l10h3.png. Along a text, class token and places sum
to what the head adds. Norms do not sum.

Reads scores that collect wrote (--scores; also dense .dat or .npy
contributions, of clipnh or of the reference), or a checkpoint and images
(--model, --data-path). With --save-dir and --scores, the images are found by
name below --data-path, whose --dataset is then, unless it is given, the one
that the scores were collected from.

Writes, below --save-dir, for neuron 624 and its pair with head 21:
  624/sheet.png        all at a glance: the neuron, then its --heads strongest
                       pairs, with names, norms and words, if asked for
  624/heat.png         with --model: where in its images the neuron is active,
                       where heads attend, and the product; for the pairs on the
                       sheet 624/624_21/heat.png and so on. Heads of a vision
                       transformer have the number that they have among those
                       of all later layers
  images/123_cat.png   image number 123 of those that were read, cat.jpg, at 512
                       pixels a side (--copy-side), once for all units
With --copies the images are written as the reference does, in full size and
once for each unit, numbered from 0: 624/0_123.png is the neuron's strongest
image, 624/624_21/0_57.png the pair's. That takes hundreds of files for a
neuron. Files of an earlier run in these folders are replaced, other files are
not. An image that cannot be read is skipped with a warning; one that has
changed since it was collected is drawn, with a warning too (--strict stops
instead).

Words of units are computed as by describe, from components and embeddings of
words (--text-descs-embeddings-path, with --pcs-path for pairs and
--neuron-pcs-path for neurons), or read from codes that sparse wrote (--codes,
at most twice: one file of pairs, one of neurons). A word with a negative
coefficient says what the unit is not.`

func newRetrieveCommand(g *globalOptions) *cobra.Command {
	var opts retrieveOptions
	cmd := &cobra.Command{
		Use:   "retrieve --neur-idxs LIST --scores PATH --data-path PATH --save-dir DIR",
		Short: "Show the top-activating images of neurons and pairs",
		Long:  retrieveHelp,
		Example: "clipnh retrieve --neur-idxs 624 --scores caches/photos --dataset images \\\n" +
			"  --data-path photos --model RN50x16.pt --save-dir retrieved\n" +
			"clipnh retrieve --text \"butterfly costume\" --pcs-path caches/pc0.npy \\\n" +
			"  --model RN50x16.pt --vocab bpe_simple_vocab_16e6.txt.gz \\\n" +
			"  --scores caches/photos\n" +
			"clipnh retrieve --head-idxs l10h3,l11 --text \"a dog,a beach\" \\\n" +
			"  --model ViT-B-32.pt --vocab bpe_simple_vocab_16e6.txt.gz \\\n" +
			"  --dataset images --data-path photos --save-dir heads",
		Args:        noArgs,
		Annotations: exitStatus(exitSkipped, exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.given, opts.set = cmd.Flags().Changed, setFlags(cmd.Flags())
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			if opts.heads != "" {
				return runRetrieveHeads(cmd.Context(), opts, g)
			}
			return runRetrieve(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// retrieveOptions is everything the retrieve command can be told: the stage's options,
// which most flags set, and texts from which others are made.
type retrieveOptions struct {
	sourceOptions
	stage retrieve.Options

	neurons, pairs string
	heads          string // of a vision transformer, in place of both
	texts          textList
	templates      textList
	useTemplates   bool
}

func (o *retrieveOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.neurons, "neur-idxs", "", "`LIST` of neurons, such as 624,1300, or by their names, n624 or l9n624 of a vision transformer, each with all of its pairs")
	fs.StringVar(&o.pairs, "pairs", "", "`LIST` of pairs, such as h21n624,h3n7, or l10h3n624 of a vision transformer")
	fs.StringVar(&o.heads, "head-idxs", "", "instead, `LIST` of heads of a vision transformer, or of layers, such as l10h3,l11")
	textsFlag(fs, &o.texts, "text", "", "the pairs closest to texts, or with --head-idxs what heads add along them"+textsHelp, nil)
	fs.IntVar(&o.stage.TextPairs, "text-pairs", 5, "use the `N` pairs closest to a text")
	fs.BoolVar(&o.stage.WeighByNorm, "weigh-by-norm", false, "rank the pairs near a text by cosine times largest norm, not by cosine alone")
	fs.StringVarP(&o.stage.PCsPath, "pcs-path", "p", "", "`FILE` of principal components of pairs, .npy, for --text and for words; for --text also those of neurons (svd --mode n)")
	fs.StringVar(&o.stage.NeuronPCsPath, "neuron-pcs-path", "", "`FILE` of principal components of neurons, .npy, for words")
	vocabFlag(fs, &o.stage.Vocab)
	defaultNeeds(fs, "vocab", "text")
	templatesFlag(fs, &o.templates, "text")
	fs.BoolVar(&o.useTemplates, "use-templates", true, "put texts into templates; =false encodes them as they are")
	o.sourceOptions.addFlags(fs, dataset.ImageNetTest)
	takesCollectedKind(fs)
	neuronLayerFlag(fs, &o.from.NeuronLayer, layerOfInputs)
	fs.IntVar(&o.stage.Top, "top", 10, "show the `N` images of largest norm")
	fs.StringVarP(&o.stage.SaveDir, "save-dir", "o", "", "`DIR` for sheets and the images on them")
	fs.IntVar(&o.stage.SheetHeads, "heads", 8, "list and draw the `N` strongest pairs of a neuron; --json and --save-dir have all")
	fs.BoolVar(&o.stage.Copies, "copies", false, "write a full-size copy of each image for each unit, as the reference does")
	fs.IntVar(&o.stage.CopySide, "copy-side", 512, "shrink images to at most `N` pixels per side; 0 keeps their size, as --copies does")
	fs.StringArrayVar(&o.stage.DecompositionPaths, "codes", nil, "`FILE` of codes that sparse wrote, .npz; may be given twice")
	takesWords(fs, &o.stage.WordsPath)
	fs.StringVar(&o.stage.EmbeddingsPath, "text-descs-embeddings-path", "", "`FILE` of embeddings of the words, .npy or .pt, to compute words of components")
	fs.IntVar(&o.stage.Components, "num-components", describeComponents, wordsUsage)
}

func (o *retrieveOptions) validate() error {
	if o.heads != "" {
		return o.validateHeads()
	}
	if _, err := o.askedNeurons(); err != nil {
		return err
	}
	for _, name := range splitUnits(o.pairs) {
		if !pairName.MatchString(name) {
			return fmt.Errorf("--pairs %q: want %s", name, asNamed(name, "pairs, such as h21n624,h3n7"))
		}
	}
	if err := once("--pairs", splitUnits(o.pairs)); err != nil {
		return err
	}
	if o.neurons == "" && o.pairs == "" && !o.texts.given() {
		return errors.New("nothing to retrieve: want --neur-idxs, --pairs, --text or --head-idxs")
	}
	if err := cmp.Or(o.texts.check(), o.templates.check()); err != nil {
		return err
	}
	if o.from.ScoresPath == "" && o.from.Model == "" {
		return errors.New("want --scores, or --model and --data-path")
	}
	if o.from.ScoresPath == "" || o.stage.SaveDir != "" {
		if err := require("--data-path", o.from.Data.Path); err != nil {
			return err
		}
	}
	if o.texts.given() {
		if err := require("--model", o.from.Model, "--pcs-path", o.stage.PCsPath, "--vocab", o.stage.Vocab); err != nil {
			return fmt.Errorf("--text: %w", err)
		}
	}
	described := len(o.stage.DecompositionPaths) > 0 || o.stage.EmbeddingsPath != ""
	switch {
	case described && o.stage.WordsPath == "":
		return errors.New("--codes and --text-descs-embeddings-path need --text-descs-list-path")
	case !described && o.stage.WordsPath != "":
		return errors.New("--text-descs-list-path needs --codes, or --text-descs-embeddings-path")
	case o.stage.EmbeddingsPath != "" && o.stage.PCsPath == "" && o.stage.NeuronPCsPath == "":
		return errors.New("--text-descs-embeddings-path needs --pcs-path or --neuron-pcs-path")
	case !o.useTemplates && o.templates.given():
		return errors.New("--templates and --use-templates=false: want one of them")
	}
	for _, n := range []struct {
		flag         string
		value, least int
	}{
		{"text-pairs", o.stage.TextPairs, 1}, {"top", o.stage.Top, 1},
		{"heads", o.stage.SheetHeads, 0}, {"copy-side", o.stage.CopySide, 0}, {"num-components", o.stage.Components, 1},
	} {
		if n.value < n.least {
			return fmt.Errorf("--%s %d: want %d or more", n.flag, n.value, n.least)
		}
	}
	if err := o.validateValues(); err != nil {
		return err
	}
	if err := o.validateGiven(); err != nil {
		return err
	}
	return checkPrecision(o.precision)
}

// validateGiven refuses flags that have no effect. With --scores, a model only embeds texts
// and draws heat maps, and images are only read to be drawn.
func (o *retrieveOptions) validateGiven() error {
	scores, texts, drawn := o.from.ScoresPath != "", o.texts.given(), o.stage.SaveDir != ""
	return o.given.refuseIn(
		rule{!texts, "without --text", []string{"text-pairs", "weigh-by-norm", "vocab", "templates", "use-templates"}},
		rule{!texts && o.stage.EmbeddingsPath == "", "without --text or --text-descs-embeddings-path", []string{"pcs-path"}},
		rule{o.stage.EmbeddingsPath == "", "without --text-descs-embeddings-path", []string{"neuron-pcs-path"}},
		rule{!drawn, "without --save-dir", []string{"copy-side", "copies"}},
		rule{len(o.stage.DecompositionPaths) == 0 && o.stage.EmbeddingsPath == "", "without --codes or --text-descs-embeddings-path", []string{"num-components"}},
		rule{!scores, "without --scores", []string{"shape"}},
		rule{scores && !texts && !drawn, "with --scores and without --text or --save-dir", []string{"model"}},
		rule{scores && !drawn, "with --scores and without --save-dir", towerFlags},
		rule{scores && drawn && o.from.Model == "", "with --scores and without --model", []string{"precision", "batch-size"}},
		rule{saysStride(o.from.ScoresPath) && o.from.Model == "", "with --scores and without --model", []string{"exif", "preprocess"}},
		rule{saysStride(o.from.ScoresPath), "with --scores, which say what --sample-stride they were collected with", []string{"sample-stride"}},
		rule{scores && !drawn && !artefact.IsDense(o.from.ScoresPath), "with --scores and without --save-dir", []string{"data-path", "dataset"}},
		rule{o.from.Data.Path == "", "without --data-path", []string{"dataset", "label-key", "sample-stride"}},
	)
}

// pairName matches the name of a pair, or of all pairs of a neuron, of a vision transformer
// too.
var pairName = regexp.MustCompile(`(?i)^(l\d+)?(h\d+)?n\d+$`)

// neuronName matches the name of a neuron, of a vision transformer too.
var neuronName = regexp.MustCompile(`(?i)^(?:l\d+)?n(\d+)$`)

// askedNeurons are those of --neur-idxs, by number or by the names that outputs give them.
func (o *retrieveOptions) askedNeurons() ([]string, error) {
	words := splitUnits(o.neurons)
	for _, word := range words {
		if neuronName.MatchString(word) {
			continue
		}
		_, err := neuronNumber(o.neurons, word, "whole numbers, such as 624,1300, or names, such as n624 or l9n624")
		switch {
		case err == nil:
		case pairName.MatchString(word):
			return nil, hinted{err, "pairs are what --pairs takes"}
		case headName.MatchString(word):
			return nil, hinted{err, "heads are what --head-idxs takes"}
		default:
			return nil, err
		}
	}
	return words, once("--neur-idxs", words)
}

// pipeline returns the options of the stage, with the files of words and templates read.
func (o *retrieveOptions) pipeline(g *globalOptions) (retrieve.Options, error) {
	neurons, err := o.askedNeurons()
	if err != nil {
		return retrieve.Options{}, usageError{err}
	}
	p := o.stage
	if p.Copies && !o.set("copy-side") {
		p.CopySide = 0
	}
	p.Options, p.Neurons, p.Pairs, p.Threads = o.images(g), neurons, splitUnits(o.pairs), g.workers()
	p.Store = g.files
	if p.WordsPath != "" {
		if p.Words, err = g.texts.lines("text-descs-list-path", p.WordsPath); err != nil {
			return p, err
		}
		p.Components = o.given.components(p.Components, p.Words)
	}
	if o.texts.given() {
		if p.Texts, err = o.texts.readOnce(&g.texts); err != nil {
			return p, err
		}
		prompts := embedOptions{templates: o.templates, useTemplates: o.useTemplates}
		p.Templates, err = prompts.prompts(g)
	}
	return p, err
}

func runRetrieve(ctx context.Context, opts retrieveOptions, g *globalOptions) error {
	o, err := opts.pipeline(g)
	if err != nil {
		return err
	}
	result, err := retrieve.Run(ctx, o, g.printer)
	if result == nil {
		return err
	}
	written := err
	opts.sayFewer(result, g)
	if g.json {
		err = g.printer.JSON(result)
	} else {
		err = errors.Join(printRetrieve(result, opts, g.printer), printRounding(g.printer, result.Rounding))
	}
	var skipped error
	if n := len(result.Skipped); n > 0 {
		skipped = fmt.Errorf("%w %s", errSkipped, ui.Images.Count(int64(n)))
	}
	return outcome(written, err, skipped)
}

// sayFewer notes which lists are shorter than what was asked for.
func (o *retrieveOptions) sayFewer(r *retrieve.Result, g *globalOptions) {
	heads, near, texts := 0, 0, map[string]int{}
	for _, n := range r.Neurons {
		heads = max(heads, len(n.Units)-1)
	}
	for _, f := range r.Found {
		texts[f.Text]++
		near = max(near, texts[f.Text])
	}
	g.sayFewer(o.set, listing{"top", o.stage.Top, r.Images, ui.Images, ""}, listing{"text-pairs", o.stage.TextPairs, near, ui.Pairs, "that add to any image"}, listing{"heads", o.stage.SheetHeads, heads, ui.Pairs, "of a neuron"})
}

func printRetrieve(result *retrieve.Result, opts retrieveOptions, p *ui.Printer) error {
	if len(result.Found) > 0 {
		kind := "pair"
		if !unit.NamesHead(result.Found[0].Pair) {
			kind = "neuron"
		}
		t := ui.NewTable(ui.Left("text"), ui.Left(kind), ui.Right("cosine"), ui.Right("largest norm"))
		for _, f := range result.Found {
			t.Row(f.Text, f.Pair, fmt.Sprintf("%.4f", f.Cosine), fmt.Sprintf("%#.4g", f.Norm))
		}
		if err := errors.Join(p.Table(t), p.Text("\n")); err != nil {
			return err
		}
	}
	columns := []ui.Column{ui.Left("unit"), ui.Right("rank"), ui.Right("image"), ui.Left("file"), ui.Right("norm")}
	described := opts.stage.WordsPath != ""
	if described {
		columns = append(columns, ui.Left("words of the unit"))
	}
	t := ui.NewTable(columns...)
	left := 0
	for _, n := range result.Neurons {
		shown := n.Units[:min(1+opts.stage.SheetHeads, len(n.Units))]
		left += len(n.Units) - len(shown)
		for _, u := range shown {
			unit, words := u.Unit, signedWords(u.Words, opts.given.named(opts.stage.Components))
			for _, r := range u.Top {
				row := []string{unit, fmt.Sprint(r.Rank), fmt.Sprint(r.Image), r.Name, fmt.Sprintf("%#.4g", r.Norm)}
				if described {
					row = append(row, words)
				}
				t.Row(row...)
				unit, words = "", ""
			}
		}
	}
	if err := p.Table(t); err != nil {
		return err
	}
	if left > 0 {
		p.Note("%s less strong %s not shown: --heads or --json shows all", ui.Pairs.Count(int64(left)), quantity.Is(left))
	}
	if opts.stage.SaveDir == "" {
		return nil
	}
	t = ui.NewTable(ui.Left("neuron"), ui.Left("sheet"), ui.Left("heat maps"))
	drawn := false
	for _, n := range result.Neurons {
		if n.Sheet != "" || n.Units[0].Heat != "" { // else it could not be written
			t.Row(n.Neuron, n.Sheet, n.Units[0].Heat)
			drawn = true
		}
	}
	if !drawn {
		return nil
	}
	return errors.Join(p.Text("\n"), p.Table(t))
}
