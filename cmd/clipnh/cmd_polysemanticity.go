package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/pipeline/directions"
	"github.com/clipnh/clipnh/internal/plot"
	"github.com/clipnh/clipnh/internal/ui"
)

const polysemanticityHelp = `
Measures how polysemantic neurons and neuron-head pairs are, by how dissimilar
their top-activating images are. For each unit, the --top-images images of
largest centred norm are taken, and the squared distances of their image
embeddings, of length one, to their mean are summed: 0 when all are alike
(monosemantic), at most --top-images.

Reads a folder of scores that collect wrote, from which the image features
follow; or, for pairs (--mode nh), a folder of collect --stats-only, which gives
the same results.

Writes, for those of these flags that are given:
  --scores-save-path  float32 .npy with a manifest, [H,C] for pairs or [C] for
                      neurons; with --mode both, NAME.npy stands for NAME_nh.npy
                      and NAME_n.npy
  --plot              a histogram of the units of --mode, .png or .svg
Prints the --list lowest and highest units.`

func newPolysemanticityCommand(g *globalOptions) *cobra.Command {
	var opts polysemanticityOptions
	cmd := &cobra.Command{
		Use:   "polysemanticity --scores PATH",
		Short: "Measure how dissimilar a unit's top-activating images are",
		Long:  polysemanticityHelp,
		Example: "clipnh polysemanticity --scores caches/photos \\\n" +
			"  --scores-save-path caches/poly.npy --plot poly.png",
		Args:        noArgs,
		Annotations: exitStatus(exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.given, opts.set = cmd.Flags().Changed, setFlags(cmd.Flags())
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runPolysemanticity(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// polysemanticityOptions is everything the polysemanticity command can be told.
type polysemanticityOptions struct {
	given, set                        givenFlags // on the command line; by someone
	collectPath, scoresPath, plotPath string
	mode                              string
	topImages, list                   int
	restart                           bool // discard what was made from something else
}

func (o *polysemanticityOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.collectPath, "scores", "s", "", "`PATH` of what collect wrote")
	fs.StringVar(&o.mode, "mode", "both", "`MODE` nh for neuron-head pairs, n for neurons, or both")
	choices(fs, "mode", "nh", "n", "both")
	fs.IntVar(&o.topImages, "top-images", 10, "use the `K` images of largest centred norm")
	fs.StringVarP(&o.scoresPath, "scores-save-path", "o", "", "`FILE` for the scores, .npy")
	fs.BoolVar(&o.restart, "restart", false, "discard what is at --scores-save-path, even if it was made from something else")
	fs.StringVar(&o.plotPath, "plot", "", "`FILE` for the histogram, .png or .svg")
	fs.IntVar(&o.list, "list", 10, "list the `N` lowest and the N highest units")
}

func (o *polysemanticityOptions) validate() error {
	if err := require("--scores", o.collectPath); err != nil {
		return err
	}
	switch {
	case o.mode != "nh" && o.mode != "n" && o.mode != "both":
		return fmt.Errorf("--mode %q: want nh, n or both", o.mode)
	case o.topImages < 2: // of one image the distance to its mean is 0
		return fmt.Errorf("--top-images %d: want 2 or more: a single image is like itself", o.topImages)
	case o.list < 0:
		return fmt.Errorf("--list %d: want 0 or more", o.list)
	case o.scoresPath != "" && !strings.HasSuffix(o.scoresPath, ".npy"):
		return fmt.Errorf("%s: want a .npy file", o.scoresPath)
	}
	if o.restart && o.scoresPath == "" {
		return errors.New("--restart has no effect without --scores-save-path")
	}
	if o.plotPath == "" {
		return nil
	}
	_, err := plot.FormatOf(o.plotPath)
	return err
}

func runPolysemanticity(ctx context.Context, opts polysemanticityOptions, g *globalOptions) error {
	o := directions.PolysemanticityOptions{
		Artefacts: g.artefacts(), CollectPath: opts.collectPath, TopImages: opts.topImages, FitTop: !opts.given("top-images"), PlotPath: opts.plotPath, List: opts.list, Threads: g.workers(),
		Pairs: opts.mode != "n", Neurons: opts.mode != "nh", PairsPath: opts.scoresPath, NeuronsPath: opts.scoresPath, Writer: g.writer(opts.restart),
	}
	if name, is := strings.CutSuffix(opts.scoresPath, ".npy"); is && opts.mode == "both" {
		o.PairsPath, o.NeuronsPath = name+"_nh.npy", name+"_n.npy"
	}
	result, err := directions.Polysemanticity(ctx, o, g.printer)
	if result == nil {
		return err
	}
	written := err
	units := 0
	for _, u := range result.Units {
		units = max(units, u.Count)
	}
	g.sayFewer(opts.set, listing{"list", opts.list, units, ui.Units, ""})
	if g.json {
		err = g.printer.JSON(result)
	} else {
		err = printPolysemanticity(result, opts.list, g.printer)
	}
	return outcome(written, err, nil)
}

// printPolysemanticity prints a summary, and the lowest and highest units if list is not 0.
func printPolysemanticity(result *directions.PolysemanticityResult, list int, p *ui.Printer) error {
	t := ui.NewTable(ui.Left("unit"), ui.Right("units"), ui.Right("images"), ui.Right("mean"), ui.Right("median"), ui.Left("wrote"))
	for _, u := range result.Units {
		t.Row(u.Unit, fmt.Sprint(u.Count), fmt.Sprint(result.Images), fmt.Sprintf("%.4f", u.Mean), fmt.Sprintf("%.4f", u.Median), u.Path)
	}
	if err := p.Table(t); err != nil || list == 0 {
		return err
	}
	t = ui.NewTable(ui.Left("unit"), ui.Left("lowest"), ui.Right("score"), ui.Left("highest"), ui.Right("score"))
	for _, u := range result.Units {
		for i, low := range u.Lowest {
			high := u.Highest[i]
			t.Row(u.Unit, low.Name, fmt.Sprintf("%.4f", low.Score), high.Name, fmt.Sprintf("%.4f", high.Score))
		}
	}
	return p.Table(t)
}
