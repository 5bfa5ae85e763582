package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path/filepath"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/pipeline/shift"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const watchHelp = `
Compares a collection (--scores) with a reference collection (--reference) of
the same model: which concepts, and which pairs, changed most? For a text, the
--k pairs are taken whose principal component is closest to its embedding; their
ratio in an image is the length of the sum of their contributions divided by
that of all contributions, the image feature. Pairs are compared by their
scores. Without --concepts, only pairs are compared.

Either collection may be a summary (collect --stats-only --no-features), which
has no rows for images. Then only pairs are compared, by moments, and listed
with their quantiles, which a sketch knows to an eighth of their size.

Changes are differences of means in pooled standard deviations. Among many, some
differ by chance: p is how likely so large a difference is between two random
parts of one collection, and q is the least rate of false discoveries at which
the concept, or pair, counts as changed among all of them (Benjamini-Hochberg,
for concepts and for pairs; --control by is valid under any dependence). At
--fdr 0.05, no more than 5 % of those called changed are expected to be chance.
p follows from three moments of the permutation distribution; --test welch takes
Welch's t, which does not need equal spreads, and does need means that are about
normal.
All concepts are listed, and the pairs that changed. Intervals (95 %; bootstrap,
for a summary Welch's) are for each one alone: of many that are listed, some do
not contain the true value. Each collection needs at least 20 images.

--fail-above 0.5 makes the command end with status 4, after printing its result,
if a concept (without --concepts, a pair) changed by more than that and is a
discovery at --fdr.

Concepts are --concepts yellow,convertible, or --concepts @FILE, a list. They
are embedded with --model, --vocab and --templates; or their embeddings, written
by embed, are rows of --text-embeddings-path (of the texts in --lines if given,
otherwise of the concepts in their order). Texts are not centred.

Writes, if given: --save-path, the result as JSON; --plot, the changes of the 24
concepts (or pairs) that changed most, with their intervals; --junit, a test
case for each concept, which fails if it changed by more than --fail-above;
--openmetrics, gauges for a monitor. docs/watch.md shows how to find what
differs between two groups of images.`

func newWatchCommand(g *globalOptions) *cobra.Command {
	var opts shiftOptions
	cmd := &cobra.Command{
		Use:   "watch --reference REF --scores PATH [--concepts TEXT,... --pcs-path FILE]",
		Short: "Find the concepts and pairs that differ in two collections",
		Long:  watchHelp,
		Example: "clipnh watch --reference caches/june --scores caches/july \\\n" +
			"  --concepts @words.txt --text-embeddings-path caches/words.npy \\\n" +
			"  --pcs-path caches/pc0.npy --plot july.png --fail-above 0.5\n" +
			"clipnh watch --reference caches/june --scores caches/july \\\n" +
			"  --fail-above 0.5 --junit july.xml --openmetrics july.prom",
		Args:        noArgs,
		Annotations: reporting(exitStatus(exitShift, exitMissing, exitStale, exitInterrupted)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.given, opts.set = cmd.Flags().Changed, setFlags(cmd.Flags())
			if err := require("--reference", opts.watch.Reference, "--scores", opts.from.ScoresPath); err != nil {
				return usageError{err}
			}
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runWatch(cmd.Context(), opts, g)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&opts.watch.Reference, "reference", "", "`PATH` of the scores, or their summary, to compare with, which collect wrote")
	fs.StringVarP(&opts.from.ScoresPath, "scores", "s", "", "`PATH` of the scores, or their summary, to compare, which collect wrote")
	opts.addConceptFlags(fs)
	modelFlag(fs, &opts.from.Model)
	detailFlags(fs, &opts.from.Details)
	opts.addWatchFlags(fs, "")
	fs.StringVarP(&opts.stage.SavePath, "save-path", "o", "", "`FILE` for the result, .json; that of an earlier run is replaced")
	fs.StringVar(&opts.stage.PlotPath, "plot", "", "`FILE` for the figure, .png or .svg")
	return cmd
}

// addConceptFlags adds what says which concepts to follow, and how to embed them.
func (o *shiftOptions) addConceptFlags(fs *pflag.FlagSet) {
	textsFlag(fs, &o.followed, "concepts", "", "concepts to follow"+textsHelp, nil)
	textsFlag(fs, &o.texts, "text", "", "more concepts to follow"+textsHelp, nil)
	fs.StringVar(&o.conceptsPath, "concepts-path", "", "`FILE` of concepts, as --concepts @FILE")
	hide(fs, "text", "concepts-path")
	fs.IntVar(&o.concepts.K, "k", 5, "use the `K` pairs closest to a concept")
	fs.StringVarP(&o.concepts.PCsPath, "pcs-path", "p", "", "`FILE` of principal components of pairs, .npy; those of neurons (svd --mode n) take a neuron with all of its pairs")
	vocabFlag(fs, &o.concepts.Vocab)
	defaultExcludes(fs, "vocab", "text-embeddings-path")
	templatesFlag(fs, &o.templates, "text")
	fs.BoolVar(&o.useTemplates, "use-templates", true, "put texts into templates; =false encodes them as they are")
	fs.StringVar(&o.concepts.EmbeddingsPath, "text-embeddings-path", "", "`FILE` of embeddings instead of --vocab, .npy or .pt")
	fs.StringVar(&o.concepts.TextsPath, "lines", "", "`FILE` of the texts of --text-embeddings-path, one per line, or the name of a fetched list; - is standard input")
	takesAsset(fs, "lines", configs.AssetWords)
}

// addWatchFlags adds those of comparing two collections. when says when they count.
func (o *shiftOptions) addWatchFlags(fs *pflag.FlagSet, when string) {
	fs.IntVar(&o.watch.List, "list", 20, when+"list the `N` concepts and the N pairs that changed most")
	fs.Float64Var(&o.watch.FalseDiscovery, "fdr", 0.05, when+"rate `Q` of false discoveries among what changed, 0 to 1; 1 lists all pairs")
	fs.IntVar(&o.watch.Bootstrap, "bootstrap", 1000, when+"draw `N` bootstrap replicates for the intervals, 400 or more; 0 gives none")
	fs.Uint64Var(&o.watch.Seed, "seed", 1, when+"`SEED` of the bootstrap")
	fs.StringVar(&o.watch.Test, "test", shift.TestPermutation, when+"p is of `TEST` permutation (three moments of it) or welch (Welch's t)")
	choices(fs, "test", shift.TestPermutation, shift.TestWelch)
	fs.StringVar(&o.control, "control", shift.ControlIndependent, when+"q is by `HOW` bh (Benjamini-Hochberg) or by (Benjamini-Yekutieli, under any dependence)")
	choices(fs, "control", shift.ControlIndependent, shift.ControlDependent)
	fs.Float64Var(&o.watch.FailAbove, "fail-above", math.Inf(1), when+"end with status 4 if a concept (without --concepts, a pair) changed by more than `X` standard deviations (default never)")
	fs.Lookup("fail-above").DefValue = "0" // which the help does not print
	fs.StringVar(&o.watch.JUnitPath, "junit", "", when+"`FILE` for what --fail-above found, JUnit's XML")
	fs.StringVar(&o.watch.MetricsPath, "openmetrics", "", when+"`FILE` for the result as OpenMetrics text")
}

// Bootstrap replicates: the ends of a 95 % interval are the 2.5 % tails, of which fewer
// than four hundred have less than ten values; more than the largest number change no
// digit that is printed.
const (
	minReplicates = 400
	maxReplicates = 100_000
)

func (o *shiftOptions) validateWatch() error {
	switch {
	case o.from.ScoresPath == "":
		return errors.New("--watch needs --scores, which it compares with the reference")
	case o.table.Path != "" || o.cars.CSV != "" || o.table.Group != "" || len(o.labelColumns) > 0:
		return errors.New("--watch has no labels: it cannot be combined with --labels-csv, --colours-csv, --group-column and --label-column")
	case o.stage.PlotPath != "" && plotFormatErr(o.stage.PlotPath) != nil:
		return plotFormatErr(o.stage.PlotPath)
	case o.watch.List < 1:
		return fmt.Errorf("--list %d: want 1 or more", o.watch.List)
	case o.watch.Bootstrap != 0 && (o.watch.Bootstrap < minReplicates || o.watch.Bootstrap > maxReplicates):
		return fmt.Errorf("--bootstrap %d: want %d to %d, or 0 for no intervals", o.watch.Bootstrap, minReplicates, maxReplicates)
	case !(o.watch.FalseDiscovery > 0 && o.watch.FalseDiscovery <= 1):
		return fmt.Errorf("--fdr %g: want more than 0, and at most 1", o.watch.FalseDiscovery)
	case !(o.watch.FailAbove >= 0):
		return fmt.Errorf("--fail-above %g: want 0 or more", o.watch.FailAbove)
	case o.watch.Test != shift.TestPermutation && o.watch.Test != shift.TestWelch:
		return fmt.Errorf("--test %q: want %s or %s", o.watch.Test, shift.TestPermutation, shift.TestWelch)
	case o.control != shift.ControlIndependent && o.control != shift.ControlDependent:
		return fmt.Errorf("--control %q: want %s or %s", o.control, shift.ControlIndependent, shift.ControlDependent)
	case o.watch.JUnitPath != "" && math.IsInf(o.watch.FailAbove, 1):
		return errors.New("--junit needs --fail-above, which says what fails")
	}
	return o.separateFiles()
}

// separateFiles returns an error if one file is named for two results, of which the later
// would replace the other.
func (o *shiftOptions) separateFiles() error {
	outputs := []struct{ flag, path string }{
		{"save-path", o.stage.SavePath}, {"plot", o.stage.PlotPath}, {"junit", o.watch.JUnitPath}, {"openmetrics", o.watch.MetricsPath},
	}
	for i, a := range outputs {
		for _, b := range outputs[:i] {
			if a.path != "" && b.path != "" && filepath.Clean(a.path) == filepath.Clean(b.path) {
				return fmt.Errorf("--%s and --%s: both are %s, want two files", b.flag, a.flag, a.path)
			}
		}
	}
	return nil
}

// validatePairs is validate for a comparison without concepts.
func (o *shiftOptions) validatePairs() error {
	unused := []string{"k", "pcs-path", "vocab", "templates", "use-templates", "text-embeddings-path", "lines", "model", "vit-heads", "activation"}
	if err := o.given.refuse("without --concepts", unused...); err != nil {
		return err
	}
	if err := cmp.Or(o.validatePart(), o.validateGiven()); err != nil {
		return err
	}
	return o.validateWatch()
}
