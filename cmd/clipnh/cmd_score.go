package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/describe"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/pipeline/score"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

const scoreHelp = `
Measures how true the words of units are. A unit's words, weighted by their
coefficients, predict its score on an image: by their product with the image's
feature, without the unit's own contribution. For each unit the prediction is
compared with the score:

  correlation  Spearman's rank correlation over all images: 1 if the words order
               the images as the unit does, 0 if they say nothing
  AUC          how often an image among the unit's strongest 1 % (at least 10)
               has a higher prediction than one of the rest: 1 always, 0.5 as by
               chance

Both are measured for all words of a unit, and for its first word alone, the one
with the largest coefficient. The table has the median and quartiles over the
units; below them the floor, the same for the words of other units, drawn at
random (--seed); and the share of units above the floor's 95th percentile.

Reads scores that collect wrote (--scores), preferably of images that the
components (--pcs-path) were not computed from; words and their embeddings, as
sparse does; and codes that sparse wrote (--codes, which may be repeated), or
the ways to compute codes (--method), METHOD:NORMALIZE,... such as
omp:columns,nonneg. all stands for every method; for textspan of neurons see
sparse. Units are all that have codes, or those named, such as h12n624 (in a
vision transformer l10h3n624).

With --attributes, a table of what is true of the images (a line of column
names, then a line for each image: its name and any number of attributes, such
as "1.jpg,blue|azure,boat", with other names after |), it also counts the units
whose first word is the attribute that follows the unit best (of largest AUC),
and those in which its name occurs.

Writes to standard output. With --save-path, the measures of one description as
float32 .npy with a manifest, [H,C,4] for pairs or [C,4] for neurons:
correlation and AUC of all words, and of the first; units that were not measured
have 0 and 0.5.`

func newScoreCommand(g *globalOptions) *cobra.Command {
	var opts scoreOptions
	cmd := &cobra.Command{
		Use:   "score [UNIT...] --scores PATH --pcs-path FILE --method LIST",
		Short: "Measure how well the words of units predict their scores",
		Long:  scoreHelp,
		Example: "clipnh score --scores caches/val --pcs-path caches/pc0.npy \\\n" +
			"  --text-descs-list-path 30k.txt \\\n" +
			"  --text-descs-embeddings-path caches/30k_embed.npy \\\n" +
			"  --method omp:columns,nonneg\n" +
			"clipnh score h12n624 --scores caches/val --pcs-path caches/pc0.npy \\\n" +
			"  --text-descs-list-path 30k.txt \\\n" +
			"  --text-descs-embeddings-path caches/30k_embed.npy \\\n" +
			"  --codes caches/codes.npz",
		Annotations: exitStatus(exitMissing, exitStale, exitInterrupted),
		Args:        cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.stage.Units = splitUnits(strings.Join(args, " "))
			opts.given, opts.set = cmd.Flags().Changed, setFlags(cmd.Flags())
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runScore(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// scoreOptions is everything the score command can be told.
type scoreOptions struct {
	given givenFlags
	set   givenFlags // has a value that someone gave it
	stage score.Options
	ways  string

	restart bool // discard what was made from something else
}

func (o *scoreOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.stage.ScoresPath, "scores", "s", "", "`PATH` of scores that collect wrote")
	fs.StringVarP(&o.stage.PCsPath, "pcs-path", "p", "", "`FILE` of principal components, .npy")
	takesWords(fs, &o.stage.WordsPath)
	fs.StringVar(&o.stage.EmbeddingsPath, "text-descs-embeddings-path", "", "`FILE` of embeddings of the words, .npy or .pt")
	fs.StringArrayVar(&o.stage.DecompositionPaths, "codes", nil, "measure the codes in `FILE`, .npz; may be repeated")
	fs.StringVar(&o.ways, "method", "", "measure codes computed by a `LIST` of methods: nearest, omp, nonneg or textspan, each perhaps with :columns, :rows or :none; or all")
	fs.IntVar(&o.stage.Components, "num-components", describeComponents, fmt.Sprintf("use at most `K` words per unit, with --method; tables name the first %d unless it is given", namedWords))
	collectForTextSpan(fs, &o.stage.CollectPath)
	fs.IntVar(&o.stage.List, "list", 5, "list the `N` units of highest and of lowest correlation; named units are all listed")
	fs.StringVar(&o.stage.AttributesPath, "attributes", "", "`FILE` of what is true of images, .csv")
	fs.Uint64Var(&o.stage.Seed, "seed", 0, "draw other units with this `SEED`")
	fs.IntVar(&o.stage.Draws, "draws", 0, "draw `N` other units for each unit; 0 is as many as make 1000 in all")
	fs.StringVarP(&o.stage.SavePath, "save-path", "o", "", "`FILE` for the measures of each unit, .npy")
	fs.BoolVar(&o.restart, "restart", false, "discard what is at --save-path, even if it was made from something else")
}

func (o *scoreOptions) validate() error {
	if err := require("--scores", o.stage.ScoresPath, "--pcs-path", o.stage.PCsPath,
		"--text-descs-list-path", o.stage.WordsPath, "--text-descs-embeddings-path", o.stage.EmbeddingsPath); err != nil {
		return err
	}
	var err error
	if o.stage.Ways, err = parseWays(o.ways); err != nil {
		return err
	}
	if err := cmp.Or(once("unit", o.stage.Units), filesOnce("--codes", o.stage.DecompositionPaths)); err != nil {
		return err
	}
	described := len(o.stage.DecompositionPaths) + len(o.stage.Ways)
	switch {
	case described == 0:
		return errors.New("nothing to measure: want --codes or --method")
	case o.stage.Components < 1:
		return fmt.Errorf("--num-components %d: want 1 or more", o.stage.Components)
	case o.stage.List < 0:
		return fmt.Errorf("--list %d: want 0 or more", o.stage.List)
	case o.stage.Draws < 0 || o.stage.Draws > maxDraws:
		return fmt.Errorf("--draws %d: want 1 to %d, or 0", o.stage.Draws, maxDraws)
	case o.stage.SavePath != "" && !strings.HasSuffix(o.stage.SavePath, ".npy"):
		return fmt.Errorf("--save-path %s: want a .npy file", o.stage.SavePath)
	case o.stage.SavePath != "" && described > 1:
		return fmt.Errorf("--save-path takes the measures of one description, want one, not %d", described)
	}
	spans := slices.ContainsFunc(o.stage.Ways, func(w score.Way) bool { return w.Method == describe.TextSpan })
	return o.given.refuseIn(
		rule{!spans, "without --method textspan", []string{"svd-scores"}},
		rule{len(o.stage.Ways) == 0, "without --method", []string{"num-components"}},
		rule{o.stage.SavePath == "", "without --save-path", []string{"restart"}})
}

// allWays is what --method all stands for: what components alone are enough for.
const allWays = "nearest:rows,nearest:none,omp:columns,omp:rows,omp:none,nonneg:rows,nonneg:none"

// parseWays reads a list of methods.
func parseWays(list string) ([]score.Way, error) {
	var ways []score.Way
	for _, text := range splitUnits(list) {
		if text == "all" {
			all, err := parseWays(allWays)
			if err != nil {
				return nil, err
			}
			ways = append(ways, all...)
			continue
		}
		method, normalize, given := strings.Cut(text, ":")
		m, err := describe.ParseMethod(method)
		if err != nil {
			return nil, fmt.Errorf("--method %q: want %s, or all", text, strings.Join(describe.Methods(), ", "))
		}
		way := score.Way{Method: m, Normalize: m.Normalization()}
		if given {
			if way.Normalize, err = omp.ParseNormalization(normalize); err != nil {
				return nil, fmt.Errorf("--method %q: want columns, rows or none after the colon", text)
			}
		}
		for _, w := range ways {
			if w == way {
				return nil, fmt.Errorf("--method %s: %s is given twice", list, way)
			}
		}
		ways = append(ways, way)
	}
	return ways, nil
}

func runScore(ctx context.Context, opts scoreOptions, g *globalOptions) error {
	o := opts.stage
	var err error
	if o.Words, err = g.texts.lines("text-descs-list-path", o.WordsPath); err != nil {
		return err
	}
	o.Artefacts, o.Writer, o.Threads = g.artefacts(), g.writer(opts.restart), g.workers()
	result, err := score.Run(ctx, o, g.printer)
	if err != nil {
		return err
	}
	if len(o.Units) == 0 {
		g.sayFewer(opts.set, listing{"list", o.List, result.Units, ui.Units, ""})
	}
	if g.json {
		return g.printer.JSON(result)
	}
	return printScore(result, opts, g.printer)
}

func printScore(r *score.Result, opts scoreOptions, p *ui.Printer) error {
	if err := p.Table(scoreTable(r)); err != nil {
		return err
	}
	if n := r.Left.NoComponent + r.Left.Constant; n > 0 {
		p.Note("%s %s left out: %d without a component, %d whose score is the same on all images", quantity.Of(n, "unit"), quantity.Is(n), r.Left.NoComponent, r.Left.Constant)
	}
	if opts.stage.AttributesPath != "" {
		t := ui.NewTable(ui.Left("words by"), ui.Right("first word is the best attribute %"), ui.Right("names it %"))
		for _, d := range r.Descriptions {
			t.Row(d.Name, percentOf(*d.NamesBest, r.Units), percentOf(*d.ContainsBest, r.Units))
		}
		if err := errors.Join(p.Text("\n"), p.Table(t)); err != nil {
			return err
		}
	}
	for i := range r.Descriptions {
		d := &r.Descriptions[i]
		units := d.All
		if len(opts.stage.Units) == 0 {
			highest, lowest := d.Extremes(opts.stage.List)
			units = append(highest, lowest...)
		}
		if len(units) == 0 {
			continue
		}
		if err := errors.Join(p.Text("\n"), p.Table(unitTable(d, units, opts.stage.AttributesPath != "", opts.given.named(opts.stage.Components)))); err != nil {
			return err
		}
	}
	return nil
}

// scoreTable is the measures of all units.
func scoreTable(r *score.Result) *ui.Table {
	t := ui.NewTable(ui.Left("words by"), ui.Left("of"), ui.Right("correlation"), ui.Right("25 %"), ui.Right("75 %"), ui.Right("above floor %"),
		ui.Right("AUC"), ui.Right("25 %"), ui.Right("75 %"), ui.Right("above floor %"))
	number := func(x float64) string { return fmt.Sprintf("%.3f", x) }
	for _, d := range r.Descriptions {
		name := d.Name
		for _, m := range []struct {
			of string
			score.Measures
		}{{"all words", d.Words}, {"first word", d.FirstWord}} {
			c, a := m.Correlation, m.AUC
			t.Row(name, m.of, number(c.Median), number(c.Low), number(c.High), fmt.Sprintf("%.1f", 100*c.Above),
				number(a.Median), number(a.Low), number(a.High), fmt.Sprintf("%.1f", 100*a.Above))
			t.Row("", "  others'", number(c.Floor.Median), number(c.Floor.Low), number(c.Floor.High), "",
				number(a.Floor.Median), number(a.Floor.Low), number(a.Floor.High), "")
			name = ""
		}
	}
	return t
}

// unitTable is the measures of some units.
func unitTable(d *score.Description, units []score.Unit, attributes bool, named int) *ui.Table {
	columns := []ui.Column{ui.Left(d.Name), ui.Right("correlation"), ui.Right("AUC"), ui.Right("first word"), ui.Right("AUC")}
	if attributes {
		columns = append(columns, ui.Left("best attribute"))
	}
	t := ui.NewTable(append(columns, ui.Left("words"))...)
	for _, u := range units {
		row := []string{u.Unit, fmt.Sprintf("%.3f", u.Correlation), fmt.Sprintf("%.3f", u.AUC), fmt.Sprintf("%.3f", u.FirstCorrelation), fmt.Sprintf("%.3f", u.FirstAUC)}
		if attributes {
			row = append(row, u.Best)
		}
		t.Row(append(row, signedWords(u.Terms, named))...)
	}
	return t
}

// signedWords lists the first terms as they speak for the unit or, with not, against it.
func signedWords(terms []artefact.Term, named int) string {
	terms = terms[:min(named, len(terms))]
	words := make([]string, len(terms))
	for i, t := range terms {
		if words[i] = t.Word; t.Coefficient < 0 {
			words[i] = "not " + t.Word
		}
	}
	return strings.Join(words, ", ")
}

func percentOf(n, of int) string {
	if of == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f", 100*float64(n)/float64(of))
}
