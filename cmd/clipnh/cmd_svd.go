package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/pipeline/directions"
	"github.com/clipnh/clipnh/internal/ui"
)

const svdHelp = `
Computes the principal component of each neuron-head pair, or of each neuron.
The contributions of a unit are centred by their mean over the images, the
--top-k-pca images of largest centred norm are taken, and right singular vector
--pc-idx of their contributions is the component. Its sign is such that more
than half of --top-k-pca images project positively. If neither sign has such a
majority, the sign is undecided: the component then points along the longer tail
(the sum of the cubed projections is positive). Signs are unreliable with fewer
than four times --top-k-pca images. Unless it is given, --top-k-pca is therefore
at most a quarter of the images; the reference uses 50 of any number.

Reads what collect wrote: a folder of scores, for which pairs have a closed form
and neurons a problem as large as the number of heads; or dense contributions,
.dat or .npy, of clipnh or of the reference, the latter with --shape
(1000,48,3072,768). Either may be of any size: memory does not grow with it. A
folder in the published form (collect --form published) is read like the dense
contributions that it stands for.

Writes float32 .npy files, each with a manifest (.json), for those of these
flags that are given:
  --out-save-path    principal components, [H,C,O], or [C,O] with --mode n
  --mean-save-path   mean contributions, of the same shape
  --norm-save-path   the --top-k-pca largest centred norms, ascending,
                     [H,C,K] or [C,K]`

func newSVDCommand(g *globalOptions) *cobra.Command {
	var opts svdOptions
	cmd := &cobra.Command{
		Use:   "svd --scores PATH --out-save-path FILE",
		Short: "Compute the principal component of every pair or neuron",
		Long:  svdHelp,
		Example: "clipnh svd --scores caches/photos \\\n" +
			"  --out-save-path caches/pc0.npy --mean-save-path caches/means.npy",
		Args:        noArgs,
		Annotations: exitStatus(exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.given = cmd.Flags().Changed
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runSVD(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// referenceTopK is what the reference uses, however few the images are.
const referenceTopK = 50

// svdOptions is everything the svd command can be told.
type svdOptions struct {
	given                                    givenFlags
	collectPath, outPath, meanPath, normPath string
	mode, shape                              string
	topK, pc                                 int
	restart                                  bool // discard what was made from something else
}

func (o *svdOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.collectPath, "scores", "s", "", "`PATH` of what collect wrote")
	fs.StringVar(&o.mode, "mode", "nh", "`MODE` nh for neuron-head pairs, n for neurons")
	choices(fs, "mode", "nh", "n")
	fs.IntVar(&o.topK, "top-k-pca", referenceTopK, "use the `K` images of largest centred norm; unless given, at most a quarter of the images")
	fs.IntVar(&o.pc, "pc-idx", 0, "write right singular vector `I`, from 0; pairs have only one")
	fs.StringVarP(&o.outPath, "out-save-path", "o", "", "`FILE` for the principal components, .npy")
	fs.StringVar(&o.meanPath, "mean-save-path", "", "`FILE` for the mean contributions, .npy")
	fs.StringVar(&o.normPath, "norm-save-path", "", "`FILE` for the largest norms, .npy")
	fs.BoolVar(&o.restart, "restart", false, "discard what is at the paths to write, even if it was made from something else")
	fs.StringVar(&o.shape, "shape", "", "`B,H,C,O` of a dense file without a manifest, parentheses allowed")
}

func (o *svdOptions) validate() error {
	if err := require("--scores", o.collectPath); err != nil {
		return err
	}
	switch {
	case o.outPath == "" && o.meanPath == "" && o.normPath == "":
		return errors.New("nothing to write: want --out-save-path, --mean-save-path or --norm-save-path")
	case o.mode != "nh" && o.mode != "n":
		return fmt.Errorf("--mode %q: want nh or n", o.mode)
	case o.mode == "nh" && o.pc > 0:
		return errors.New("--pc-idx above 0 is for --mode n: the centred contributions of a pair are scores times one direction, so they have rank one")
	case o.topK < 1:
		return fmt.Errorf("--top-k-pca %d: want 1 or more", o.topK)
	case o.pc < 0 || o.pc >= o.topK:
		return fmt.Errorf("--pc-idx %d: want 0 to %d, --top-k-pca less one", o.pc, o.topK-1)
	}
	if o.outPath == "" {
		if err := o.given.refuse("without --out-save-path", "pc-idx"); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for _, path := range []string{o.outPath, o.meanPath, o.normPath} {
		if path == "" {
			continue
		}
		if !strings.HasSuffix(path, ".npy") {
			return fmt.Errorf("%s: want a .npy file", path)
		}
		if seen[filepath.Clean(path)] {
			return fmt.Errorf("%s: given twice, want a file for each result", path)
		}
		seen[filepath.Clean(path)] = true
	}
	_, err := parseShape(o.shape)
	return err
}

// shapeSeparators are what may stand between the sizes of a shape. Only one kind does.
var shapeSeparators = []string{",", "x", "X", "×"}

// parseShape reads 1000,48,3072,768 as Python prints it, with or without parentheses,
// brackets and blanks, or with x or only blanks between sizes. An empty text gives no
// shape.
func parseShape(text string) ([]int, error) {
	inner := strings.TrimSpace(text)
	for _, brackets := range []string{"()", "[]"} {
		if strings.HasPrefix(inner, brackets[:1]) && strings.HasSuffix(inner, brackets[1:]) {
			inner = inner[1 : len(inner)-1]
			break
		}
	}
	if inner = strings.TrimSuffix(strings.TrimSpace(inner), ","); inner == "" {
		return nil, nil
	}
	words := strings.Fields(inner)
	for _, separator := range shapeSeparators {
		if strings.Contains(inner, separator) {
			words = strings.Split(inner, separator)
			break
		}
	}
	var shape []int
	for _, word := range words {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("--shape %q: want whole numbers from 1 up, such as 1000,48,3072,768", text)
		}
		shape = append(shape, n)
	}
	return shape, nil
}

func runSVD(ctx context.Context, opts svdOptions, g *globalOptions) error {
	shape, err := parseShape(opts.shape)
	if err != nil {
		return usageError{err}
	}
	result, err := directions.SVD(ctx, directions.SVDOptions{
		Artefacts: g.artefacts(), CollectPath: opts.collectPath, Shape: shape, Neurons: opts.mode == "n", TopK: opts.topK, FitTopK: opts.topK == referenceTopK && !opts.given("top-k-pca"), PC: opts.pc,
		OutPath: opts.outPath, MeanPath: opts.meanPath, NormPath: opts.normPath, Writer: g.writer(opts.restart), Threads: g.workers(),
	}, g.printer)
	if err != nil {
		return err
	}
	if g.json {
		return g.printer.JSON(result)
	}
	t := ui.NewTable(ui.Left("unit"), ui.Right("units"), ui.Right("images"), ui.Right("sign undecided"), ui.Right("no component"), ui.Left("wrote"))
	t.Row(result.Unit, fmt.Sprint(result.Units), fmt.Sprint(result.Images), fmt.Sprint(result.Undecided), fmt.Sprint(result.Null), strings.Join(result.Paths, " "))
	return g.printer.Table(t)
}
