package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
	"github.com/clipnh/clipnh/internal/quantity"
)

const reconstructHelp = `
Rebuilds image features from the principal components of neuron-head pairs, or
of neurons, and measures how well they still classify. The centred contribution
of each unit is projected onto its components, its mean is added back, and all
units are summed. Several --pcs-paths add up. Components can also come from
sparse codes over texts (--codes, an .npz of scipy, csr or
csc): code times dictionary, normalised. The dictionary is
--text-descs-embeddings-path minus its mean over the texts, then normalised
according to --normalize.
` + evaluateHelp + `

Also reads --means-path and --pcs-paths, written by svd or by the reference:
[H,C,O] for pairs or [C,O] for neurons. Writes the features if
--features-save-path is given.`

func newReconstructCommand(g *globalOptions) *cobra.Command {
	var opts reconstructOptions
	cmd := &cobra.Command{
		Use:   "reconstruct --pcs-paths FILE,... --means-path FILE",
		Short: "Classify with features rebuilt from principal components",
		Long:  reconstructHelp,
		Example: "clipnh reconstruct --scores caches/val --data-path imagenet \\\n" +
			"  --imagenet-zeroshot-path caches/classes.npy \\\n" +
			"  --pcs-paths caches/pc0.npy --means-path caches/means.npy",
		Args:        noArgs,
		Annotations: exitStatus(exitSkipped, exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.given = cmd.Flags().Changed
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runReconstruct(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// reconstructOptions is everything the reconstruct command can be told.
type reconstructOptions struct {
	evaluateOptions
	pcs                                []string
	means, texts, decomposition, scale string
}

func (o *reconstructOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringSliceVar(&o.pcs, "pcs-paths", nil, "`FILE,...` of principal components, .npy; may be repeated")
	fs.StringVar(&o.means, "means-path", "", "`FILE` of mean contributions, .npy")
	fs.StringVar(&o.decomposition, "codes", "", "`FILE` of sparse codes, .npz, instead of --pcs-paths")
	fs.StringVar(&o.texts, "text-descs-embeddings-path", "", "`FILE` of the embeddings that the codes refer to, .npy or .pt")
	fs.StringVar(&o.scale, "normalize", omp.Columns.String(), "normalise along `AXIS` of the dictionary: columns (as the reference does), rows or none")
	choices(fs, "normalize", omp.Columns.String(), omp.Rows.String(), omp.None.String())
	o.evaluateOptions.addFlags(fs)
}

func (o *reconstructOptions) validate() error {
	if err := require("--means-path", o.means); err != nil {
		return err
	}
	switch {
	case (len(o.pcs) > 0) == (o.decomposition != ""):
		return errors.New("want one of --pcs-paths and --codes")
	case (o.texts != "") != (o.decomposition != ""):
		return errors.New("--codes and --text-descs-embeddings-path: want both or neither")
	case slices.Contains(o.pcs, ""):
		return errors.New("--pcs-paths has an empty path")
	case o.decomposition != "" && !strings.HasSuffix(o.decomposition, ".npz"):
		return fmt.Errorf("%s: want a .npz file", o.decomposition)
	}
	if _, err := omp.ParseNormalization(o.scale); err != nil {
		return fmt.Errorf("--normalize: %w", err)
	}
	if len(o.pcs) > 0 {
		if err := o.given.refuse("with --pcs-paths", "normalize"); err != nil {
			return err
		}
	}
	return o.evaluateOptions.validate()
}

func runReconstruct(ctx context.Context, opts reconstructOptions, g *globalOptions) error {
	by, err := omp.ParseNormalization(opts.scale)
	if err != nil {
		return usageError{err}
	}
	result, err := evaluate.Reconstruct(ctx, evaluate.ReconstructOptions{
		Options: opts.images(g), Means: opts.means, PCs: opts.pcs,
		Codes: opts.decomposition, Texts: opts.texts, Normalize: by,
		ClassesPath: opts.classes, FeaturesPath: opts.features, Writer: g.writer(opts.restart), Threads: g.workers(),
	}, g.printer)
	if result == nil {
		return err
	}
	written := err
	if result.Null > 0 {
		g.printer.Note("%s of zero: a unit without a direction keeps only its mean", quantity.Of(result.Null, "component"))
	}
	if g.json {
		err = g.printer.JSON(result)
	} else {
		err = errors.Join(printEvaluation(g.printer, &result.Evaluation), printRounding(g.printer, result.Rounding))
	}
	return outcome(written, err, skippedImages(&result.Evaluation))
}
