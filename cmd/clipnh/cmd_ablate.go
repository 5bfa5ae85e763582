package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
	"github.com/clipnh/clipnh/internal/plot"
)

const ablateHelp = `
Removes parts of the model, mostly by mean ablation, and measures how well it
still classifies. Modes:
  neur_head_reprs        contributions of neuron-head pairs become their means
  neur_reprs             the same for neurons, whose contributions are summed
                         over heads
  neur_acts              activations of neurons become their means, before
                         attention; of a vision transformer, those of the layer
                         --neuron-layer become their means over tokens, as edit
                         has it, and each row takes the memory of a tower
  zero_sink              the class token's attention to the last token is zeroed
  zero_register_neurons  activations are zeroed for the --top-k-sink-neurons
                         neurons without which attention to the last token drops
                         most
The first three modes keep some units and ablate the others. Units to ablate are
given by name (--pairs h3n7,n624, in a vision transformer l10h3n7,l9n624, or
--units-file; with --except all others), by a mask (--replace-index-path, True
for kept) or, for a curve in one pass, by strengths: --percentile 0,50,80,90,95
keeps the units at or above each percentile, as mask does, for each mode whose
norms are given. The last two modes work on tokens, and need the model and the
images. Contributions that are projected onto their principal components, in
place of a mean, are what reconstruct measures.

  neur_effects           contributions of neurons become their means in all
                         images, where they are significant, or where they are
                         not: three rows
A contribution is significant in an image if it is farther from its mean than
the smallest of the norms in --neurons-norms-path, which svd --mode n wrote:
with --top-k-pca 100, as far as in the 100 images of largest effect.

Other modes replace whole parts of the feature by their means over the images,
from what collect --mode heads wrote (--scores) and, of a vision transformer,
what --mode mlps and cls_attn wrote of the same images (--parts):
  mlps           all MLPs, and the class token that enters the first layer
  cls_attn       what heads add by reading the class token
  mlps+cls_attn  both
  layers         the heads of the first layer, of the first two, and so on to
                 all, each in a row of its own
  mlps+cls_attn+layers
                 all three together, a row for each layer too
  heads          heads by name (--pairs l10h3,l11h0; l10 is a layer)
With --parts and without --mode, all of these are measured but heads.
` + evaluateHelp + `

--per-class also prints the accuracy on the images of each class, --groups-csv
and --group-column that on each group of a table, such as year. Folders that a
row of the table names must be those of the image.

Also reads --means-path, one or more files told apart by shape: [H,C,O] for
pairs, also used for neurons; [C,O] for neurons; [C,T] for activations. Writes
the features if --features-save-path is given, and plots accuracy over
percentiles with --plot.`

func newAblateCommand(g *globalOptions) *cobra.Command {
	var opts ablateOptions
	cmd := &cobra.Command{
		Use:   "ablate --means-path FILE --percentile P,...",
		Short: "Measure accuracy without some pairs, neurons or other parts",
		Long:  ablateHelp,
		Example: "clipnh ablate --scores caches/val --data-path imagenet \\\n" +
			"  --imagenet-zeroshot-path caches/classes.npy --means-path caches/means.npy \\\n" +
			"  --neuron-head-norms-path caches/norms.npy \\\n" +
			"  --neurons-norms-path caches/norms_n.npy \\\n" +
			"  --percentile 0,50,80,90,95 --plot ablation.png\n" +
			"clipnh ablate --scores caches/val --data-path imagenet \\\n" +
			"  --imagenet-zeroshot-path caches/classes.npy --means-path caches/means.npy \\\n" +
			"  --pairs h12n624,h3n7 --per-class\n" +
			"clipnh ablate --scores caches/heads --parts caches/mlps,caches/cls_attn \\\n" +
			"  --data-path imagenet --imagenet-zeroshot-path caches/classes.npy",
		Args:        noArgs,
		Annotations: exitStatus(exitSkipped, exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.given = cmd.Flags().Changed
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runAblate(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// ablateOptions is everything the ablate command can be told.
type ablateOptions struct {
	evaluateOptions
	normsOptions
	unitsOptions
	groups       dataset.TableOptions
	perClass     bool
	modes, means []string
	mask         string
	percentiles  []float64
	plot         string
	sinkDiffs    string
	topSink      int
}

func (o *ablateOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringSliceVar(&o.modes, "mode", nil, "`MODE,...` as above (default those whose norms are given, those that --parts allow, or else neur_head_reprs)")
	choices(fs, "mode", append(evaluate.AblateModes(), evaluate.FirstOrderModes()...)...)
	fs.StringSliceVar(&o.from.Parts, "parts", nil, "`PATH,...` of the MLPs and class tokens of the images of --scores, which has their heads")
	fs.StringSliceVar(&o.means, "means-path", nil, "`FILE,...` of means, .npy; may be repeated")
	fs.StringVar(&o.mask, "replace-index-path", "", "`FILE` of the units to keep, .npy, bool [H,C] or [C]")
	fs.Float64SliceVar(&o.percentiles, "percentile", nil, "keep units at or above each of the percentiles `P,...`, 0 to 100, instead of a mask")
	o.normsOptions.addFlags(fs)
	o.unitsOptions.addFlags(fs, "take out")
	fs.BoolVar(&o.perClass, "per-class", false, "also print the accuracy on the images of each class")
	fs.StringVar(&o.groups.Path, "groups-csv", "", "also print the accuracy on groups of images: `FILE` with one row per image")
	fs.StringVar(&o.groups.Image, "image-column", "image", "`NAME` of the column of image names in --groups-csv")
	fs.StringVar(&o.groups.Group, "group-column", "", "`NAME` of the column of groups in --groups-csv, such as year")
	fs.StringVar(&o.plot, "plot", "", "`FILE` for a plot of accuracy over percentiles, .png or .svg")
	fs.StringVar(&o.sinkDiffs, "neurons-sink-diffs-path", "", "`FILE` of attention drops without each neuron, written by registers, .npy, [B,C]")
	fs.IntVar(&o.topSink, "top-k-sink-neurons", 18, "zero the `K` neurons of largest drop")
	o.evaluateOptions.addFlags(fs)
}

// chosenModes returns the modes given by --mode, or implied by the norms.
func (o *ablateOptions) chosenModes() []string {
	if len(o.modes) > 0 {
		return o.modes
	}
	var modes []string
	given := o.paths()
	for _, mode := range evaluate.AblateModes() {
		if given[mode] != "" {
			modes = append(modes, mode)
		}
	}
	switch {
	case modes != nil:
		return modes
	case len(o.from.Parts) == 0:
		return []string{evaluate.AblatePairs}
	case len(o.from.Parts) == 1: // the MLPs, without which parts do not sum to the feature
		return []string{evaluate.AblateMLPs, evaluate.AblateLayers}
	}
	return []string{evaluate.AblateMLPs, evaluate.AblateClass, evaluate.AblateMLPsAndClass, evaluate.AblateLayers, evaluate.AblateTogether}
}

// firstOrder reports whether all of some modes are of the first order.
func firstOrder(modes []string) bool {
	return !slices.ContainsFunc(modes, func(mode string) bool { return !evaluate.IsFirstOrder(mode) })
}

// validate checks flags against each other; the stage checks the contents of files.
func (o *ablateOptions) validate() error {
	modes, given := o.chosenModes(), o.paths()
	o.heads = slices.Contains(modes, evaluate.AblateHeads)
	o.ofHeads = "heads are taken out with --mode heads, from what collect --mode heads wrote"
	if err := o.wantHeadsMode(); err != nil {
		return err
	}
	if slices.ContainsFunc(modes, evaluate.IsFirstOrder) {
		return o.validateFirstOrder(modes)
	}
	if slices.Contains(modes, evaluate.AblateEffects) {
		return o.validateEffects(modes)
	}
	choosing := 0 // modes that keep some units
	for i, mode := range modes {
		if !slices.Contains(evaluate.AblateModes(), mode) {
			return fmt.Errorf("--mode %q: want %s", mode, strings.Join(append(evaluate.AblateModes(), evaluate.FirstOrderModes()...), ", "))
		}
		if slices.Contains(modes[:i], mode) {
			return fmt.Errorf("--mode %s is given twice", mode)
		}
		if o.from.ScoresPath != "" && mode != evaluate.AblatePairs && mode != evaluate.AblateNeurons {
			return fmt.Errorf("--mode %s works on tokens, which collected scores do not have: want --model and --data-path instead of --scores", mode)
		}
		if mode == evaluate.AblateSink {
			continue
		}
		if mode == evaluate.AblateSinkRegisters {
			if o.sinkDiffs == "" {
				return fmt.Errorf("--mode %s: --neurons-sink-diffs-path is missing", mode)
			}
			continue
		}
		choosing++
		if len(o.means) == 0 {
			return fmt.Errorf("--mode %s: --means-path is missing", mode)
		}
		if len(o.percentiles) > 0 && given[mode] == "" {
			return fmt.Errorf("--mode %s: --percentile needs the norms of its units", mode)
		}
	}
	ways := 0 // of choosing units
	for _, given := range []bool{o.mask != "", len(o.percentiles) > 0, o.named()} {
		if given {
			ways++
		}
	}
	switch {
	case choosing > 0 && ways != 1:
		return errors.New("want one of --replace-index-path, --percentile and --pairs or --units-file")
	case choosing == 0 && ways > 0:
		return fmt.Errorf("--mode %s keeps all units: no --replace-index-path, --percentile, --pairs or --units-file", strings.Join(modes, ","))
	case choosing > 1 && o.mask != "":
		return errors.New("--replace-index-path is for one mode")
	case o.plot != "" && len(o.percentiles) == 0:
		return errors.New("--plot draws accuracy over percentiles: want --percentile")
	case o.topSink < 1:
		return fmt.Errorf("--top-k-sink-neurons %d: want 1 or more", o.topSink)
	}
	for _, p := range o.percentiles {
		if err := checkPercentile(p); err != nil {
			return err
		}
	}
	if err := cmp.Or(numbersOnce("--percentile", o.percentiles), filesOnce("--means-path", o.means)); err != nil {
		return err
	}
	if o.plot != "" {
		if _, err := plot.FormatOf(o.plot); err != nil {
			return fmt.Errorf("--plot %w", err)
		}
	}
	if err := errors.Join(o.validateGroups(), o.normsOptions.validate(), o.unitsOptions.validate(), o.validateGiven(modes, choosing > 0)); err != nil {
		return err
	}
	return o.evaluateOptions.validate()
}

// validateFirstOrder checks the flags of modes of which one at least is of the first order.
func (o *ablateOptions) validateFirstOrder(modes []string) error {
	joined := "with --mode " + strings.Join(modes, ",")
	for i, mode := range modes {
		if slices.Contains(modes[:i], mode) {
			return fmt.Errorf("--mode %s is given twice", mode)
		}
	}
	switch {
	case !firstOrder(modes):
		return fmt.Errorf("--mode %s: some are about pairs or neurons, the others about heads and MLPs: want one command for each", strings.Join(modes, ","))
	case o.from.ScoresPath == "":
		return fmt.Errorf("--mode %s: want --scores, what collect --mode heads wrote", strings.Join(modes, ","))
	case o.heads && !o.named():
		return errors.New("--mode heads: want the names of heads, --pairs or --units-file")
	}
	err := o.given.refuseIn(
		rule{true, joined, []string{"means-path", "replace-index-path", "percentile", "plot", "top-images", "shape", "neurons-sink-diffs-path", "top-k-sink-neurons"}},
		rule{true, joined, slices.Sorted(maps.Values(normsFlags))},
		rule{!o.heads, joined, []string{"pairs", "units-file", "except"}},
		rule{o.groups.Path == "", "without --groups-csv", []string{"image-column"}})
	return errors.Join(err, o.unitsOptions.validate(), o.validateGroups(), o.evaluateOptions.validate())
}

// validateEffects checks the flags of modes of which one is neur_effects.
func (o *ablateOptions) validateEffects(modes []string) error {
	joined := "with --mode " + evaluate.AblateEffects
	switch {
	case len(modes) > 1:
		return fmt.Errorf("--mode %s: %s has three rows of its own: want one command for each", strings.Join(modes, ","), evaluate.AblateEffects)
	case o.neurons == "":
		return fmt.Errorf("--mode %s: --neurons-norms-path is missing", evaluate.AblateEffects)
	case len(o.means) == 0:
		return fmt.Errorf("--mode %s: --means-path is missing", evaluate.AblateEffects)
	}
	err := o.given.refuseIn(
		rule{true, joined, []string{"parts", "replace-index-path", "percentile", "plot", "top-images", "pairs", "units-file", "except", "neurons-sink-diffs-path", "top-k-sink-neurons"}},
		rule{true, joined, []string{normsFlags[evaluate.AblatePairs], normsFlags[evaluate.AblateActivations]}},
		rule{o.groups.Path == "", "without --groups-csv", []string{"image-column"}})
	return errors.Join(err, o.validateGroups(), o.evaluateOptions.validate())
}

// validateGroups checks the flags of accuracies on some of the images.
func (o *ablateOptions) validateGroups() error {
	switch {
	case (o.groups.Path == "") != (o.groups.Group == ""):
		return errors.New("--groups-csv and --group-column: want both or neither")
	case (o.groups.Path != "" || o.perClass) && o.classes == "":
		return errors.New("--groups-csv and --per-class need --imagenet-zeroshot-path, without which there are no accuracies")
	}
	return nil
}

// validateGiven refuses flags that none of the modes uses. choosing says that some mode
// keeps some units.
func (o *ablateOptions) validateGiven(modes []string, choosing bool) error {
	joined := "with --mode " + strings.Join(modes, ",")
	rules := []rule{
		{!choosing, joined, []string{"means-path"}},
		{len(o.percentiles) == 0, "without --percentile", []string{"top-images"}},
		{true, joined, []string{"parts"}},
		{o.groups.Path == "", "without --groups-csv", []string{"image-column"}},
		{!slices.Contains(modes, evaluate.AblateSinkRegisters), joined, []string{"neurons-sink-diffs-path", "top-k-sink-neurons"}},
	}
	for _, mode := range evaluate.AblateModes()[:len(normsFlags)] {
		flag := normsFlags[mode]
		rules = append(rules,
			rule{o.mask != "", "with --replace-index-path", []string{flag}},
			rule{o.named(), "with --pairs or --units-file", []string{flag}},
			rule{!slices.Contains(modes, mode), joined, []string{flag}})
	}
	return o.given.refuseIn(rules...)
}

func runAblate(ctx context.Context, opts ablateOptions, g *globalOptions) error {
	units, err := opts.names(&g.texts)
	if err != nil {
		return err
	}
	result, err := evaluate.Ablate(ctx, evaluate.AblateOptions{
		Options: opts.images(g), Modes: opts.chosenModes(),
		Units: units, Except: opts.except, Groups: opts.groups,
		MaskPath: opts.mask, Percentiles: opts.percentiles, Norms: opts.paths(), TopImages: opts.topImages, FitTop: !opts.given("top-images"),
		Means: opts.means, SinkDiffs: opts.sinkDiffs, TopSink: opts.topSink,
		ClassesPath: opts.classes, FeaturesPath: opts.features, PlotPath: opts.plot, Writer: g.writer(opts.restart), Threads: g.workers(),
	}, g.printer)
	if result == nil {
		return err
	}
	written := err
	if g.json {
		err = g.printer.JSON(result)
	} else {
		err = errors.Join(printEvaluation(g.printer, &result.Evaluation), printRounding(g.printer, result.Rounding))
		if opts.perClass {
			err = errors.Join(err, printParts(g.printer, "class", &result.Evaluation, result.Classes))
		}
		if opts.groups.Path != "" {
			err = errors.Join(err, printParts(g.printer, opts.groups.Group, &result.Evaluation, result.Groups))
		}
	}
	return outcome(written, err, skippedImages(&result.Evaluation))
}
