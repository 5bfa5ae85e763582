package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
	"github.com/clipnh/clipnh/internal/ui"
)

const textspanHelp = `
Finds, for each head of the last layers of a vision transformer, the texts that
span what it adds to the image feature (TextSpan, arXiv:2310.05916). Texts are
projected onto the span of the head's first --w-ov-rank singular vectors; then
the text along which the head's outputs vary most is taken, its direction is
removed from the outputs and from the other texts, and so on, until there are
--texts-per-head. If the outputs vary equally along several texts, the first is
taken. The share of the outputs' variance that the texts explain is printed.

Reads the heads, which collect --mode heads wrote (--scores; also the .npy of
published caches), and the texts with their embeddings, which are used as they
are, not centred. The published results are of caches made with collect --form
published, the last 4 layers and 20 texts per head.

With the MLPs of the same images (--parts, from collect --mode mlps), labels
(--data-path) and class embeddings (--imagenet-zeroshot-path), also measures
zero-shot accuracy with these heads rebuilt from their texts: as their mean and
their components along the texts. Everything else is kept; in a second row, the
heads of earlier layers are at their means too, as in the authors' script.

Writes the texts to --save-path: a .txt with the texts of each layer and head as
the authors' script lists them, and the accuracy that it has (the second row),
or a .json that also has the explained shares and the accuracies of both rows.
Memory does not depend on the number of images.`

func newTextSpanCommand(g *globalOptions) *cobra.Command {
	var opts textspanOptions
	cmd := &cobra.Command{
		Use:   "textspan --scores PATH --text-descs-list-path FILE",
		Short: "Find the texts that span each head of a vision transformer",
		Long:  textspanHelp,
		Example: "clipnh textspan --scores caches/heads --text-descs-list-path 30k.txt \\\n" +
			"  --text-descs-embeddings-path caches/30k_embed.npy --save-path spans.txt\n" +
			"clipnh textspan --scores caches/heads --parts caches/mlps \\\n" +
			"  --text-descs-list-path 30k.txt \\\n" +
			"  --text-descs-embeddings-path caches/30k_embed.npy \\\n" +
			"  --data-path imagenet --imagenet-zeroshot-path caches/classes.npy",
		Args:        noArgs,
		Annotations: exitStatus(exitSkipped, exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.given, opts.set = cmd.Flags().Changed, setFlags(cmd.Flags())
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runTextSpan(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// textspanOptions is everything the textspan command can be told.
type textspanOptions struct {
	given   givenFlags
	set     givenFlags // has a value that someone gave it
	stage   evaluate.TextSpanOptions
	restart bool // discard what was made from something else
}

func (o *textspanOptions) addFlags(fs *pflag.FlagSet) {
	s := &o.stage
	fs.StringVarP(&s.ScoresPath, "scores", "s", "", "`PATH` of the heads that collect --mode heads wrote")
	fs.StringSliceVar(&s.Parts, "parts", nil, "`PATH,...` of the MLPs of the images of --scores, for accuracies and features")
	fs.StringVar(&s.TextsPath, "text-descs-list-path", "", "`FILE` of texts, one per line, or the name of a fetched list, such as words; - is standard input")
	takesAsset(fs, "text-descs-list-path", configs.AssetWords)
	fs.StringVar(&s.EmbeddingsPath, "text-descs-embeddings-path", "", "`FILE` of embeddings of the texts, .npy or .pt")
	fs.IntVar(&s.TextsPerHead, "texts-per-head", 20, "take at most `K` texts for each head")
	fs.IntVar(&s.LastLayers, "num-of-last-layers", 4, "span the heads of the last `N` layers")
	fs.IntVar(&s.Rank, "w-ov-rank", 80, "project texts onto the span of the head's first `R` singular vectors")
	fs.StringVarP(&s.SpansPath, "save-path", "o", "", "`FILE` for the texts of each head, .txt or .json")
	fs.StringVar(&s.Data.Kind, "dataset", dataset.ImageNetVal, "layout of --data-path: `KIND` imagenet_val (labelled: one folder per class), imagenet_test, cars, cars_test or images")
	choices(fs, "dataset", dataset.Kinds()...)
	labelKeyFlag(fs, &s.Data.LabelKey)
	fs.StringVarP(&s.Data.Path, "data-path", "d", "", "`PATH` of the images, which have the labels: a folder, an archive or a list")
	fs.IntVar(&s.Stride, "sample-stride", 1, "--scores are of every `K`-th image of --data-path in name order; those that collect wrote say it themselves")
	fs.StringVar(&s.ClassesPath, "imagenet-zeroshot-path", "", "`FILE` of class embeddings in the order of the labels, .npy or .pt")
	fs.StringVar(&s.FeaturesPath, "features-save-path", "", "`FILE` for the features with the heads rebuilt, .npy, [V,B,O]")
	fs.BoolVar(&o.restart, "restart", false, "discard what is at --save-path and --features-save-path, even if it was made from something else")
}

func (o *textspanOptions) validate() error {
	s := &o.stage
	if err := require("--scores", s.ScoresPath, "--text-descs-list-path", s.TextsPath, "--text-descs-embeddings-path", s.EmbeddingsPath); err != nil {
		return err
	}
	switch {
	case s.TextsPerHead < 1:
		return fmt.Errorf("--texts-per-head %d: want 1 or more", s.TextsPerHead)
	case s.LastLayers < 1:
		return fmt.Errorf("--num-of-last-layers %d: want 1 or more", s.LastLayers)
	case s.Rank < 1:
		return fmt.Errorf("--w-ov-rank %d: want 1 or more", s.Rank)
	case s.Stride < 1:
		return fmt.Errorf("--sample-stride %d: want 1 or more", s.Stride)
	case !slices.Contains(dataset.Kinds(), s.Data.Kind):
		return fmt.Errorf("--dataset %q: want %s", s.Data.Kind, strings.Join(dataset.Kinds(), ", "))
	case s.SpansPath != "" && !artefact.IsTextSpans(s.SpansPath):
		return fmt.Errorf("--save-path %s: want a .txt or .json file", s.SpansPath)
	case s.FeaturesPath != "" && !strings.HasSuffix(s.FeaturesPath, ".npy"):
		return fmt.Errorf("%s: want a .npy file", s.FeaturesPath)
	case s.ClassesPath != "" && s.Data.Path == "":
		return errors.New("--imagenet-zeroshot-path needs --data-path, which has the labels")
	}
	return o.given.refuseIn(
		rule{s.ClassesPath == "" && s.FeaturesPath == "", "without --imagenet-zeroshot-path or --features-save-path", []string{"parts"}},
		rule{s.ClassesPath == "", "without --imagenet-zeroshot-path", []string{"data-path"}},
		rule{s.Data.Path == "", "without --data-path", []string{"dataset", "label-key", "sample-stride"}},
		rule{s.Data.Path != "" && saysStride(s.ScoresPath), "with --scores, which say what --sample-stride they were collected with", []string{"sample-stride"}},
		rule{s.SpansPath == "" && s.FeaturesPath == "", "without --save-path or --features-save-path", []string{"restart"}})
}

func runTextSpan(ctx context.Context, opts textspanOptions, g *globalOptions) error {
	o := opts.stage
	var err error
	if o.Texts, err = g.texts.lines("text-descs-list-path", o.TextsPath); err != nil {
		return err
	}
	o.FitTexts, o.FitRank = !opts.set("texts-per-head"), !opts.set("w-ov-rank")
	o.Artefacts, o.Writer, o.Threads = g.artefacts(), g.writer(opts.restart), g.workers()
	result, err := evaluate.TextSpan(ctx, o, g.printer)
	if result == nil {
		return err
	}
	written := err
	if g.json {
		err = g.printer.JSON(result)
	} else {
		err = printTextSpan(g.printer, result)
	}
	var skipped error
	if result.Evaluation != nil {
		skipped = skippedImages(result.Evaluation)
	}
	return outcome(written, err, skipped)
}

// shownTexts is how many texts of a head are in the table.
const shownTexts = 3

func printTextSpan(p *ui.Printer, r *evaluate.TextSpanResult) error {
	t := ui.NewTable(ui.Left("head"), ui.Right("rank"), ui.Right("texts"), ui.Right("explained %"), ui.Left("first texts"))
	for _, h := range r.Heads {
		var first []string
		for _, text := range h.Texts[:min(shownTexts, len(h.Texts))] {
			first = append(first, text.Text)
		}
		t.Row(h.Head, fmt.Sprint(h.Rank), fmt.Sprint(len(h.Texts)), fmt.Sprintf("%.1f", 100*h.Explained()), strings.Join(first, "; "))
	}
	if err := p.Table(t); err != nil || r.Evaluation == nil {
		return err
	}
	return errors.Join(p.Text("\n"), printEvaluation(p, r.Evaluation))
}
