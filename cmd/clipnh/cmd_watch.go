package main

import (
	"math"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const watchHelp = `
Compares a collection (--scores) with a reference collection (--reference) of
the same model: which concepts, and which pairs, changed most? For a text, the
--k pairs are taken whose principal component is closest to its embedding; their
ratio in an image is the length of the sum of their contributions divided by
that of all contributions, the image feature. Pairs are compared by their
scores.

Changes are differences of means in pooled standard deviations. Among many, some
differ by chance: p is how likely so large a difference is between two random
parts of one collection, and q is the least rate of false discoveries at which
the concept, or pair, counts as changed among all of them (Benjamini-Hochberg,
for concepts and for pairs). At --fdr 0.05, no more than 5 % of those called
changed are expected to be chance. All concepts are listed, and the pairs that
changed. Intervals (bootstrap, 95 %) are for each one alone: of many that are
listed, some miss. Each collection needs 20 images or more. --fail-above 0.5
makes the command fail, after printing its result, if a concept changed by more
than that.

Concepts are --concepts yellow,convertible, or --concepts @FILE, a list. They
are embedded with --model, --vocab and --templates; or their embeddings, written
by embed, are rows of --text-embeddings-path (of the texts in --lines if given,
otherwise of the concepts in their order). Texts are not centred.

Writes, if given: --save-path, the result as JSON; --plot, the changes of the 24
concepts that changed most, with their intervals. docs/watch.md shows how to
find what differs between two groups of images.`

func newWatchCommand(g *globalOptions) *cobra.Command {
	var opts shiftOptions
	cmd := &cobra.Command{
		Use:   "watch --reference REF --scores PATH --concepts TEXT,... --pcs-path FILE",
		Short: "Find the concepts and pairs in which two collections differ",
		Long:  watchHelp,
		Example: "clipnh watch --reference caches/june --scores caches/july \\\n" +
			"  --concepts @words.txt --text-embeddings-path caches/words.npy \\\n" +
			"  --pcs-path caches/pc0.npy --plot july.png --fail-above 0.5",
		Args:        noArgs,
		Annotations: reporting(exitStatus(exitMissing, exitStale, exitInterrupted)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.given = cmd.Flags().Changed
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
	fs.StringVar(&opts.watch.Reference, "reference", "", "`PATH` of the scores to compare with, which collect wrote")
	fs.StringVarP(&opts.from.ScoresPath, "scores", "s", "", "`PATH` of the scores to compare, which collect wrote")
	opts.addConceptFlags(fs)
	modelFlag(fs, &opts.from.Model)
	detailFlags(fs, &opts.from.Details)
	opts.addWatchFlags(fs, "")
	fs.StringVarP(&opts.stage.SavePath, "save-path", "o", "", "`FILE` for the result, .json")
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
	fs.StringVarP(&o.concepts.PCsPath, "pcs-path", "p", "", "`FILE` of principal components of pairs, .npy")
	vocabFlag(fs, &o.concepts.Vocab)
	defaultExcludes(fs, "vocab", "text-embeddings-path")
	templatesFlag(fs, &o.templates, "text")
	fs.BoolVar(&o.useTemplates, "use-templates", true, "put texts into templates; =false encodes them as they are")
	fs.StringVar(&o.concepts.EmbeddingsPath, "text-embeddings-path", "", "`FILE` of embeddings instead of --vocab, .npy or .pt")
	fs.StringVar(&o.concepts.TextsPath, "lines", "", "`FILE` of the texts of --text-embeddings-path, one per line")
}

// addWatchFlags adds those of comparing two collections. when says when they count.
func (o *shiftOptions) addWatchFlags(fs *pflag.FlagSet, when string) {
	fs.IntVar(&o.watch.List, "list", 20, when+"list the `N` concepts and the N pairs that changed most")
	fs.Float64Var(&o.watch.FalseDiscovery, "fdr", 0.05, when+"rate `Q` of false discoveries among what changed, 0 to 1; 1 lists all pairs")
	fs.IntVar(&o.watch.Bootstrap, "bootstrap", 1000, when+"draw `N` bootstrap replicates for the intervals, 400 or more; 0 gives none")
	fs.Uint64Var(&o.watch.Seed, "seed", 1, when+"`SEED` of the bootstrap")
	fs.Float64Var(&o.failAbove, "fail-above", math.Inf(1), when+"fail if a concept changed by more than `X` standard deviations (default never)")
	fs.Lookup("fail-above").DefValue = "0" // which the help does not print
}
