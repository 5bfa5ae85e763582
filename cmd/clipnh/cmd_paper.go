package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/build"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/paper"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

const paperHelp = `
Measures the results of the paper and reports them next to the published ones:
%s
Without names, all results for the model's family are measured: textspan and
second-order are about vision transformers, and have no published figures beside
them; the others are about ResNets. Without --model and --data-path the built-in
examples are used, which takes a minute or two; on real data some results take
hours.

Reads, below --data-path, imagenet/test, imagenet/val, VOC2010, stanford_cars
and refined_train.csv, each for the results that need it. A result whose data is
missing is left out with a warning. Runs other commands of clipnh and keeps,
below --dir, their artefacts and what each of them printed. Writes report.md and
report.json there: the results, the command lines, the hashes of the artefacts
and the time that each command took. A command runs again only if its inputs
have changed.`

func newPaperCommand(g *globalOptions) *cobra.Command {
	var opts paperOptions
	var list strings.Builder
	var names []string
	for _, r := range paperResults() {
		fmt.Fprintf(&list, "  %-16s%s\n", r.name, strings.ToLower(r.title[:1])+r.title[1:])
		names = append(names, r.name)
	}
	cmd := &cobra.Command{
		Use:   "paper [RESULT...]",
		Short: "Measure the paper's results and report them",
		Long:  fmt.Sprintf(paperHelp, list.String()),
		Example: "clipnh paper --dir paper\n" +
			"clipnh paper baseline ablation --model RN50x16.pt \\\n" +
			"  --vocab bpe_simple_vocab_16e6.txt.gz --words 30k.txt \\\n" +
			"  --data-path data --dir paper",
		Args:        cobra.ArbitraryArgs,
		ValidArgs:   names,
		Annotations: exitStatus(exitSkipped, exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.results, opts.given = args, cmd.Flags().Changed
			if err := opts.validate(names); err != nil {
				return usageError{err}
			}
			return runPaper(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// paperOptions is everything the paper command can be told.
type paperOptions struct {
	given   givenFlags
	results []string
	dir     string
	layer   *int // nil: by default
	details model.Details
	paperSources
}

func (o *paperOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.dir, "dir", "o", "paper", "`DIR` for artefacts, figures and the report")
	modelFlag(fs, &o.model)
	detailFlags(fs, &o.details)
	vocabFlag(fs, &o.vocab)
	defaultNeeds(fs, "vocab", "model", "words", "data-path")
	fs.StringVar(&o.words, "words", "", "`FILE` of words to describe components with, one per line, or the name of a fetched list, such as words")
	takesAsset(fs, "words", configs.AssetWords)
	fs.StringVarP(&o.data, "data-path", "d", "", "`DIR` of the data sets")
	fs.IntVar(&o.stride, "sample-stride", 5, "collect every `K`-th image of imagenet/test; the reference takes every 5th")
	fs.IntVar(&o.valStride, "val-stride", 1, "measure accuracy on every `K`-th image of imagenet/val; scores take 590 KB an image for RN50x16")
	fs.Var(layerFlag{&o.layer}, "neuron-layer", "`LAYER` of a vision transformer whose neurons second-order is about, from 0 (default the third last)")
	fs.StringVar(&o.neurons, "neur-idxs", "624", "`LIST` of neurons whose strongest images are shown")
}

func (o *paperOptions) validate(names []string) error {
	for _, r := range o.results {
		if !slices.Contains(names, r) {
			return fmt.Errorf("result %q: want %s", r, strings.Join(names, ", "))
		}
	}
	if err := require("--dir", o.dir); err != nil {
		return err
	}
	if _, err := o.family(); err != nil {
		return err
	}
	for _, flag := range []string{"sample-stride", "val-stride", "neur-idxs", "neuron-layer", "vit-heads", "activation"} {
		if o.onDemo() && o.given(flag) {
			return fmt.Errorf("--%s needs --model and --data-path: the example has its own", flag)
		}
	}
	if o.onDemo() {
		return nil
	}
	if _, err := parseNeurons(o.neurons); err != nil {
		return err
	}
	if err := checkDetails(o.details); err != nil {
		return err
	}
	switch {
	case o.stride < 1:
		return fmt.Errorf("--sample-stride %d: want 1 or more", o.stride)
	case o.valStride < 1:
		return fmt.Errorf("--val-stride %d: want 1 or more", o.valStride)
	}
	return require("--model", o.model, "--vocab", o.vocab, "--words", o.words, "--data-path", o.data)
}

// onDemo reports whether the example is used.
func (o *paperOptions) onDemo() bool {
	return o.model == "" && o.vocab == "" && o.words == "" && o.data == ""
}

// family is that of the models which the results named are about; empty without names.
func (o *paperOptions) family() (string, error) {
	family := ""
	for _, r := range paperResults() {
		switch {
		case !slices.Contains(o.results, r.name):
		case family != "" && family != r.family:
			return "", fmt.Errorf("result %s is about a %s, the others about a %s: want one command for each", r.name, r.family, family)
		default:
			family = r.family
		}
	}
	return family, nil
}

// sources returns the paths of the inputs. It writes the example if that is used.
func (o *paperOptions) sources() (paperSources, model.Details, error) {
	if !o.onDemo() {
		return o.paperSources, o.details, nil
	}
	dir := filepath.Join(o.dir, "demo")
	if _, err := demo.Layout(dir); err != nil {
		return paperSources{}, model.Details{}, err
	}
	src := paperSources{
		model: filepath.Join(dir, demo.Model), vocab: filepath.Join(dir, demo.Vocabulary), words: filepath.Join(dir, demo.Words),
		data: dir, stride: 1, valStride: 1, neurons: "498",
	}
	if family, _ := o.family(); family != viTs {
		return src, model.Details{}, nil
	}
	src.model = filepath.Join(dir, demo.ViTModel)
	return src, model.Details{Heads: demo.ViTHeads}, nil
}

// layerOf is the layer whose neurons the second-order result is of.
func (o *paperOptions) layerOf(m *model.Summary) (int, error) {
	layers := 0
	for _, n := range m.Layers {
		layers += n
	}
	switch {
	case o.layer == nil:
		return secondOrderLayer(layers), nil
	case *o.layer > layers-2:
		return 0, usageError{fmt.Errorf("--neuron-layer %d: want 0 to %d, a layer of %s before the last", *o.layer, layers-2, o.model)}
	}
	return *o.layer, nil
}

func runPaper(ctx context.Context, opts paperOptions, g *globalOptions) error {
	if err := paper.CanSave(opts.dir); err != nil {
		return hinted{err, "give another --dir"}
	}
	release, err := paper.Lock(g.files, opts.dir)
	if err != nil {
		return err
	}
	defer release()
	src, details, err := opts.sources()
	if err != nil {
		return err
	}
	model, err := model.Info(ctx, src.model, details)
	if err != nil {
		return err
	}
	if family, _ := opts.family(); family != "" && family != model.Family {
		return usageError{fmt.Errorf("%s: a %s, but %s needs a %s", src.model, model.Family, strings.Join(opts.results, ", "), family)}
	}
	report := &paper.Report{
		Program: build.Current().Name(), Model: model.Architecture, Weights: model.SHA256, Data: src.data,
		Rows: []paper.Row{}, Figures: []paper.Figure{}, Missing: []paper.Missing{},
	}
	plan := newPaperPlan(opts.dir, src, details, opts.onDemo())
	if model.Family == viTs {
		layer, err := opts.layerOf(model)
		if err != nil {
			return err
		}
		plan = newViTPlan(opts.dir, src, details, layer, opts.onDemo())
		report.Published = viTNote
		if opts.onDemo() {
			report.Published = viTDemoNote
			g.printer.Note("%s", viTDemoNote)
		}
	}
	runner := &paper.Runner{
		Dir: opts.dir, Program: report.Program, Now: time.Now, Exec: g.execute, Store: g.files,
		Skipped: func(err error) bool { return errors.Is(err, errSkipped) },
	}
	executed := 0
	all := map[string]*paper.Record{}
	say := func(step string, ran bool, rec *paper.Record) {
		if all[step] != nil {
			return
		}
		all[step] = rec
		if ran {
			executed++
			g.printer.Note("%s: %.1f s", step, rec.Seconds)
		}
	}
	for _, result := range paperResults() {
		if len(opts.results) > 0 && !slices.Contains(opts.results, result.name) || result.family != model.Family {
			continue
		}
		needed := plan.needed(result.steps)
		if path := plan.lacking(needed); path != "" {
			report.Missing = append(report.Missing, paper.Missing{Result: result.title, Why: path + " is missing"})
			g.printer.Warn("%s: left out, because %s is missing", result.name, path)
			continue
		}
		records, err := plan.run(ctx, runner, result, say)
		if err != nil {
			return err
		}
		rows, err := result.rows(plan, records)
		if err != nil {
			return err
		}
		for _, row := range rows {
			row.Result = result.title
			report.Rows = append(report.Rows, row)
		}
		if result.figures != nil {
			figures, err := result.figures(records)
			if err != nil {
				return err
			}
			for _, p := range figures {
				if p.Path, err = filepath.Rel(opts.dir, p.Path); err != nil {
					return err
				}
				p.Path, p.Result = filepath.ToSlash(p.Path), result.title
				report.Figures = append(report.Figures, p)
			}
		}
		for _, name := range needed {
			if !slices.ContainsFunc(report.Steps, func(r paper.Record) bool { return r.Step == name }) {
				rec := *records[name]
				rec.Result = nil
				report.Steps = append(report.Steps, rec)
			}
		}
	}
	if executed == 0 {
		g.printer.Note("nothing to do: %s, and none is out of date", quantity.Of(len(all), "step"))
	}
	if err := report.Save(g.files, opts.dir); err != nil {
		return err
	}
	if err := printPaper(report, g); err != nil {
		return err
	}
	if n := len(report.Missing); n > 0 {
		return fmt.Errorf("%w %d of the results, whose data is missing", errSkipped, n)
	}
	return nil
}

// execute runs a command line with --json, as if it had been typed, and returns what it
// prints. Its notes and warnings go where those of this command go.
func (g *globalOptions) execute(ctx context.Context, args []string) ([]byte, error) {
	var out bytes.Buffer
	err := g.typed(ctx, append(slices.Clone(args), "--json"), g.printer.WithOutput(&out))
	return out.Bytes(), err
}

func printPaper(report *paper.Report, g *globalOptions) error {
	if g.json {
		return g.printer.JSON(report)
	}
	t := ui.NewTable(ui.Left("result"), ui.Left(""), ui.Right("here"), ui.Right("published"), ui.Right("expected"))
	result := ""
	for _, row := range report.Rows {
		name := row.Result
		if name == result {
			name = ""
		}
		result = row.Result
		t.Row(name, row.Setting, paper.Format(&row.Value, row.Unit), paper.Format(row.Published, row.Unit), paper.Format(row.Expected, row.Unit))
	}
	return g.printer.Table(t)
}
