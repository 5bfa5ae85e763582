package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/dataset"
	imagelists "github.com/clipnh/clipnh/internal/pipeline/listing"
	"github.com/clipnh/clipnh/internal/ui"
)

const dataListHelp = `
Lists the images of a data set once and keeps the list: names, sizes, labels,
and the archives that hold them. Give the list as --data-path in place of what
it lists. What is collected has the same bytes.

Every task of "collect --shard" lists all images, those of the other shards too,
unless it is given a list: then it reads its own part, opens only the archives
that hold it, and its memory does not grow with the number of images. With no
more parts than archives, no archive is opened by two tasks. A task
compares the sizes of its own images with the list, and stops where one differs.
Other commands read all of a list.

Paths in the list are absolute. A list that is there stays as it is, unless
--restart is given; "clipnh verify LIST --data-path PATH" compares the two.`

func newDataListCommand(g *globalOptions) *cobra.Command {
	var opts listOptions
	cmd := &cobra.Command{
		Use:   "list --data-path PATH --save-path FILE",
		Short: "Keep a list of the images, for shards to read their part of",
		Long:  dataListHelp,
		Example: "clipnh data list --dataset images --data-path photos \\\n" +
			"  --save-path photos.listing",
		Args:        noArgs,
		Annotations: exitStatus(exitSkipped, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := require("--data-path", opts.data.Path, "--save-path", opts.savePath); err != nil {
				return usageError{err}
			}
			return runDataList(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// listOptions is everything the data list command can be told.
type listOptions struct {
	data     dataset.Options
	savePath string
	restart  bool
	strict   bool
}

func (o *listOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.data.Kind, "dataset", dataset.ImageNetTest, "layout of --data-path: `KIND` imagenet_test, imagenet_val, cars, cars_test, or images (every image below the folder, in name order)")
	choices(fs, "dataset", dataset.Kinds()...)
	labelKeyFlag(fs, &o.data.LabelKey)
	fs.StringVarP(&o.data.Path, "data-path", "d", "", "`PATH` of the images: a folder, an archive or a list")
	fs.StringVarP(&o.savePath, "save-path", "o", "", "`FILE` to write, .listing")
	fs.BoolVar(&o.restart, "restart", false, "list the images again and discard what is at --save-path")
	fs.BoolVar(&o.strict, "strict", false, "stop at what cannot be listed instead of leaving it out")
}

func runDataList(ctx context.Context, opts listOptions, g *globalOptions) error {
	r, err := imagelists.Run(ctx, imagelists.Options{
		Data: opts.data, SavePath: opts.savePath, Restart: opts.restart, Strict: opts.strict, Store: g.files,
	}, g.printer)
	if err != nil {
		return err
	}
	if r.Complete {
		g.printer.Note("%s is already complete, and no image was looked at: list them again with --restart", r.Path)
	}
	if err := printDataList(r, g); err != nil {
		return err
	}
	if n := len(r.Skipped); n > 0 {
		return fmt.Errorf("%w %s of %d", errSkipped, ui.Images.Count(int64(n)), n+r.Images)
	}
	return nil
}

func printDataList(r *imagelists.Result, g *globalOptions) error {
	if g.json {
		return g.printer.JSON(r)
	}
	t := ui.NewTable(ui.Left("path"), ui.Left("dataset"), ui.Right("images"), ui.Right("archives"), ui.Right("skipped"))
	t.Row(r.Path, r.Dataset, fmt.Sprint(r.Images), fmt.Sprint(r.Archives), fmt.Sprint(len(r.Skipped)))
	return g.printer.Table(t)
}
