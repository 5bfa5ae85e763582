package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/merge"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/plot"
	"github.com/clipnh/clipnh/internal/ui"
)

const mergeHelp = `
Joins the shards that collect, segment or shift wrote with --shard, on one
machine or on several, into exactly the bytes of a single run (of collect
--stats-only too). Shards that are missing, unfinished, damaged, given twice or
made from something else are refused by name.

Reads the shards that are given, in any order, or else those next to
--save-path: for caches/val these are caches/val.1-of-16 and so on, for seg.json
seg.1-of-16.json. Writes --save-path and leaves the shards in place. A run that
was interrupted or killed resumes when the same command is run again.

Of several layers of neurons (collect --neuron-layer 9,10), every layer that has
shards in --save-path is merged there: caches/both/layer9.1-of-16 and so on into
caches/both/layer9. Layers that are complete are left as they are. Nothing is
written unless the shards of all layers are there. Shards of several layers that
are given are sorted by their names.

Many shards of collect may be merged in a tree, on several machines: --shards
1-64/4096 joins the first 64 of 4096 into a part, caches/val.1-64-of-4096, which
is taken in place of its shards by the next merge. The bytes in the end are the
same. "clipnh submit" does so with shards of --stats-only.

Prints what was merged; for segment also its table of classes and methods, for
shift that of concepts.`

func newMergeCommand(g *globalOptions) *cobra.Command {
	var opts mergeOptions
	cmd := &cobra.Command{
		Use:   "merge --save-path PATH [SHARD...]",
		Short: "Join the shards that several machines wrote",
		Long:  mergeHelp,
		Example: "clipnh collect --shard 1/2 --model RN50.pt --dataset images \\\n" +
			"  --data-path photos --save-path caches/photos\n" +
			"clipnh collect --shard 2/2 --model RN50.pt --dataset images \\\n" +
			"  --data-path photos --save-path caches/photos\n" +
			"clipnh merge --save-path caches/photos",
		Args:        cobra.ArbitraryArgs,
		Annotations: exitStatus(exitSkipped, exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.shards = args
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runMerge(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// mergeOptions is everything the merge command can be told.
type mergeOptions struct {
	shards   []string
	savePath string
	layers   []int
	plotPath string
	some     string
	part     shard.Shard
	restart  bool
	strict   bool
	verify   bool
}

func (o *mergeOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.savePath, "save-path", "o", "", "`PATH` to write, as it was given with --shard")
	fs.Var(layersFlag{&o.layers}, "neuron-layer", "merge the collections of these `LAYERS`, as 9,10, as they were given to collect (default all that are in --save-path)")
	fs.StringVar(&o.some, "shards", "", "join only shards `FIRST-LAST/OF`, such as 1-64/4096, into a part for the next merge")
	fs.StringVar(&o.plotPath, "plot", "", "for shards of shift, `FILE` for the figure, .png or .svg")
	fs.BoolVar(&o.restart, "restart", false, "discard what is at --save-path and start over")
	fs.BoolVar(&o.verify, "verify", false, "if --save-path is already complete, compare its contents with their checksums too")
	fs.BoolVar(&o.strict, "strict", false, "refuse shards that different kinds of processor computed")
}

func (o *mergeOptions) validate() (err error) {
	if err := numbersOnce("--neuron-layer", o.layers); err != nil {
		return err
	}
	if o.plotPath != "" && len(o.layers) > 1 {
		return errors.New("--plot draws shards of shift, which has none of several layers: want no --neuron-layer")
	}
	if o.some != "" {
		if o.part, err = shard.ParseSeveral(o.some); err != nil {
			return fmt.Errorf("--shards %w", err)
		}
		if o.plotPath != "" {
			return errors.New("--plot draws shards of shift, of which no parts are merged: want no --shards")
		}
	}
	if o.plotPath != "" {
		if _, err := plot.FormatOf(o.plotPath); err != nil {
			return fmt.Errorf("--plot %w", err)
		}
	}
	return require("--save-path", o.savePath)
}

func runMerge(ctx context.Context, opts mergeOptions, g *globalOptions) error {
	o := merge.Options{
		SavePath: opts.savePath, Layers: opts.layers, Shards: opts.shards, Part: opts.part, Restart: opts.restart, Strict: opts.strict, Verify: opts.verify, Force: g.force, Store: g.files, PlotPath: opts.plotPath, Threads: g.workers(),
	}
	if layers := o.LayersWithin(); layers != nil {
		result, err := merge.RunLayers(ctx, o, layers, g.printer)
		if err != nil {
			return err
		}
		return opts.print(result, &merge.Result{}, result.Layers, g)
	}
	result, err := merge.Run(ctx, o, g.printer)
	if err != nil {
		return err
	}
	return opts.print(result, result, []merge.Merged{result.Merged}, g)
}

// print prints what was merged: as JSON, document. result has the tables of segment and shift.
func (o *mergeOptions) print(document any, result *merge.Result, all []merge.Merged, g *globalOptions) error {
	for _, r := range all {
		if r.Complete {
			g.sayComplete(r.Path, o.verify)
		}
	}
	if err := printMerge(document, result, all, g); err != nil {
		return err
	}
	for _, r := range all { // of layers, the same images
		if n := len(r.Skipped); n > 0 {
			return fmt.Errorf("%w %s of %d", errSkipped, ui.Images.Count(int64(n)), n+r.Images)
		}
	}
	return nil
}

func printMerge(document any, result *merge.Result, all []merge.Merged, g *globalOptions) error {
	if g.json {
		return g.printer.JSON(document)
	}
	t := ui.NewTable(ui.Left("path"), ui.Left("holds"), ui.Left("shape"), ui.Right("shards"), ui.Right("images"), ui.Right("skipped"))
	for _, r := range all {
		t.Row(r.Path, r.Kind, npy.ShapeString(r.Shape), fmt.Sprint(r.Shards), fmt.Sprint(r.Images), fmt.Sprint(len(r.Skipped)))
	}
	if err := g.printer.Table(t); err != nil || result.Segmentation == nil && result.Shift == nil {
		return err
	}
	if err := g.printer.Text("\n"); err != nil {
		return err
	}
	if result.Shift != nil {
		return printShift(g.printer, result.Shift)
	}
	return printScores(result.Segmentation, g.printer)
}
