package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/describe"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/words"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/ui"
)

const demoHelp = `
Runs the whole analysis on an example that is built into the program: a small
CLIP ResNet trained on drawings of things in ten colours, with its tokenizer and
data sets; a vision transformer trained on the same drawings; and a second
ResNet, which learned to rely on backgrounds. The files are written below --dir.
Each command is then run as if it had been typed. At the end the results are
shown next to those of an independent PyTorch implementation. What the commands
print goes to log.txt in --dir; --verbose prints it, with each command before
it. It takes about a minute of processor time.

For the vision transformer, the neurons of one layer are split by the heads of
later layers, and pairs of both models that agree on a word are shown. The
second ResNet is explained, audited and edited. The demo fails if the edited
checkpoint, collected again, does not classify as the audit measured.

Reads nothing. Writes the example and the artefacts made from it below --dir; a
second run keeps what is there. With --files-only it stops after writing the
example, for commands of your own; docs/tutorial.md walks through some.`

func newDemoCommand(g *globalOptions) *cobra.Command {
	var opts demoOptions
	cmd := &cobra.Command{
		Use:         "demo [--dir DIR] [--verbose] [--files-only]",
		Short:       "Run the whole analysis on a small example",
		Long:        demoHelp,
		Example:     "clipnh demo --dir clipnh-demo",
		Args:        noArgs,
		Annotations: exitStatus(exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runDemo(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// demoOptions is everything the demo command can be told.
type demoOptions struct {
	dir       string
	filesOnly bool
}

func (o *demoOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.dir, "dir", "o", "clipnh-demo", "write the example below `DIR`")
	fs.BoolVar(&o.filesOnly, "files-only", false, "write the example and stop")
}

func (o *demoOptions) validate() error { return require("--dir", o.dir) }

// demoConcepts are the words whose closest pairs the demo shows, next to those of
// expected.json.
var demoConcepts = []string{"yellow", "convertible"}

// demoComponents is --num-components of the demo.
const demoComponents = 8

func runDemo(ctx context.Context, opts demoOptions, g *globalOptions) error {
	if info, err := os.Stat(opts.dir); err == nil && !info.IsDir() {
		return fmt.Errorf("--dir %s: a file, want a folder", opts.dir)
	}
	laid, err := demo.Layout(opts.dir)
	if err != nil {
		return err
	}
	if opts.filesOnly {
		return printLaid(opts.dir, laid, g)
	}
	// Each command locks what it writes, but two demos would read what the other replaces.
	release, err := g.files.LockArtefact(filepath.Join(opts.dir, demo.Log))
	if err != nil {
		return err
	}
	defer release()
	g.printer.Note("%s: %s of the example written, %d already there", opts.dir, quantity.Of(laid.Written, "file"), laid.Kept)
	places, err := demoPlaces(opts.dir)
	if err != nil {
		return err
	}
	printed, err := runDemoSteps(ctx, opts, places, g)
	if err != nil {
		return err
	}
	result, err := demoFindings(ctx, opts.dir, g.workers())
	if err != nil {
		return err
	}
	if err := result.addPrinted(printed); err != nil {
		return err
	}
	if g.json {
		return g.printer.JSON(result)
	}
	if !g.verbose {
		return result.printShort(opts.dir, g.printer)
	}
	if err := result.print(g.printer); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("Figures:\n")
	for _, p := range demoImages {
		fmt.Fprintf(&b, "  %-*s  %s\n", len(opts.dir)+26, filepath.Join(opts.dir, filepath.FromSlash(p.path)), p.what)
	}
	return g.printer.Text(b.String())
}

// runDemoSteps runs the commands of the demo and returns what those printed that are run with
// --json, by their lines. Unless all is printed, it goes to the log: also when a command
// fails, as it then says why.
func runDemoSteps(ctx context.Context, opts demoOptions, places *strings.Replacer, g *globalOptions) (printed map[string][]byte, err error) {
	printed = map[string][]byte{}
	to := g.printer
	progress := ui.Discard
	if !g.verbose && !g.json {
		var log bytes.Buffer
		to, progress = ui.NewPrinter(&log, &log, time.Now), g.printer.Progress()
		defer func() { err = errors.Join(err, demo.SaveLog(opts.dir, log.Bytes())) }()
	}
	progress.Start(int64(len(demoSteps)), ui.Steps, "demo")
	defer progress.Done()
	for _, step := range demoSteps {
		args := strings.Fields(step.args)
		for i := range args {
			args[i] = places.Replace(args[i])
		}
		if printed[step.args], err = runDemoStep(ctx, step.why, args, demoPrinters[step.args], to, g); err != nil {
			return nil, err
		}
		progress.Add(1)
	}
	return printed, nil
}

// demoImages are the figures that the steps drew.
var demoImages = []struct {
	path, what string
	short      bool // whether the short form names it
}{
	{"report/index.html", "every pair, in the browser", true},
	{"retrieved/498/sheet.png", "the images of neuron 498 and of its strongest pairs", true},
	{"retrieved/498/heat.png", "where in them the neuron is active, and where heads attend", false},
	{"ablation.png", "accuracy as fewer pairs or neurons are kept", false},
	{"polysemanticity.png", "how dissimilar a unit's strongest images are", false},
	{"segmented/", "scenes with the classes that each method found", true},
	{"shift.png", "two concepts over the years, with their true shares", false},
	{"explained/", "the fish: where its logit comes from", false},
	{"audit/", "the audit: a page, the curve, the images of its pairs", true},
}

// demoFiles is the result of --files-only as JSON.
type demoFiles struct {
	Path    string `json:"path"`
	Written int    `json:"written"` // files
	Kept    int    `json:"kept"`    // files that were there
	Bytes   int64  `json:"bytes"`   // of both
}

// printLaid prints the result of --files-only.
func printLaid(dir string, laid demo.Laid, g *globalOptions) error {
	if g.json {
		return g.printer.JSON(demoFiles{dir, laid.Written, laid.Kept, laid.Bytes})
	}
	t := ui.NewTable(ui.Left("path"), ui.Right("files written"), ui.Right("already there"), ui.Right("size"))
	t.Row(dir, fmt.Sprint(laid.Written), fmt.Sprint(laid.Kept), ui.FormatBytes(laid.Bytes))
	return g.printer.Table(t)
}

// demoPlaces fills in the placeholders of demoSteps.
func demoPlaces(dir string) (*strings.Replacer, error) {
	expected, err := demo.Expected()
	if err != nil {
		return nil, err
	}
	transformer, err := demo.ExpectedOfViT()
	if err != nil {
		return nil, err
	}
	places := []string{"{}", dir}
	for word, pairs := range expectedPairs(expected) {
		places = append(places, "{"+word+"}", fmt.Sprintf("h%dn%d", pairs[0].Head, pairs[0].Neuron))
	}
	for _, word := range demoAgreedShown {
		places = append(places, "{vit-"+word+"}", transformer.Agreement.Words[word].There)
	}
	return strings.NewReplacer(places...), nil
}

// expectedPairs are the pairs that are expected to be closest to each of demoConcepts,
// best first.
func expectedPairs(e *demo.Expectation) map[string][]demo.Pair {
	return map[string][]demo.Pair{"yellow": e.Golden.TopPairsForYellow, "convertible": e.Golden.TopPairsForConvertible}
}

// runDemoStep prints a command line and runs it through the same code as the program
// does. With --json nothing is printed, because standard output is for the result. A
// step with a printer is run with --json; show prints its result, which is returned.
func runDemoStep(ctx context.Context, why string, args []string, show func([]byte, *ui.Printer) error, to *ui.Printer, g *globalOptions) ([]byte, error) {
	if g.json {
		to = ui.NewPrinter(io.Discard, io.Discard, time.Now)
	} else {
		if why != "" {
			why = "\n" + why + "\n"
		}
		if err := to.Text(why + "$ clipnh " + ui.ShellLine(args) + "\n"); err != nil {
			return nil, err
		}
	}
	if show == nil {
		return nil, g.typed(ctx, args, to)
	}
	var out bytes.Buffer
	if err := g.typed(ctx, append(slices.Clone(args), "--json"), to.WithOutput(&out)); err != nil {
		return nil, err
	}
	return out.Bytes(), show(out.Bytes(), to)
}

// typed runs a command line as if it had been typed, with the global options of
// this run.
func (g *globalOptions) typed(ctx context.Context, args []string, to *ui.Printer) error {
	root := g.newRoot(&globalOptions{printer: to, texts: textReader{say: to}, isolated: true})
	given := append(slices.Clone(args), fmt.Sprintf("--threads=%d", g.threads))
	if g.quiet {
		given = append(given, "--quiet")
	}
	root.SetArgs(given)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil {
		err = fmt.Errorf("%s: %w", cmd.Name(), err)
	}
	return err
}

// demoResult is what the demo found, with what was expected.
type demoResult struct {
	ZeroShot         demoAccuracy   `json:"zero_shot"`
	ExpectedZeroShot float64        `json:"expected_top1"`
	Concepts         []demoConcept  `json:"concepts"`
	Reconstruction   []demoVariant  `json:"reconstruction"`
	Ablation         []demoAblation `json:"ablation"`
	Segmentation     []demoFigure   `json:"segmentation"` // mIoU by method, 0 to 1
	Shift            []demoFigure   `json:"shift"`        // point-biserial r by concept
	Transformer      demoViT        `json:"vit"`          // a vision transformer
	Worth            demoWorth      `json:"worth"`        // of pairs, on harder images
	Cue              demoCue        `json:"cue"`          // of the second model
}

// demoAccuracy is the accuracy of zero-shot classification.
type demoAccuracy struct {
	Images int     `json:"images"`
	Top1   float64 `json:"top1"` // share of the images, 0 to 1
	Top5   float64 `json:"top5"`
}

// demoConcept is the pairs that are closest to a word.
type demoConcept struct {
	Word     string          `json:"word"`
	Pairs    []artefact.Pair `json:"pairs"`
	Expected []demo.Pair     `json:"expected"`
	Terms    []artefact.Term `json:"terms"` // the first pair's component as a sum of words
}

func demoFindings(ctx context.Context, dir string, threads int) (*demoResult, error) {
	expected, err := demo.Expected()
	if err != nil {
		return nil, err
	}
	in := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	list, err := textlist.ReadFile(in(demo.Words))
	if err != nil {
		return nil, err
	}
	pairs, err := words.StrongestPairs(ctx, artefact.Reader{}, in("caches/pc0.npy"), in("caches/words.npy"), 5, threads)
	if err != nil {
		return nil, err
	}
	result := &demoResult{ExpectedZeroShot: expected.ZeroShotTop1}
	if err := result.evaluate(ctx, in, expected, threads); err != nil {
		return nil, err
	}
	if err := result.addViT(ctx, in, threads); err != nil {
		return nil, err
	}
	for _, word := range demoConcepts {
		at := slices.Index(list, word)
		if at < 0 {
			return nil, fmt.Errorf("%s: no line %q", in(demo.Words), word)
		}
		described, err := coding.Describe(ctx, coding.DescribeOptions{
			Options: coding.Options{
				PCsPath: in("caches/pc0.npy"), EmbeddingsPath: in("caches/words.npy"), Words: list, WordsPath: in(demo.Words),
				Method: describe.Best, Normalize: describe.BestNormalization, Units: []string{pairs[at][0].Name()}, Components: demoComponents, Threads: threads,
			},
		})
		if err != nil {
			return nil, err
		}
		result.Concepts = append(result.Concepts, demoConcept{word, pairs[at], expectedPairs(expected)[word][:len(pairs[at])], described[0].Terms})
	}
	return result, nil
}

func (r *demoResult) print(p *ui.Printer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\nSummed from the pairs' contributions, the features of %s give the right class for\n%.1f %% of them (expected %.1f %%).\n\n",
		quantity.Of(r.ZeroShot.Images, "image"), 100*r.ZeroShot.Top1, 100*r.ExpectedZeroShot)
	b.WriteString("The pairs whose component is closest to a word, with the cosine between the two:\n\n")
	if err := p.Text(b.String()); err != nil {
		return err
	}
	for _, c := range r.Concepts {
		t := ui.NewTable(ui.Left(c.Word), ui.Right("cosine"), ui.Left("expected"), ui.Right("cosine"))
		for i, pair := range c.Pairs {
			want := c.Expected[i]
			t.Row(pair.Name(), fmt.Sprintf("%.4f", pair.Cosine), fmt.Sprintf("h%dn%d", want.Head, want.Neuron), fmt.Sprintf("%.4f", want.Cosine))
		}
		if err := p.Table(t); err != nil {
			return err
		}
		if err := p.Text("\n"); err != nil {
			return err
		}
	}
	return r.printEvaluations(p)
}
