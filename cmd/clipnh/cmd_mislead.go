package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/describe"
	"github.com/clipnh/clipnh/internal/pipeline/mislead"
	"github.com/clipnh/clipnh/internal/ui"
)

const misleadHelp = `
Finds words that move images of one class (--from) toward another (--to) without
naming it: what a picture of a fish may show beside the fish for a zero-shot
classifier to take it for a butterfly.

The margin of an image, 100 times the cosine with the text of --to less that
with the text of --from, is a sum over units. The --k units count whose
component has the largest product with the difference of the two texts, along it
or against it. A word's weight is the sum over these units of its coefficient in
the unit's code times that product; the units that add most are named. Words of
units are computed as by describe, from components and embeddings of words
(--pcs-path, --text-descs-embeddings-path), or read from codes that sparse wrote
(--codes), of which the --num-components largest coefficients count.

Words that name --to are left out: those in which its name or a text of
--leave-out occurs as a word, and those whose embedding has a cosine with that
of --to above --max-cosine. Both embeddings are taken less the mean of all
words, since those of all texts have much in common. Look at the cosines that
are printed, and choose another limit if a word below it still names the class;
what was left out is printed behind a minus.

With --scores, a collection of scores or features, and labels (--labels-csv, or
a labelled --data-path), words are measured on its images of --from: those that
are closer to the word than the median image, against the others. "margin" is
by how much the mean margin is larger among them, "near %" and "far %" are the
shares of both that are taken for --to, and "above %" is the share of all words
of the list for which the margin rises less. So you see whether a word goes with
the mistake in images that you have, before you make others.

--sentences prints sentences for a text-to-image model in place of the table,
one per line: the first has the heaviest words, those of others are drawn, heavy
words more often (--seed). Make images of them elsewhere; then

  clipnh classify FOLDER --classes FROM,TO --model FILE --vocab FILE

says how many of them are taken for --to. docs/audit.md goes through an example.

Classes are embedded with --model and --vocab, or read: --imagenet-zeroshot-path
has the embeddings of --classes, which both must be among.`

func newMisleadCommand(g *globalOptions) *cobra.Command {
	var opts misleadOptions
	cmd := &cobra.Command{
		Use:   "mislead --from CLASS --to CLASS --pcs-path FILE --text-descs-list-path FILE",
		Short: "Find words that make a class be taken for another",
		Long:  misleadHelp,
		Example: "clipnh mislead --from fish --to butterfly --pcs-path caches/pc0.npy \\\n" +
			"  --text-descs-list-path 30k.txt \\\n" +
			"  --text-descs-embeddings-path caches/30k_embed.npy --model RN50x16.pt \\\n" +
			"  --vocab bpe_simple_vocab_16e6.txt.gz\n" +
			"clipnh mislead --from fish --to butterfly --codes caches/codes.npz \\\n" +
			"  --pcs-path caches/pc0.npy --text-descs-list-path 30k.txt \\\n" +
			"  --text-descs-embeddings-path caches/30k_embed.npy --model RN50x16.pt \\\n" +
			"  --vocab bpe_simple_vocab_16e6.txt.gz --sentences 50 --seed 1",
		Args:        noArgs,
		Annotations: exitStatus(exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.given, opts.set = cmd.Flags().Changed, setFlags(cmd.Flags())
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runMislead(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// misleadOptions is everything the mislead command can be told: the stage's options, which
// most flags set, and texts from which others are made.
type misleadOptions struct {
	given, set givenFlags // on the command line; by someone
	codingOptions
	stage mislead.Options

	classes, templates, leftOut textList
	useTemplates                bool
	decompositionPath           string
}

func (o *misleadOptions) addFlags(fs *pflag.FlagSet) {
	s := &o.stage
	fs.StringVar(&s.From, "from", "", "the `CLASS` that images show")
	fs.StringVar(&s.To, "to", "", "the `CLASS` that they are to be taken for")
	o.codingOptions.addFlags(fs, describeComponents, describe.BestNormalization)
	fs.StringVar(&o.decompositionPath, "codes", "", "`FILE` of codes to read instead of computing them, .npz")
	modelFlag(fs, &s.Model)
	detailFlags(fs, &s.Details)
	vocabFlag(fs, &s.Vocab)
	defaultExcludes(fs, "vocab", "imagenet-zeroshot-path")
	templatesFlag(fs, &o.templates, "class")
	fs.BoolVar(&o.useTemplates, "use-templates", true, "put classes into templates; =false encodes them as they are")
	classesFlag(fs, &o.classes)
	fs.StringVar(&s.TextsPath, "imagenet-zeroshot-path", "", "`FILE` of embeddings of --classes, instead of --vocab, .npy or .pt")
	fs.IntVar(&s.K, "k", 50, "look at the `K` units whose component is closest to the difference of the classes")
	fs.IntVar(&s.List, "list", 20, "print the `N` heaviest words")
	textsFlag(fs, &o.leftOut, "leave-out", "", "words to leave out, as they name the class of --to"+textsHelp, isList)
	fs.Float64Var(&s.MaxCosine, "max-cosine", maxCosine, "leave out words whose cosine with the class of --to is above `X`")
	fs.StringVarP(&s.Images.ScoresPath, "scores", "s", "", "`PATH` of scores or features that collect wrote, to measure words on images of --from")
	fs.StringVar(&s.TablePath, "labels-csv", "", "`FILE` with columns image and label: the labels of these images")
	fs.StringVarP(&s.Images.Data.Path, "data-path", "d", "", "`PATH` of the data set of these images, whose labels count without --labels-csv")
	fs.StringVar(&s.Images.Data.Kind, "dataset", dataset.ImageNetVal, "layout of --data-path: `KIND` imagenet_val (labelled: one folder per class), cars or cars_test")
	choices(fs, "dataset", dataset.Kinds()...)
	takesCollectedKind(fs)
	labelKeyFlag(fs, &s.Images.Data.LabelKey)
	fs.IntVar(&s.Sentences, "sentences", 0, "print `N` sentences for a text-to-image model, and no table")
	fs.Uint64Var(&s.Seed, "seed", 0, "draw the words of sentences with this `SEED`")
}

// maxCosine is --max-cosine unless someone asks otherwise.
const maxCosine = 0.5

func (o *misleadOptions) validate() error {
	s := &o.stage
	if err := require("--from", s.From, "--to", s.To, "--text-descs-list-path", o.wordsPath, "--pcs-path", o.pcsPath, "--text-descs-embeddings-path", o.embeddingsPath); err != nil {
		return err
	}
	if s.TextsPath == "" {
		if err := require("--model", s.Model, "--vocab", s.Vocab); err != nil {
			return fmt.Errorf("to embed the classes: %w", err)
		}
	} else if err := require("--classes", o.classes.String()); err != nil {
		return fmt.Errorf("--imagenet-zeroshot-path: %w", err)
	}
	if err := cmp.Or(o.classes.check(), o.templates.check(), o.leftOut.check(), checkDetails(s.Details)); err != nil {
		return err
	}
	measured := s.Images.ScoresPath != ""
	switch {
	case strings.EqualFold(s.From, s.To):
		return fmt.Errorf("--from and --to are both %q: want two classes", s.From)
	case !o.useTemplates && o.templates.given():
		return errors.New("--templates and --use-templates=false: want one of them")
	case s.K < 1:
		return fmt.Errorf("--k %d: want 1 or more", s.K)
	case s.List < 1:
		return fmt.Errorf("--list %d: want 1 or more", s.List)
	case s.Sentences < 0 || s.Sentences > maxSentences:
		return fmt.Errorf("--sentences %d: want 0 to %d", s.Sentences, maxSentences)
	case !(s.MaxCosine >= -1 && s.MaxCosine <= 1):
		return fmt.Errorf("--max-cosine %g: want -1 to 1", s.MaxCosine)
	case measured && s.TablePath == "" && s.Images.Data.Path == "":
		return errors.New("--scores needs the labels of images: want --labels-csv, or --data-path of a labelled data set")
	case s.TablePath != "" && s.Images.Data.Path != "":
		return errors.New("--labels-csv and --data-path: want one of them")
	case !slices.Contains(dataset.Kinds(), s.Images.Data.Kind):
		return fmt.Errorf("--dataset %q: want %s", s.Images.Data.Kind, strings.Join(dataset.Kinds(), ", "))
	}
	if o.decompositionPath != "" {
		if err := o.given.refuse("with --codes", "method", "normalize", "svd-scores"); err != nil {
			return err
		}
	}
	err := o.given.refuseIn(
		rule{s.TextsPath != "", "with --imagenet-zeroshot-path", []string{"model", "vit-heads", "activation", "vocab", "templates", "use-templates"}},
		rule{s.TextsPath == "", "without --imagenet-zeroshot-path", []string{"classes"}},
		rule{!measured, "without --scores", []string{"labels-csv", "data-path"}},
		rule{s.Images.Data.Path == "", "without --data-path", []string{"dataset", "label-key"}},
		rule{s.Sentences == 0, "without --sentences", []string{"seed"}})
	if err != nil {
		return err
	}
	return o.codingOptions.validate()
}

// maxSentences bounds --sentences.
const maxSentences = 100000

func runMislead(ctx context.Context, opts misleadOptions, g *globalOptions) error {
	options, err := opts.pipeline(g)
	if err != nil {
		return err
	}
	o := opts.stage
	o.Options, o.DecompositionPath = options, opts.decompositionPath
	o.Images.Artefacts = g.artefacts()
	if opts.leftOut.given() {
		if o.LeftOut, err = parseNames(&opts.leftOut, g); err != nil {
			return err
		}
	}
	if o.TextsPath != "" {
		if o.Classes, err = parseNames(&opts.classes, g); err != nil {
			return err
		}
	} else {
		prompts := embedOptions{templates: opts.templates, useTemplates: opts.useTemplates}
		if o.Templates, err = prompts.prompts(g); err != nil {
			return err
		}
	}
	result, err := mislead.Run(ctx, o, g.printer)
	if err != nil {
		return err
	}
	g.sayFewer(opts.set, listing{"list", o.List, len(result.Words), ui.Words, "that move toward the class"})
	if n := len(result.Sentences); n < o.Sentences {
		g.printer.Note("--sentences %d: the words make no more than %d that differ", o.Sentences, n)
	}
	switch {
	case g.json:
		return g.printer.JSON(result)
	case o.Sentences > 0:
		return g.printer.Text(strings.Join(result.Sentences, "\n") + "\n")
	}
	return printMislead(result, g.printer)
}

// printMislead prints the words in a table, and then those that were left out.
func printMislead(r *mislead.Result, p *ui.Printer) error {
	columns := []ui.Column{ui.Left("word"), ui.Right("weight"), ui.Right("cosine"), ui.Left("units")}
	if r.Images != nil {
		columns = slices.Insert(columns, 3, ui.Right("margin"), ui.Right("near %"), ui.Right("far %"), ui.Right("above %"))
	}
	t := ui.NewTable(columns...)
	row := func(w mislead.Word, sign string) {
		cells := []string{sign + w.Word, fmt.Sprintf("%.4f", w.Weight), fmt.Sprintf("%+.3f", w.Cosine)}
		if m := w.Moved; m != nil {
			cells = append(cells, fmt.Sprintf("%+.2f", m.NearMean-m.FarMean), percentOf(m.NearTaken, m.Near), percentOf(m.FarTaken, r.Images.Images-m.Near), fmt.Sprintf("%.1f", 100*m.Above))
		}
		t.Row(append(cells, partsText(w.Parts))...)
	}
	for _, w := range r.Words {
		row(w, "")
	}
	for _, w := range r.LeftOut {
		row(w, "- ")
	}
	if err := p.Table(t); err != nil || r.Images == nil {
		return err
	}
	all := ui.NewTable(ui.Left("images of"), ui.Right("images"), ui.Right("mean margin"), ui.Right("taken for "+r.To+" %"))
	all.Row(r.From, fmt.Sprint(r.Images.Images), fmt.Sprintf("%+.2f", r.Images.Margin), percentOf(r.Images.Taken, r.Images.Images))
	return errors.Join(p.Text("\n"), p.Table(all))
}
