package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/subset"
	"github.com/clipnh/clipnh/internal/ui"
)

const dataSubsetHelp = `
Creates a folder of links to every k-th image of a data set, in the order of
their names and under the same names: of the 100,000 images of ImageNet's test
split, every 20th, 5,000 in all. Set the number of images with --number, k with
--sample-stride, or both; without --sample-stride, k is the largest that gives
the number.

Writes links into --save-path: symbolic links with absolute paths or, with
--link hard, hard links, which stay when the images are removed but need the
same file system. Nothing is ever removed or replaced. If the folder holds
anything else, nothing is done; run again, the command adds links that are
missing. Only data sets without labels have subsets here, because a subset of
class folders can lose classes and so change the numbers of all others.`

func newDataSubsetCommand(g *globalOptions) *cobra.Command {
	var opts subsetOptions
	cmd := &cobra.Command{
		Use:         "subset --data-path DIR --save-path DIR",
		Short:       "Create a folder of links to every k-th image",
		Long:        dataSubsetHelp,
		Example:     "clipnh data subset --data-path datasets/imagenet \\\n  --save-path datasets/imagenet_5000",
		Args:        noArgs,
		Annotations: exitStatus(exitSkipped, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.validate(cmd.Flags()); err != nil {
				return usageError{err}
			}
			return runDataSubset(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// subsetOptions is everything the data subset command can be told.
type subsetOptions struct {
	dataset, dataPath, savePath, link string
	number, stride                    int
}

// defaultSubset is the number of images of ImageNet's test split that the paper uses.
const defaultSubset = 5000

func (o *subsetOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.dataset, "dataset", dataset.ImageNetTest, "layout of --data-path: `KIND` imagenet_test, or images (every image below the folder)")
	choices(fs, "dataset", dataset.ImageNetTest, dataset.Images)
	fs.StringVarP(&o.dataPath, "data-path", "d", "", "`DIR` of the images")
	fs.StringVarP(&o.savePath, "save-path", "o", "", "`DIR` for the links, outside --data-path")
	fs.IntVar(&o.number, "number", defaultSubset, "link `N` images; 0 for all that --sample-stride gives")
	fs.IntVar(&o.stride, "sample-stride", 0, "take every `K`-th image in name order; 0 for the largest K that gives --number")
	fs.StringVar(&o.link, "link", "symbolic", "`TYPE` of the links: symbolic or hard")
	choices(fs, "link", "symbolic", "hard")
}

func (o *subsetOptions) validate(fs *pflag.FlagSet) error {
	if err := require("--data-path", o.dataPath, "--save-path", o.savePath); err != nil {
		return err
	}
	if o.stride > 0 && !fs.Changed("number") {
		o.number = 0
	}
	switch {
	case o.dataset != dataset.ImageNetTest && o.dataset != dataset.Images:
		return fmt.Errorf("--dataset %q: want %s or %s", o.dataset, dataset.ImageNetTest, dataset.Images)
	case o.number < 0:
		return fmt.Errorf("--number %d: want 1 or more, or 0", o.number)
	case o.stride < 0:
		return fmt.Errorf("--sample-stride %d: want 1 or more, or 0", o.stride)
	case o.number == 0 && o.stride == 0:
		return errors.New("--number 0: want --sample-stride")
	case o.link != "symbolic" && o.link != "hard":
		return fmt.Errorf("--link %q: want symbolic or hard", o.link)
	}
	return nil
}

func runDataSubset(ctx context.Context, opts subsetOptions, g *globalOptions) error {
	r, err := subset.Run(ctx, subset.Options{
		Data: dataset.Options{Kind: opts.dataset, Path: opts.dataPath}, Number: opts.number, Stride: opts.stride,
		Hard: opts.link == "hard", SavePath: opts.savePath,
	}, g.printer)
	if err != nil {
		return err
	}
	if err := printDataSubset(r, g); err != nil {
		return err
	}
	if n := len(r.Skipped); n > 0 {
		return fmt.Errorf("%w %s of %d", errSkipped, ui.Images.Count(int64(n)), n+r.Of)
	}
	return nil
}

func printDataSubset(r *subset.Result, g *globalOptions) error {
	if g.json {
		return g.printer.JSON(r)
	}
	t := ui.NewTable(ui.Left("path"), ui.Right("images"), ui.Right("of"), ui.Right("stride"), ui.Right("new"), ui.Right("skipped"))
	t.Row(r.Path, fmt.Sprint(r.Images), fmt.Sprint(r.Of), fmt.Sprint(r.Stride), fmt.Sprint(r.Made), fmt.Sprint(len(r.Skipped)))
	return g.printer.Table(t)
}
