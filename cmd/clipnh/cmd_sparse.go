package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/describe"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/words"
	"github.com/clipnh/clipnh/internal/ui"
)

const sparseHelp = `
Approximates the principal component of each neuron-head pair, or neuron, by a
sum of at most --num-components words over the embeddings of the words. The
methods (--method):

  omp       orthogonal matching pursuit, the paper's, with the rules of
            scikit-learn's orthogonal_mp_gram
  nearest   the words of largest cosine, which are their coefficients
  nonneg    matching pursuit without negative coefficients, as in SpLiCE
  textspan  the words that explain most of the variance of the unit's
            contributions, as TextSpan; those of a pair have only one
            direction, for which this is omp; neurons need the scores that
            the components were computed from (--svd-scores)

With --normalize columns, the mean of the embeddings is subtracted, and each
dimension is divided by its norm over the words, as in the paper's code; with
rows, the mean is subtracted and each word is divided by its norm. With none,
the embeddings are used as they are.

A code can stop early: when no word describes what is left (weak), when the best
word was already taken (repeated), or when it is a combination of those taken
(dependent). The command score measures how well the words of each method
predict.

Reads principal components (--pcs-path, written by svd, [H,C,O] or [C,O]), a
list of words, one per line, and their embeddings, .npy or .pt, which embed
writes (--use-templates=false --lines WORDS). The list and the embeddings must
have the same number of words.

Writes, each with a manifest (.json), for those of these flags that are given:
  --descriptions-save-path   JSON, terms by descending size of coefficient:
                             {"unit": [[word index, coefficient, word], ...]};
                             the unit of pair h,n is h*C+n
  --decomposition-save-path  codes as a sparse matrix [units, words], .npz, for
                             scipy.sparse.load_npz; units that --units leaves
                             out are zero. The file also has residuals [units]
                             and stops: 0 not early, 1 weak, 2 repeated,
                             3 dependent, -1 left out

A run can be interrupted or killed: finished batches of 8192 units are kept next
to the outputs, and the same command resumes after them.`

func newSparseCommand(g *globalOptions) *cobra.Command {
	var opts sparseOptions
	cmd := &cobra.Command{
		Use:   "sparse --pcs-path FILE --text-descs-list-path FILE --descriptions-save-path FILE",
		Short: "Approximate each principal component by a few words",
		Long:  sparseHelp,
		Example: "clipnh sparse --pcs-path caches/pc0.npy --text-descs-list-path 30k.txt \\\n" +
			"  --text-descs-embeddings-path caches/30k_embed.npy \\\n" +
			"  --descriptions-save-path caches/text_descs.json \\\n" +
			"  --decomposition-save-path caches/codes.npz",
		Args:        noArgs,
		Annotations: exitStatus(exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runSparse(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// sparseOptions is everything the sparse command can be told.
type sparseOptions struct {
	codingOptions
	units                               string
	descriptionsPath, decompositionPath string
	restart, strict                     bool
}

func (o *sparseOptions) addFlags(fs *pflag.FlagSet) {
	o.codingOptions.addFlags(fs, 64, describe.OMP.Normalization())
	fs.StringVar(&o.units, "units", "", "`LIST` of units to code, such as h12n624,h3n7, or l10h3n624 of a vision transformer; n624 or l9n624 stands for all pairs of a neuron (default all)")
	fs.StringVar(&o.descriptionsPath, "descriptions-save-path", "", "`FILE` for words and coefficients, .json")
	fs.StringVarP(&o.decompositionPath, "decomposition-save-path", "o", "", "`FILE` for the matrix of codes, .npz")
	fs.BoolVar(&o.restart, "restart", false, "discard what is at the paths to write and start over")
	fs.BoolVar(&o.strict, "strict", false, "refuse to resume what another kind of processor began")
}

func (o *sparseOptions) validate() error {
	if err := require("--pcs-path", o.pcsPath, "--text-descs-embeddings-path", o.embeddingsPath, "--text-descs-list-path", o.wordsPath); err != nil {
		return err
	}
	switch {
	case o.descriptionsPath == "" && o.decompositionPath == "":
		return errors.New("nothing to write: want --descriptions-save-path or --decomposition-save-path (describe prints the words of a few units)")
	case o.descriptionsPath != "" && !strings.HasSuffix(o.descriptionsPath, ".json"):
		return fmt.Errorf("--descriptions-save-path %s: want a .json file", o.descriptionsPath)
	case o.decompositionPath != "" && !strings.HasSuffix(o.decompositionPath, ".npz"):
		return fmt.Errorf("--decomposition-save-path %s: want a .npz file", o.decompositionPath)
	}
	return cmp.Or(once("--units", splitUnits(o.units)), o.codingOptions.validate())
}

func runSparse(ctx context.Context, opts sparseOptions, g *globalOptions) error {
	options, err := opts.pipeline(g)
	if err != nil {
		return err
	}
	options.Units = splitUnits(opts.units)
	result, err := words.Sparse(ctx, words.SparseOptions{
		Options: options, DescriptionsPath: opts.descriptionsPath, DecompositionPath: opts.decompositionPath,
		Store: g.files, Restart: opts.restart, Strict: opts.strict,
	}, g.printer)
	if err != nil {
		return err
	}
	if result.Complete {
		is := "is"
		if len(result.Paths) > 1 {
			is = "are"
		}
		g.printer.Note("%s %s already complete", strings.Join(result.Paths, " and "), is)
	}
	if g.json {
		return g.printer.JSON(result)
	}
	t := ui.NewTable(ui.Left("unit"), ui.Right("units"), ui.Right("words"), ui.Right("components"), ui.Right("ended early"), ui.Right("mean residual"), ui.Left("wrote"))
	early, residual := "", ""
	if result.Residual != nil {
		early, residual = fmt.Sprint(result.Units-result.Stops[omp.Full.String()]), fmt.Sprintf("%.4f", *result.Residual)
	}
	t.Row(result.Unit, fmt.Sprint(result.Units), fmt.Sprint(result.Words), fmt.Sprint(result.Components), early, residual, strings.Join(result.Paths, " "))
	return g.printer.Table(t)
}

// codingOptions are the options that sparse and describe share.
type codingOptions struct {
	pcsPath, embeddingsPath, wordsPath string
	components                         int
	method, normalize                  string
	omp                                omp.Normalization // with omp, where normalize is empty
	collectPath                        string
}

// addFlags adds the flags, with defaults for the number of words and for how omp
// prepares the embeddings.
func (o *codingOptions) addFlags(fs *pflag.FlagSet, components int, normalize omp.Normalization) {
	o.omp = normalize
	fs.StringVarP(&o.pcsPath, "pcs-path", "p", "", "`FILE` of principal components, .npy")
	takesWords(fs, &o.wordsPath)
	fs.StringVar(&o.embeddingsPath, "text-descs-embeddings-path", "", "`FILE` of embeddings of the words, .npy or .pt")
	fs.IntVar(&o.components, "num-components", components, "use at most `K` words per unit")
	fs.StringVar(&o.method, "method", describe.OMP.String(), "`HOW` to choose words: omp, nearest, nonneg or textspan")
	choices(fs, "method", describe.Methods()...)
	fs.StringVar(&o.normalize, "normalize", "", "`HOW` to prepare the embeddings: columns, rows or none (default "+normalize.String()+" with omp, rows with nearest, else none)")
	choices(fs, "normalize", omp.Columns.String(), omp.Rows.String(), omp.None.String())
	collectForTextSpan(fs, &o.collectPath)
}

// collectForTextSpan adds the flag that textspan of neurons needs.
func collectForTextSpan(fs *pflag.FlagSet, path *string) {
	fs.StringVar(path, "svd-scores", "", "`PATH` of the scores that the components were computed from, for textspan of neurons")
}

func (o *codingOptions) validate() error {
	if o.components < 1 {
		return fmt.Errorf("--num-components %d: want 1 or more", o.components)
	}
	method, _, err := o.chosen()
	if err == nil && o.collectPath != "" && method != describe.TextSpan {
		return errors.New("--svd-scores has no effect without --method textspan")
	}
	return err
}

// chosen returns the method and how it prepares the embeddings.
func (o *codingOptions) chosen() (describe.Method, omp.Normalization, error) {
	method, err := describe.ParseMethod(o.method)
	if err != nil {
		return 0, 0, fmt.Errorf("--method %q: want omp, nearest, nonneg or textspan", o.method)
	}
	if o.normalize == "" && method == describe.OMP {
		return method, o.omp, nil
	}
	if o.normalize == "" {
		return method, method.Normalization(), nil
	}
	normalize, err := omp.ParseNormalization(o.normalize)
	if err != nil {
		return 0, 0, fmt.Errorf("--normalize %q: want columns, rows or none", o.normalize)
	}
	return method, normalize, nil
}

// pipeline returns the options of the stage, with the words read.
func (o *codingOptions) pipeline(g *globalOptions) (coding.Options, error) {
	method, normalize, err := o.chosen()
	if err != nil {
		return coding.Options{}, usageError{err}
	}
	list, err := g.texts.lines("text-descs-list-path", o.wordsPath)
	return coding.Options{
		Artefacts: g.artefacts(), PCsPath: o.pcsPath, EmbeddingsPath: o.embeddingsPath, Words: list, WordsPath: o.wordsPath,
		Method: method, Normalize: normalize, Components: o.components, CollectPath: o.collectPath, Threads: g.workers(),
	}, err
}

// splitUnits splits a list of units at commas and blanks.
func splitUnits(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}
