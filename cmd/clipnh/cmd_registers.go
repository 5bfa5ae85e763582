package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/ui"
)

const registersHelp = `
The last token of these encoders is an attention sink: the class token attends
to it whatever the image shows. This command finds the neurons that feed the
sink, or the pairs that depend on it.

With --mode activations: how much the class token's attention to the last token,
averaged over heads, drops when the activations of a neuron are set to zero
before the positional embedding is added, for each image and neuron.
With --mode contributions: how much the norm of a pair's contribution changes,
averaged over images, when that attention is set to zero after the softmax.

Reads a checkpoint (--model) and images (--data-path), like collect.

Writes, at --diff-save-path, a float32 .npy with a manifest: the drops, [B,C],
or the mean changes, [H,C]. Prints the --list units of largest mean absolute
value. A run that was interrupted or killed resumes when the same command is run
again.`

func newRegistersCommand(g *globalOptions) *cobra.Command {
	var opts registersOptions
	cmd := &cobra.Command{
		Use:   "registers --model FILE --data-path PATH --diff-save-path FILE",
		Short: "Find the neurons and pairs that feed the attention sink",
		Long:  registersHelp,
		Example: "clipnh registers --model RN50x16.pt --dataset images --data-path photos \\\n" +
			"  --diff-save-path caches/sink.npy",
		Args:        noArgs,
		Annotations: exitStatus(exitSkipped, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.set = setFlags(cmd.Flags())
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runRegisters(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// registersOptions is everything the registers command can be told.
type registersOptions struct {
	set                                givenFlags // has a value that someone gave it
	model, dataset, dataPath, diffPath string
	labelKey                           string
	mode, precision                    string
	stride, batch, list                int
	strict, restart                    bool
	images                             imageprep.Options
	details                            model.Details
}

func (o *registersOptions) addFlags(fs *pflag.FlagSet) {
	modelFlag(fs, &o.model)
	detailFlags(fs, &o.details)
	imageDetailFlags(fs, &o.details)
	fs.StringVar(&o.dataset, "dataset", dataset.ImageNetTest, "layout of --data-path: `KIND` imagenet_test, imagenet_val, cars, cars_test, or images (every image below the folder, in name order)")
	choices(fs, "dataset", dataset.Kinds()...)
	labelKeyFlag(fs, &o.labelKey)
	fs.StringVarP(&o.dataPath, "data-path", "d", "", "`PATH` of the images: a folder, an archive or a list")
	fs.StringVarP(&o.diffPath, "diff-save-path", "o", "", "`FILE` for the differences, .npy")
	fs.StringVar(&o.mode, "mode", "activations", "`MODE` activations (of neurons), or contributions (of pairs)")
	choices(fs, "mode", "activations", "contributions")
	fs.IntVar(&o.stride, "sample-stride", 1, "take every `K`-th image in name order (the reference takes every 11th)")
	fs.IntVar(&o.batch, "batch-size", 8, "run `N` images at a time through the tower; 1 is slower and can change the last digit")
	precisionFlag(fs, &o.precision)
	fs.IntVar(&o.list, "list", 50, "list the `N` units of largest mean absolute value")
	fs.BoolVar(&o.strict, "strict", false, "stop at an image that cannot be read; refuse to resume what another kind of processor began")
	fs.BoolVar(&o.restart, "restart", false, "discard what is at --diff-save-path and start over")
	imageFlags(fs, &o.images)
}

func (o *registersOptions) validate() error {
	err := require("--model", o.model, "--data-path", o.dataPath, "--diff-save-path", o.diffPath)
	if err != nil {
		return err
	}
	switch {
	case o.mode != "activations" && o.mode != "contributions":
		return fmt.Errorf("--mode %q: want activations or contributions", o.mode)
	case !strings.HasSuffix(o.diffPath, ".npy"):
		return fmt.Errorf("%s: want a .npy file", o.diffPath)
	case o.stride < 1:
		return fmt.Errorf("--sample-stride %d: want 1 or more", o.stride)
	case o.batch < 1 || o.batch > maxBatch:
		return fmt.Errorf("--batch-size %d: want 1 to %d", o.batch, maxBatch)
	case o.list < 0:
		return fmt.Errorf("--list %d: want 0 or more", o.list)
	case o.images.MaxPixels < 1:
		return fmt.Errorf("--max-pixels %d: want 1 or more", o.images.MaxPixels)
	}
	return cmp.Or(checkDetails(o.details), checkPrecision(o.precision))
}

func runRegisters(ctx context.Context, opts registersOptions, g *globalOptions) error {
	result, err := collect.Registers(ctx, collect.RegistersOptions{
		Collect: collect.Options{
			Model: opts.model, Details: opts.details, Data: dataset.Options{Kind: opts.dataset, LabelKey: opts.labelKey, Path: opts.dataPath}, Stride: opts.stride,
			BatchSize: opts.batch, Threads: g.workers(), SavePath: opts.diffPath,
			Precision: precisions[opts.precision],
			Strict:    opts.strict, Restart: opts.restart, Store: g.files, Images: opts.images,
		},
		Contributions: opts.mode == "contributions", List: opts.list,
	}, g.printer)
	if err != nil {
		return err
	}
	if result.Complete {
		g.printer.Note("%s is already complete", result.Path)
	}
	g.sayFewer(opts.set, listing{"list", opts.list, len(result.Units), ui.Units, ""})
	if err := printRegisters(result, g); err != nil {
		return err
	}
	if n := len(result.Skipped); n > 0 {
		return fmt.Errorf("%w %s of %d", errSkipped, ui.Images.Count(int64(n)), n+result.Images)
	}
	return nil
}

func printRegisters(result *collect.RegistersResult, g *globalOptions) error {
	if g.json {
		return g.printer.JSON(result)
	}
	t := ui.NewTable(ui.Left("path"), ui.Left("holds"), ui.Left("shape"), ui.Right("images"), ui.Right("skipped"))
	t.Row(result.Path, result.Kind, npy.ShapeString(result.Shape), fmt.Sprint(result.Images), fmt.Sprint(len(result.Skipped)))
	if err := errors.Join(g.printer.Table(t), printRounding(g.printer, result.Rounding)); err != nil || len(result.Units) == 0 {
		return err
	}
	t = ui.NewTable(ui.Left(result.Unit), ui.Right("mean absolute"), ui.Right("mean"))
	for _, u := range result.Units {
		t.Row(u.Name, fmt.Sprintf("%.3g", u.Size), fmt.Sprintf("%.3g", u.Mean))
	}
	return g.printer.Table(t)
}
