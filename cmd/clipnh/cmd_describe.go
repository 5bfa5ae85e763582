package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/describe"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/concepts"
	"github.com/clipnh/clipnh/internal/ui"
)

const describeHelp = `
Prints the words that approximate the principal components of a few units, with
their coefficients: h12n624 is the pair of head 12 and neuron 624; n624 is a
neuron or, if the components are of pairs, all pairs of that neuron. In a vision
transformer, l10h3n624 is the pair of head 3 of layer 10 and neuron 624 of layer
9, and l9n624 that neuron. The residual is the norm of what the words leave of
the component, whose own norm is 1.

A word with a negative coefficient says what the unit is not. The default
method, omp over the embeddings without normalisation (--normalize none), has
the words that predict the scores of units best, as measured by score;
docs/descriptions.md has the comparison. The help of sparse explains the
methods.

Images take the place of units with --image: files, or images of a collection
(--scores) by their names. An image has the words of those units whose effect on
it, their contribution less its mean over the collection, is among their
--top-images largest on images of the collection: words that say what it shows,
without any classes. A word's weight is the sum over these units of its
coefficient times the projection of the effect on the component; the units that
add most are named. An image file needs --model, which the collection was made
with, and is prepared as its images were.

--attributes, a table with columns image and any others, says what is true of
images, perhaps with other names after |: brown|chocolate. It prints for each
column how many images have a word among the --list first that names it, and
how many would by the words of another image, drawn at random; without --image
of all images of the collection.

Reads what sparse reads and computes the codes; or reads codes that sparse wrote
(--codes) and prints the --num-components largest coefficients, with a residual
only if these are all of them. A decomposition written by the reference needs
--pcs-path too, to tell pairs from neurons.

Writes to standard output.`

func newDescribeCommand(g *globalOptions) *cobra.Command {
	var opts describeOptions
	cmd := &cobra.Command{
		Use:   "describe UNIT... --text-descs-list-path FILE",
		Short: "Print the words that describe a few units, or images",
		Long:  describeHelp,
		Example: "clipnh describe h12n624 h3n7 --pcs-path caches/pc0.npy \\\n" +
			"  --text-descs-list-path 30k.txt \\\n" +
			"  --text-descs-embeddings-path caches/30k_embed.npy\n" +
			"clipnh describe n624 --codes caches/codes.npz \\\n" +
			"  --text-descs-list-path 30k.txt\n" +
			"clipnh describe --image photo.jpg --scores caches/photos \\\n" +
			"  --model RN50x16.pt --pcs-path caches/pc0_n.npy \\\n" +
			"  --text-descs-list-path 30k.txt \\\n" +
			"  --text-descs-embeddings-path caches/30k_embed.npy",
		Args:        cobra.ArbitraryArgs,
		Annotations: exitStatus(exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.units = splitUnits(strings.Join(args, " "))
			opts.given, opts.set = cmd.Flags().Changed, setFlags(cmd.Flags())
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runDescribe(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// describeComponents is how many words describe a unit unless someone asks otherwise: codes
// of another number have other coefficients, and perhaps other words.
const describeComponents = 8

// namedWords is how many of a unit's words tables with a row for each unit name, the first,
// unless --num-components says how many.
const namedWords = 3

// wordsUsage is what --num-components does where tables name units.
var wordsUsage = fmt.Sprintf("describe units by `K` words, of codes the largest; tables name the first %d unless it is given, --json has all", namedWords)

// named is how many words tables name.
func (given givenFlags) named(components int) int {
	if given != nil && given("num-components") {
		return components
	}
	return namedWords
}

// components is how many words describe a unit: of a list of fewer than the default, all.
func (given givenFlags) components(asked int, words []string) int {
	if len(words) == 0 || given != nil && given("num-components") {
		return asked
	}
	return min(asked, len(words))
}

// describeOptions is everything the describe command can be told.
type describeOptions struct {
	given, set givenFlags // on the command line; by someone
	codingOptions
	units             []string
	images            concepts.Options // in place of units
	decompositionPath string
}

func (o *describeOptions) addFlags(fs *pflag.FlagSet) {
	o.codingOptions.addFlags(fs, describeComponents, describe.BestNormalization)
	fs.StringVar(&o.decompositionPath, "codes", "", "`FILE` of codes to read instead of computing them, .npz")
	o.addImageFlags(fs)
}

func (o *describeOptions) validate() error {
	if o.ofImages() {
		if err := o.validateImages(); err != nil {
			return err
		}
	} else if len(o.units) == 0 {
		return errors.New("no unit given: want at least one, such as h12n624 or n624" + ofTransformers)
	} else if err := o.given.refuse("without --image or --attributes", strings.Fields(imagesOnly)...); err != nil {
		return err
	}
	if err := once("unit", o.units); err != nil {
		return err
	}
	needed := []string{"--text-descs-list-path", o.wordsPath}
	if o.decompositionPath == "" {
		needed = append(needed, "--pcs-path", o.pcsPath, "--text-descs-embeddings-path", o.embeddingsPath)
	}
	if err := require(needed...); err != nil {
		return err
	}
	if o.decompositionPath != "" {
		if err := o.given.refuse("with --codes", "method", "normalize", "svd-scores", "text-descs-embeddings-path"); err != nil {
			return err
		}
	}
	return o.codingOptions.validate()
}

// describedUnits is the result as JSON.
type describedUnits struct {
	Units []coding.Description `json:"units"`
}

func runDescribe(ctx context.Context, opts describeOptions, g *globalOptions) error {
	options, err := opts.pipeline(g)
	if err != nil {
		return err
	}
	if opts.ofImages() {
		return runDescribeImages(ctx, opts, options, g)
	}
	options.Units = opts.units
	all, err := coding.Describe(ctx, coding.DescribeOptions{Options: options, DecompositionPath: opts.decompositionPath})
	if err != nil {
		return err
	}
	words := 0
	for _, d := range all {
		words = max(words, len(d.Terms))
	}
	if opts.decompositionPath != "" {
		g.sayFewer(opts.set, listing{"num-components", options.Components, words, ui.Words, "in a code"})
	}
	if g.json {
		return g.printer.JSON(describedUnits{all})
	}
	t := ui.NewTable(ui.Left("unit"), ui.Right("residual"), ui.Right("coefficient"), ui.Left("word"))
	for _, d := range all {
		unit, residual := d.Unit, ""
		if d.Residual != nil {
			residual = fmt.Sprintf("%.4f", *d.Residual)
		}
		if len(d.Terms) == 0 {
			t.Row(unit, residual, "", "")
		}
		for _, term := range d.Terms {
			t.Row(unit, residual, fmt.Sprintf("%.4f", term.Coefficient), term.Word)
			unit, residual = "", ""
		}
	}
	return g.printer.Table(t)
}
