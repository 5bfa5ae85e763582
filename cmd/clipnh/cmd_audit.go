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

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/audit"
	"github.com/clipnh/clipnh/internal/ui"
)

const auditHelp = `
Finds out whether a zero-shot classifier relies on a spurious cue, such as the
background, which pairs carry it, and how accurate the classifier is without
these pairs.

Images have a label, one of --classes, and a group, such as the background: in a
table with columns image, label and group (--labels-csv), or by their folders,
LABEL/GROUP/ (without it). Every row of the table must have its image, with the
same name and, if the row has folders, in these. Scores are those that collect
wrote (--scores), or are computed (--model and --data-path) and kept in a
temporary file meanwhile.

It prints
  - the accuracy of each group, the worst one, and the gap to the mean;
  - the pairs whose share of the margin goes with the group, among images of the
    same label. The margin is the logit of the label less that of the strongest
    other class, a sum over pairs; r is the point-biserial correlation of a
    pair's share and the group, and P says how likely any of the pairs has one
    as significant by chance: groups are permuted within labels --permutations
    times. Pairs of P at most --level are found, those first that widen the
    difference between the groups' margins most;
  - the accuracy of the worst group and the mean as 1, 2, 5, 10, 20, 50, ... of
    those that widen differences are mean-ablated;
  - the command that makes the checkpoint without the chosen number of them.

Each group is split in half at random (--seed). The pairs, and how many to
remove, are chosen on one half; the accuracies without them are measured on the
other.

Heads of the first order take the place of pairs where --scores are what collect
--mode heads wrote; of a vision transformer, with the MLPs of the same images
(--parts, by collect --mode mlps). What a head adds to an image is replaced by
its mean, with all that later layers make of it: which heads carry the cue.
These have no one direction, so --pcs-path, --codes and cosines with concepts
are of pairs only; their words are the texts that textspan wrote (--spans-path).
The commands that it prints edit the heads of one layer at a time, the last one
first; by zero where means do not tell what heads give, as in a model with few
dimensions, which is said.

With --concepts, it also prints the correlation of the image's cosine with each
concept and the group, and the cosines of pairs with concepts. Pairs have words
if codes that sparse wrote are given (--codes), or components and embeddings of
words (--text-descs-embeddings-path and --pcs-path), from which they are
computed as by describe.

Writes a folder (--out): audit.md, a page to hand in; audit.json, which has
everything, also printed by --json; curve.png, the accuracies; removed.txt, the
chosen pairs, for clipnh edit; and pairs.png, images of the first pairs, where
image files are given (with --scores, those of --data-path; those that have
changed since they were collected are named, and --strict stops instead). In a
vision transformer, no weight is that of a pair alone: neurons.txt has the
neurons of the chosen pairs, and the command takes these out.
If anything is wrong, nothing is written.`

func newAuditCommand(g *globalOptions) *cobra.Command {
	var opts auditOptions
	cmd := &cobra.Command{
		Use:   "audit --scores PATH --classes NAMES --labels-csv FILE --out DIR",
		Short: "Find pairs that a classifier should not rely on",
		Long:  auditHelp,
		Example: "clipnh audit --scores caches/june --labels-csv groups.csv \\\n" +
			"  --classes \"dog,wolf\" --concepts \"grass,snow\" --model RN50x16.pt \\\n" +
			"  --vocab bpe_simple_vocab_16e6.txt.gz --out wolves",
		Args:        noArgs,
		Annotations: exitStatus(exitSkipped, exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.given, opts.set = cmd.Flags().Changed, setFlags(cmd.Flags())
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runAudit(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// auditOptions is everything the audit command can be told: the stage's options, which
// most flags set, and texts from which others are made.
type auditOptions struct {
	sourceOptions
	stage audit.Options

	classes, concepts, templates textList
	useTemplates                 bool
	list                         int
	otherData                    string // a data path that stands aside for the scores
}

func (o *auditOptions) addFlags(fs *pflag.FlagSet) {
	s := &o.stage
	fs.StringVarP(&o.from.ScoresPath, "scores", "s", "", "`PATH` of scores that collect wrote")
	fs.StringSliceVar(&o.from.Parts, "parts", nil, "`PATH` of the MLPs of the images of --scores, which has their heads")
	modelFlag(fs, &o.from.Model)
	detailFlags(fs, &o.from.Details)
	imageDetailFlags(fs, &o.from.Details)
	neuronLayerFlag(fs, &o.from.NeuronLayer, layerOfInputs)
	fs.StringVarP(&o.from.Data.Path, "data-path", "d", "", "`PATH` of the images: a folder, an archive or a list")
	fs.StringVar(&o.from.Data.Kind, "dataset", dataset.Images, "layout of --data-path: `KIND` imagenet_val, imagenet_test, cars, cars_test or images")
	choices(fs, "dataset", dataset.Kinds()...)
	takesCollectedKind(fs)
	labelKeyFlag(fs, &o.from.Data.LabelKey)
	fs.IntVar(&o.from.Stride, "sample-stride", 1, "take every `K`-th image in name order")
	fs.StringVar(&s.LabelsPath, "labels-csv", "", "`FILE` with columns image, label and group (default images lie in LABEL/GROUP/)")
	classesFlag(fs, &o.classes)
	fs.StringVar(&s.ClassesPath, "imagenet-zeroshot-path", "", "`FILE` of embeddings of the classes, instead of --vocab, .npy or .pt")
	textsFlag(fs, &o.concepts, "concepts", "", "concepts that groups may be about, such as \"water,land\""+textsHelp, isList)
	fs.StringVar(&s.ConceptsPath, "text-embeddings-path", "", "`FILE` of embeddings of the concepts, instead of --vocab, .npy or .pt")
	vocabFlag(fs, &s.Vocab)
	templatesFlag(fs, &o.templates, "text")
	fs.BoolVar(&o.useTemplates, "use-templates", true, "put texts into templates; =false encodes them as they are")
	fs.StringArrayVar(&s.DecompositionPaths, "codes", nil, "`FILE` of codes of pairs that sparse wrote, .npz")
	takesWords(fs, &s.WordsPath)
	fs.StringVar(&s.EmbeddingsPath, "text-descs-embeddings-path", "", "`FILE` of embeddings of the words, .npy or .pt, to compute words of components")
	fs.StringVarP(&s.PCsPath, "pcs-path", "p", "", "`FILE` of principal components of pairs, .npy, for words")
	fs.StringVar(&s.SpansPath, "spans-path", "", "`FILE` of texts of heads that textspan wrote, .txt or .json")
	fs.IntVar(&s.Components, "num-components", describeComponents, wordsUsage)
	fs.Uint64Var(&s.Seed, "seed", 0, "draw halves and permutations with this `SEED`")
	fs.IntVar(&s.Permutations, "permutations", 1000, "permute the groups `N` times")
	fs.Float64Var(&s.Level, "level", 0.05, "find pairs whose corrected probability is at most `P`")
	fs.IntVar(&o.list, "list", 10, "print the `N` first pairs; --json has all")
	fs.IntVar(&s.Sheets, "sheet-pairs", 10, "draw the images of the `N` first pairs")
	fs.IntVar(&s.TopImages, "top-images", 8, "name and draw the `N` strongest images of each pair")
	fs.StringVarP(&s.Dir, "out", "o", "", "`DIR` for the page")
	fs.IntVar(&o.from.BatchSize, "batch-size", 8, batchUsage)
	precisionFlag(fs, &o.precision)
	fs.BoolVar(&o.from.Strict, "strict", false, "stop at an image that cannot be read")
	imageFlags(fs, &o.from.Images)
}

func (o *auditOptions) validate() error {
	s, embeds := &o.stage, o.stage.ClassesPath == "" || o.concepts.given() && o.stage.ConceptsPath == ""
	if err := require("--classes", o.classes.String(), "--out", s.Dir); err != nil {
		return err
	}
	if err := cmp.Or(o.classes.check(), o.concepts.check(), o.templates.check()); err != nil {
		return err
	}
	read, computed := len(s.DecompositionPaths) > 0, s.EmbeddingsPath != ""
	switch {
	case o.from.ScoresPath == "" && (o.from.Model == "" || o.from.Data.Path == ""):
		return errors.New("no images given: want --scores, or --model and --data-path")
	case embeds && (o.from.Model == "" || s.Vocab == ""):
		return errors.New("texts are embedded with --model and --vocab: want both, or --imagenet-zeroshot-path (of concepts, --text-embeddings-path)")
	case !o.useTemplates && o.templates.given():
		return errors.New("--templates and --use-templates=false: want one of them")
	case read && computed:
		return errors.New("--codes and --text-descs-embeddings-path: want one of them")
	case (read || computed) != (s.WordsPath != ""):
		return errors.New("--text-descs-list-path goes with --codes or --text-descs-embeddings-path: want two or none")
	case computed != (s.PCsPath != ""):
		return errors.New("--text-descs-embeddings-path and --pcs-path: want both or neither")
	case s.SpansPath != "" && o.from.ScoresPath == "":
		return errors.New("--spans-path is of heads: want them as --scores")
	case s.SpansPath != "" && (read || computed):
		return errors.New("--spans-path is of heads, --codes and --pcs-path are of pairs: want one of them")
	case s.SpansPath != "" && !artefact.IsTextSpans(s.SpansPath):
		return fmt.Errorf("--spans-path %s: want a .txt or .json file", s.SpansPath)
	case len(s.DecompositionPaths) > 1:
		return errors.New("--codes is given twice: want one, of pairs")
	case !(s.Level > 0 && s.Level < 1):
		return fmt.Errorf("--level %g: want a number between 0 and 1", s.Level)
	case s.Permutations < 1 || s.Permutations > maxPermutations:
		return fmt.Errorf("--permutations %d: want 1 to %d", s.Permutations, maxPermutations)
	case s.TopImages > maxTopImages:
		return fmt.Errorf("--top-images %d: want 0 to %d", s.TopImages, maxTopImages)
	case s.Sheets > maxSheetPairs:
		return fmt.Errorf("--sheet-pairs %d: want 0 to %d", s.Sheets, maxSheetPairs)
	}
	for _, n := range []struct {
		flag         string
		value, least int
	}{{"list", o.list, 0}, {"sheet-pairs", s.Sheets, 0}, {"top-images", s.TopImages, 0}, {"num-components", s.Components, 1}} {
		if n.value < n.least {
			return fmt.Errorf("--%s %d: want %d or more", n.flag, n.value, n.least)
		}
	}
	err := o.given.refuseIn(
		rule{o.from.ScoresPath == "", "without --scores", []string{"parts"}},
		rule{!embeds, "without texts to embed", []string{"vocab", "templates", "use-templates"}},
		rule{!o.concepts.given(), "without --concepts", []string{"text-embeddings-path"}},
		rule{!read && !computed && s.SpansPath == "", "without --codes, --text-descs-embeddings-path or --spans-path", []string{"num-components"}},
		rule{o.from.ScoresPath != "" && o.from.Data.Path == "", "without image files (--data-path)", []string{"sheet-pairs"}})
	if err != nil {
		return err
	}
	o.draws = o.from.Data.Path != ""
	return o.sourceOptions.validate()
}

// pipeline returns the options of the stage, with the files of classes, concepts, words
// and templates read.
func (o *auditOptions) pipeline(g *globalOptions) (audit.Options, error) {
	s := o.stage
	s.Options, s.Threads, s.Store, s.CommandLines = o.images(g), g.workers(), g.files, o.editLines
	o.otherData = g.standingAside("data-path")
	s.Named = o.given.named(s.Components)
	var err error
	if s.Texts.Classes, err = parseNames(&o.classes, g); err != nil {
		return s, err
	}
	if o.concepts.given() {
		if s.Concepts, err = parseNames(&o.concepts, g); err != nil {
			return s, err
		}
	}
	if s.WordsPath != "" {
		if s.Words, err = g.texts.lines("text-descs-list-path", s.WordsPath); err != nil {
			return s, err
		}
		s.Components = o.given.components(s.Components, s.Words)
	}
	if s.ClassesPath == "" || o.concepts.given() && s.ConceptsPath == "" {
		prompts := embedOptions{templates: o.templates, useTemplates: o.useTemplates}
		s.Templates, err = prompts.prompts(g)
	}
	return s, err
}

// editLines are the command lines that make the checkpoint without some units: edit, and before
// it, where nothing collected says what takes their place, collect. Heads are edited layer by
// layer.
func (o *auditOptions) editLines(r audit.Removed) []string {
	model, edited := cmp.Or(o.from.Model, "FILE"), filepath.Join(o.stage.Dir, "edited.pt")
	if r.Heads == nil {
		return o.editLine(r, model, "@"+r.List, edited, "")
	}
	return inSteps(r.Heads, model, o.stage.Dir, func(model, heads, save, step string) []string {
		return o.editLine(r, model, heads, save, step)
	})
}

// editLine is one step of editLines, whose means have a name that ends in step.
func (o *auditOptions) editLine(r audit.Removed, model, units, save, step string) []string {
	of := append([]string{"--model", model}, ranAs(r.Of)...)
	edit := append(append([]string{"clipnh", "edit"}, of...), "--remove", units)
	if r.ByZero {
		return []string{ui.ShellLine(append(edit, "--by", "zero", "--save-path", save))}
	}
	flag, means := "--scores", o.from.ScoresPath
	var lines []string
	if means == "" || r.Neurons || r.Heads != nil {
		collect := []string{"clipnh", "collect", "--mean"}
		switch means = filepath.Join(o.stage.Dir, "means"+step); {
		case r.Neurons:
			flag, means = "--means-path", filepath.Join(o.stage.Dir, "activations.npy")
			collect = append(collect, "--mode", "neuron_acts")
		case r.Layered:
			flag, means = "--means-path", means+".npy"
			collect = append(collect, "--mode", "heads")
		}
		collect = append(append(collect, of...), o.imageFlagsOf(r.Of)...)
		lines = append(lines, ui.ShellLine(append(collect, "--save-path", means)))
	}
	return append(lines, ui.ShellLine(append(edit, flag, means, "--save-path", save)))
}

func runAudit(ctx context.Context, opts auditOptions, g *globalOptions) error {
	o, err := opts.pipeline(g)
	if err != nil {
		return err
	}
	result, err := audit.Run(ctx, o, g.printer)
	if result == nil {
		return err
	}
	written := err
	units := ui.Pairs
	if result.OfHeads() {
		units = ui.Heads
	}
	g.sayFewer(opts.set, listing{"list", opts.list, len(result.Pairs), units, "that go with groups"},
		listing{"sheet-pairs", o.Sheets, len(result.Pairs), units, "that go with groups"}, listing{"top-images", o.TopImages, result.Images, ui.Images, ""})
	if g.json {
		err = g.printer.JSON(result)
	} else {
		err = printAudit(result, opts.list, o.Named, g.printer)
	}
	var skipped error
	if n := len(result.Skipped); n > 0 {
		skipped = fmt.Errorf("%w %s", errSkipped, ui.Images.Count(int64(n)))
	}
	return outcome(written, err, skipped)
}

func printAudit(r *audit.Result, list, words int, p *ui.Printer) error {
	groups := ui.NewTable(ui.Left("label"), ui.Left("group"), ui.Right("images"), ui.Right("accuracy %"), ui.Right("mean margin"))
	for _, g := range r.Before.Groups {
		groups.Row(g.Label, g.Group, fmt.Sprint(g.Images), fmt.Sprintf("%.1f", 100*g.Accuracy), fmt.Sprintf("%.2f", g.Margin))
	}
	summary := ui.NewTable(ui.Left(""), ui.Left(""))
	worst := r.Before.Groups[r.Before.Group]
	summary.Row("mean accuracy", fmt.Sprintf("%.1f %%", 100*r.Before.Mean))
	summary.Row("worst group", fmt.Sprintf("%.1f %%, %s in %s; gap %.1f points", 100*r.Before.Worst, worst.Label, worst.Group, 100*r.Before.Gap))
	summary.Row(r.Units, fmt.Sprintf("%d of %d go with groups, P at most %g", r.Found, r.Tried(), r.Level))
	if r.Chosen > 0 {
		summary.Row("removed", fmt.Sprintf("%d: on the other half, worst group %.1f %% (before %.1f %%), mean %.1f %% (before %.1f %%)",
			r.Chosen, 100*r.After.Worst, 100*r.Untouched.Worst, 100*r.After.Mean, 100*r.Untouched.Mean))
	}
	if len(r.Files) > 0 { // none where one could not be written
		summary.Row("page", strings.Join(r.Files, ", "))
	}
	err := errors.Join(p.Table(groups), p.Text("\n"), p.Table(summary))
	if n := min(list, len(r.Pairs)); n > 0 {
		err = errors.Join(err, p.Text("\n"), p.Table(auditedPairs(r, n, words)))
	}
	if len(r.Curve) > 1 {
		t := ui.NewTable(ui.Right(r.Units+" removed"), ui.Right("worst group %"), ui.Right("mean %"))
		for _, c := range r.Curve {
			t.Row(fmt.Sprint(c.Removed), fmt.Sprintf("%.1f", 100*c.Worst), fmt.Sprintf("%.1f", 100*c.Mean))
		}
		err = errors.Join(err, p.Text("\n"), p.Table(t))
	}
	for i, line := range r.Commands {
		if i == 0 {
			line = "\n" + line
		}
		err = errors.Join(err, p.Text(line+"\n"))
	}
	return errors.Join(err, printRounding(p, r.Rounding))
}

func auditedPairs(r *audit.Result, n, named int) *ui.Table {
	pairs := r.Pairs[:n]
	columns := []ui.Column{ui.Left(strings.TrimSuffix(r.Units, "s")), ui.Right("effect"), ui.Right("r"), ui.Right("P"), ui.Left("label"), ui.Left("group")}
	words := slices.ContainsFunc(pairs, func(x audit.Pair) bool { return len(x.Words) > 0 })
	texts := slices.ContainsFunc(pairs, func(x audit.Pair) bool { return len(x.Texts) > 0 })
	if words {
		columns = append(columns, ui.Left("words"))
	}
	if texts {
		columns = append(columns, ui.Left("texts"))
	}
	t := ui.NewTable(columns...)
	for _, x := range pairs {
		row := []string{x.Unit, fmt.Sprintf("%+.3f", x.Effect), fmt.Sprintf("%+.3f", x.R), fmt.Sprintf("%.3g", x.P), x.Label, x.Group}
		if words {
			row = append(row, signedWords(x.Words, named))
		}
		if texts {
			row = append(row, x.FirstTexts(named))
		}
		t.Row(row...)
	}
	return t
}
