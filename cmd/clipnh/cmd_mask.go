package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
	"github.com/clipnh/clipnh/internal/ui"
)

const maskHelp = `
Selects the strongest units, or with --pairs and --units-file those named
(h3n7,n624, in a vision transformer l10h3n7,l9n624; with --except all others),
which ablate keeps; it ablates the others. The strength of a unit is the mean of
its --top-images largest norms; units at or above --percentile of all strengths
are kept (as numpy.percentile, with linear interpolation).

Reads norms written by svd or by the reference: [H,C,K] for pairs
(--neuron-head-norms-path), or [C,K] for neurons (--neurons-norms-path) or
activations (--neuron-acts-norms-path). Writes bool, [H,C] or [C], True for
kept, to --mask-save-path, .npy, with a manifest.`

func newMaskCommand(g *globalOptions) *cobra.Command {
	var opts maskOptions
	cmd := &cobra.Command{
		Use:   "mask --neuron-head-norms-path FILE --mask-save-path FILE",
		Short: "Select the pairs or neurons of largest norms",
		Long:  maskHelp,
		Example: "clipnh mask --neuron-head-norms-path caches/norms.npy --percentile 80 \\\n" +
			"  --mask-save-path caches/mask.npy",
		Args:        noArgs,
		Annotations: exitStatus(exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.given = cmd.Flags().Changed
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runMask(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// normsOptions is what commands that rank units by their norms can be told.
type normsOptions struct {
	pairs, neurons, activations string // paths of norms
	topImages                   int
}

func (o *normsOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.pairs, "neuron-head-norms-path", "", "`FILE` of pairs' norms, .npy")
	fs.StringVar(&o.neurons, "neurons-norms-path", "", "`FILE` of neurons' norms, .npy")
	fs.StringVar(&o.activations, "neuron-acts-norms-path", "", "`FILE` of activations' norms, .npy")
	fs.IntVar(&o.topImages, "top-images", 50, "strength is the mean of a unit's `N` largest norms; unless given, of all if it has fewer")
}

// normsFlags are the flags of norms, by mode.
var normsFlags = map[string]string{
	evaluate.AblatePairs: "neuron-head-norms-path", evaluate.AblateNeurons: "neurons-norms-path", evaluate.AblateActivations: "neuron-acts-norms-path",
}

// paths returns the paths of norms that were given, by mode.
func (o *normsOptions) paths() map[string]string {
	given := map[string]string{}
	for mode, path := range map[string]string{
		evaluate.AblatePairs: o.pairs, evaluate.AblateNeurons: o.neurons, evaluate.AblateActivations: o.activations,
	} {
		if path != "" {
			given[mode] = path
		}
	}
	return given
}

func (o *normsOptions) validate() error {
	if o.topImages < 1 {
		return fmt.Errorf("--top-images %d: want 1 or more", o.topImages)
	}
	return nil
}

func checkPercentile(p float64) error {
	if !(p >= 0 && p <= 100) {
		return fmt.Errorf("--percentile %g: want 0 to 100", p)
	}
	return nil
}

// maskOptions is everything the mask command can be told.
type maskOptions struct {
	given givenFlags // on the command line
	normsOptions
	unitsOptions
	mode, save string
	percentile float64
	restart    bool // discard what was made from something else
}

func (o *maskOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.mode, "mode", "", "`MODE` neur_head_reprs, neur_reprs or neur_acts (default that of the norms)")
	choices(fs, "mode", evaluate.AblatePairs, evaluate.AblateNeurons, evaluate.AblateActivations)
	o.normsOptions.addFlags(fs)
	o.unitsOptions.addFlags(fs, "keep")
	fs.Float64Var(&o.percentile, "percentile", 90, "keep units at or above this percentile `P`, 0 to 100")
	fs.StringVarP(&o.save, "mask-save-path", "o", "", "`FILE` for the mask, .npy")
	fs.BoolVar(&o.restart, "restart", false, "discard what is at --mask-save-path, even if it was made from something else")
}

func (o *maskOptions) validate() error {
	if err := require("--mask-save-path", o.save); err != nil {
		return err
	}
	if !strings.HasSuffix(o.save, ".npy") {
		return fmt.Errorf("%s: want a .npy file", o.save)
	}
	mode, _, err := o.chosen()
	if err != nil {
		return err
	}
	for _, other := range evaluate.AblateModes()[:len(normsFlags)] {
		if other != mode {
			if err := o.given.refuse("with --mode "+mode, normsFlags[other]); err != nil {
				return err
			}
		}
	}
	if o.named() {
		if err := o.given.refuse("with --pairs or --units-file", "percentile", "top-images"); err != nil {
			return err
		}
	}
	return errors.Join(checkPercentile(o.percentile), o.normsOptions.validate(), o.unitsOptions.validate())
}

// chosen returns the mode and the path of its norms.
func (o *maskOptions) chosen() (mode, path string, err error) {
	given := o.paths()
	if o.mode != "" {
		if given[o.mode] == "" {
			if flag := normsFlags[o.mode]; flag != "" {
				return "", "", fmt.Errorf("--mode %s: want its norms, --%s", o.mode, flag)
			}
			return "", "", fmt.Errorf("--mode %q: want neur_head_reprs, neur_reprs or neur_acts", o.mode)
		}
		return o.mode, given[o.mode], nil
	}
	if len(given) != 1 {
		return "", "", errors.New("want one of --neuron-head-norms-path, --neurons-norms-path and --neuron-acts-norms-path, or --mode")
	}
	for m, p := range given {
		mode, path = m, p
	}
	return mode, path, nil
}

func runMask(ctx context.Context, opts maskOptions, g *globalOptions) error {
	mode, path, err := opts.chosen()
	if err != nil {
		return usageError{err}
	}
	units, err := opts.names(&g.texts)
	if err != nil {
		return err
	}
	result, err := evaluate.Mask(ctx, evaluate.MaskOptions{
		Units: units, Except: opts.except,
		Artefacts: g.artefacts(), Norms: path, Mode: mode, TopImages: opts.topImages, FitTop: !opts.given("top-images"), Percentile: opts.percentile, SavePath: opts.save,
		Writer: g.writer(opts.restart),
	})
	if err != nil {
		return err
	}
	if g.json {
		return g.printer.JSON(result)
	}
	if len(units) > 0 {
		t := ui.NewTable(ui.Left("path"), ui.Left("mode"), ui.Right("kept"), ui.Right("kept %"))
		t.Row(result.Path, result.Mode, fmt.Sprintf("%d of %d", result.Kept, result.Units), fmt.Sprintf("%.2f", 100*result.KeptShare))
		return g.printer.Table(t)
	}
	t := ui.NewTable(ui.Left("path"), ui.Left("mode"), ui.Right("percentile"), ui.Right("threshold"), ui.Right("kept"), ui.Right("kept %"))
	t.Row(result.Path, result.Mode, fmt.Sprint(result.Percentile), fmt.Sprintf("%.6g", result.Threshold),
		fmt.Sprintf("%d of %d", result.Kept, result.Units), fmt.Sprintf("%.2f", 100*result.KeptShare))
	return g.printer.Table(t)
}
