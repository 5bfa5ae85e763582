package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/pipeline/show"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/trend"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
)

const showHelp = `
Prints on one screen what is known about a unit, h3n149 for the pair of head 3
and neuron 149, or n149 for a neuron (in a vision transformer l10h3n149, for
head 3 of layer 10 and neuron 149 of layer 9, or l9n149): how large its
contributions to the images of a collection are, its words, the images on which
it is strongest, weakest and in the middle, and related units by descending mean
norm: the pairs of the same neuron and, for a pair, also those of the same head.

Images are ranked as retrieve ranks them: by the norm of the unit's
contribution, not centred, its share of the bias included; of equal norms the
earlier image comes first. A neuron's contribution is the sum over heads.

Reads scores that collect wrote (--scores), only those that are needed. Words of
units are computed as by describe, from components and embeddings of words
(--text-descs-embeddings-path, with --pcs-path for pairs and --neuron-pcs-path
for neurons), or read from codes that sparse wrote (--codes, at most twice: one
file of pairs, one of neurons). The output says which, since coefficients of
different codes are not on the same scale. A word with a negative coefficient
says what the unit is not.

Of a head, h3 or l10h3, --scores has what heads add (collect --mode heads). The
output has the norms of what it adds to images, by which these are ranked; its
texts, with the variance that each explains together with those before it
(--spans-path, from textspan); with the MLPs of the same images (--parts) its
share of the feature, as report has it; and the heads of its layer.

Writes to standard output.`

func newShowCommand(g *globalOptions) *cobra.Command {
	var opts showOptions
	cmd := &cobra.Command{
		Use:   "show UNIT --scores PATH",
		Short: "Show one pair, neuron or head: words, images, neighbours",
		Long:  showHelp,
		Example: "clipnh show h3n149 --scores caches/photos \\\n" +
			"  --codes caches/codes.npz --text-descs-list-path 30k.txt\n" +
			"clipnh show n149 --scores caches/photos --top 10\n" +
			"clipnh show l10h3 --scores caches/heads --parts caches/mlps \\\n" +
			"  --spans-path caches/spans.json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("%s given: want one, such as h12n624, n624 or h12%s", quantity.Of(len(args), "unit"), ofTransformers)}
			}
			return nil
		},
		Annotations: exitStatus(exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.stage.Unit, opts.given, opts.set = args[0], cmd.Flags().Changed, setFlags(cmd.Flags())
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runShow(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// showOptions is everything the show command can be told: the stage's options.
type showOptions struct {
	given, set givenFlags // on the command line; by someone
	stage      show.Options
	parts      []string // of a head
	spans      string
}

func (o *showOptions) addFlags(fs *pflag.FlagSet) {
	s := &o.stage
	fs.StringVarP(&s.ScoresPath, "scores", "s", "", "`PATH` of scores that collect wrote, or of heads (collect --mode heads)")
	fs.IntVar(&s.Top, "top", 3, "list `N` images of each kind: strongest, in the middle, weakest")
	fs.IntVar(&s.Beside, "list", 5, "list the `N` strongest pairs of the same neuron, and of the same head; of a head, heads of its layer")
	fs.StringVar(&o.spans, "spans-path", "", "of a head: `FILE` of texts of heads that textspan wrote, .txt or .json")
	fs.StringSliceVar(&o.parts, "parts", nil, "of a head: `PATH,...` of the MLPs of the images, for its share of the feature")
	fs.StringArrayVar(&s.DecompositionPaths, "codes", nil, "`FILE` of codes that sparse wrote, .npz; may be given twice")
	takesWords(fs, &s.WordsPath)
	fs.StringVar(&s.EmbeddingsPath, "text-descs-embeddings-path", "", "`FILE` of embeddings of the words, .npy or .pt, to compute words of components")
	fs.StringVarP(&s.PCsPath, "pcs-path", "p", "", "`FILE` of principal components of pairs, .npy, for words")
	fs.StringVar(&s.NeuronPCsPath, "neuron-pcs-path", "", "`FILE` of principal components of neurons, .npy, for words")
	fs.IntVar(&s.Components, "num-components", describeComponents, fmt.Sprintf("show `K` words, of codes the largest; of units beside it the first %d unless it is given", namedWords))
}

func (o *showOptions) validate() error {
	s := &o.stage
	if err := require("--scores", s.ScoresPath); err != nil {
		return err
	}
	for _, n := range []struct {
		flag         string
		value, least int
	}{{"top", s.Top, 1}, {"list", s.Beside, 0}, {"num-components", s.Components, 1}} {
		if n.value < n.least {
			return fmt.Errorf("--%s %d: want %d or more", n.flag, n.value, n.least)
		}
	}
	if headName.MatchString(s.Unit) {
		return o.validateHead()
	}
	if !unitName.MatchString(s.Unit) {
		return fmt.Errorf("unit %q: want %s", s.Unit, asNamed(s.Unit, "a pair, such as h12n624, a neuron, such as n624, or a head, such as h12"))
	}
	read, computed := len(s.DecompositionPaths) > 0, s.EmbeddingsPath != ""
	switch {
	case read && computed:
		return errors.New("--codes and --text-descs-embeddings-path: want one of them")
	case (read || computed) && s.WordsPath == "":
		return errors.New("--codes and --text-descs-embeddings-path need --text-descs-list-path")
	case !read && !computed && s.WordsPath != "":
		return errors.New("--text-descs-list-path needs --codes, or --text-descs-embeddings-path")
	case computed && s.PCsPath == "" && s.NeuronPCsPath == "":
		return errors.New("--text-descs-embeddings-path needs --pcs-path or --neuron-pcs-path")
	}
	return o.given.refuseIn(
		rule{true, "on a pair or neuron, only on a head", ofHead},
		rule{!computed, "without --text-descs-embeddings-path", []string{"pcs-path", "neuron-pcs-path"}},
		rule{unit.NamesHead(s.Unit), "on a pair, whose words need --pcs-path", []string{"neuron-pcs-path"}},
		rule{!read && !computed, "without --codes or --text-descs-embeddings-path", []string{"num-components"}})
}

// unitName matches the name of a pair or neuron, of a vision transformer too.
var unitName = regexp.MustCompile(`(?i)^(l\d+)?(h\d+)?n\d+$`)

func runShow(ctx context.Context, opts showOptions, g *globalOptions) error {
	if headName.MatchString(opts.stage.Unit) {
		return runShowHead(ctx, opts, g)
	}
	o := opts.stage
	o.Artefacts, o.Threads = g.artefacts(), g.workers()
	if o.WordsPath != "" {
		var err error
		if o.Words, err = g.texts.lines("text-descs-list-path", o.WordsPath); err != nil {
			return err
		}
		o.Components = opts.given.components(o.Components, o.Words)
	}
	result, err := show.Run(ctx, o, g.printer)
	if err != nil {
		return err
	}
	beside := 0
	for _, group := range result.Beside {
		beside = max(beside, group.Count)
	}
	g.sayFewer(opts.set, listing{"top", o.Top, result.Images, ui.Images, ""}, listing{"list", o.Beside, beside, ui.Pairs, "beside it"})
	if len(o.DecompositionPaths) > 0 {
		g.sayFewer(opts.set, listing{"num-components", o.Components, len(result.Words), ui.Words, "in its code"})
	}
	if g.json {
		return g.printer.JSON(result)
	}
	return printShow(result, o.WordsPath != "", opts.given.named(o.Components), g.printer)
}

func printShow(r *show.Result, described bool, named int, p *ui.Printer) error {
	spreads := []spread{{"norm", r.Norms}}
	if r.Scores != nil {
		spreads = append(spreads, spread{"score", *r.Scores})
	}
	if err := p.Table(spreadTable(r.Unit, spreads...)); err != nil {
		return err
	}
	if r.Direction != nil {
		text := fmt.Sprintf("A score of 1 adds a vector of norm %s.\n", number(*r.Direction))
		if *r.Direction == 0 {
			text = "The weights of this pair are zero, as after \"clipnh edit --remove\": it adds the same\nto every image, so strongest and weakest mean nothing.\n"
		}
		if err := p.Text(text); err != nil {
			return err
		}
	}
	if described {
		words := "none: the codes have no words for it"
		from := ""
		switch {
		case len(r.Words) > 0:
			words = weightedWords(r.Words)
			from = " (" + r.From + ")"
		case r.Uncoded:
			words = fmt.Sprintf("none: the codes are of some units only, and %s is not among them", r.Unit)
		case r.From == "" && r.Head != nil:
			words = "none: those of a pair need --pcs-path with --text-descs-embeddings-path, or --codes of pairs"
		case r.From == "":
			words = "none: those of a neuron need --neuron-pcs-path with --text-descs-embeddings-path, or --codes of neurons"
		}
		if err := p.Text("\nWords" + from + ": " + words + "\n"); err != nil {
			return err
		}
	}
	if err := printHits(r.Images, r.Scores != nil, r.Strongest, r.Median, r.Weakest, p); err != nil {
		return err
	}
	for _, g := range r.Beside {
		columns := []ui.Column{ui.Left("pairs of " + g.Of), ui.Right(fmt.Sprintf("rank of %d", g.Count)), ui.Right("mean norm"), ui.Right("largest"), ui.Left("strongest image")}
		if described {
			columns = append(columns, ui.Left("words"))
		}
		t := ui.NewTable(columns...)
		for _, u := range g.Units {
			row := []string{u.Unit, fmt.Sprint(u.Rank), number(u.Mean), number(u.Largest), u.Image}
			if described {
				row = append(row, signedWords(u.Words, named))
			}
			t.Row(row...)
		}
		if len(g.Units) == 0 {
			continue
		}
		if err := errors.Join(p.Text("\n"), p.Table(t)); err != nil {
			return err
		}
	}
	return nil
}

// A spread is how numbers of images are spread.
type spread struct {
	name string
	trend.Summary
}

func spreadTable(unit string, of ...spread) *ui.Table {
	t := ui.NewTable(ui.Left(unit), ui.Right("mean"), ui.Right("deviation"), ui.Right("smallest"), ui.Right("median"), ui.Right("largest"))
	for _, s := range of {
		t.Row(s.name, number(s.Mean), number(s.Deviation), number(s.Smallest), number(s.Median), number(s.Largest))
	}
	return t
}

// printHits prints the images of a unit, out of all that there are.
func printHits(images int, scored bool, strongest, median, weakest []show.Hit, p *ui.Printer) error {
	columns := []ui.Column{ui.Left("images"), ui.Right(fmt.Sprintf("rank of %d", images)), ui.Left("file"), ui.Right("norm")}
	if scored {
		columns = append(columns, ui.Right("score"))
	}
	t := ui.NewTable(columns...)
	for _, kind := range []struct {
		name string
		hits []show.Hit
	}{{"strongest", strongest}, {"median", median}, {"weakest", weakest}} {
		name := kind.name
		for _, h := range kind.hits {
			row := []string{name, fmt.Sprint(h.Rank), h.Name, number(float64(h.Norm))}
			if h.Score != nil {
				row = append(row, number(float64(*h.Score)))
			}
			t.Row(row...)
			name = ""
		}
	}
	return errors.Join(p.Text("\n"), p.Table(t))
}

// weightedWords lists terms with their coefficients.
func weightedWords(terms []artefact.Term) string {
	words := make([]string, len(terms))
	for i, t := range terms {
		words[i] = fmt.Sprintf("%s %.3f", t.Word, t.Coefficient)
	}
	return strings.Join(words, ", ")
}

// number formats a measured number.
func number(x float64) string { return fmt.Sprintf("%#.4g", x) }
