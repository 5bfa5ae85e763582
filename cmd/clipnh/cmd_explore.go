package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/explore"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/live"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/ui"
)

const exploreHelp = `
Shows the pages that report wrote in the browser, with live answers: any text;
classes of your own for an image; an image of yours; pixels labelled with texts;
and pairs that are switched off, with what the model then predicts for an image,
its accuracy over the collection, and the "clipnh edit" command that makes that
model, or of a vision transformer one that removes whole neurons from it, where
these are off with all their pairs.

Of a report of heads the answers are by heads: which of them the class of an
image comes from, and where in it; which tell images apart by a text; and what
is right without some. Labels of pixels are by pairs, and left out.

Inputs are looked for where the report was made from, and must still be the
same; flags say where they are now. What is missing, or has changed, switches
off the part that needs it, and is named on standard error and on the pages:

  --scores                  units that are switched off, nearest images
  --imagenet-zeroshot-path  classes; with --data-path, accuracy
  --data-path, --dataset    the images that were collected: thumbnails of all
  --model, --vocab          texts; with --data-path, explanations of images
  --pcs-path                labels of pixels, texts

The scores or heads are read once at the start; what needs them waits. The
answers have the numbers of retrieve, explain, ablate and segment;
docs/explore.md has the fields.

Prints the address and serves until Ctrl-C, then ends with status 0; if it is
interrupted before it serves, with 130. Only this machine can connect, unless
--listen says otherwise; then every address begins with a token (--token, or a
random one), without which nothing is answered. Traffic is not encrypted.
Nothing is written, and uploaded images are not kept.
--check prints what would be live, and serves nothing.`

func newExploreCommand(g *globalOptions) *cobra.Command {
	var opts exploreOptions
	cmd := &cobra.Command{
		Use:   "explore DIR",
		Short: "Show a report in the browser, with live answers",
		Long:  exploreHelp,
		Example: "clipnh explore report --model RN50x16.pt \\\n" +
			"  --vocab bpe_simple_vocab_16e6.txt.gz --data-path photos --open\n" +
			"clipnh explore report --check",
		Args:        oneReport,
		Annotations: exitStatus(exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.dir, opts.given = args[0], cmd.Flags().Changed
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runExplore(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// oneReport wants the folder of a report.
func oneReport(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return usageError{errors.New("want the folder of a report, such as report")}
	case len(args) > 1:
		return usageError{fmt.Errorf("unexpected argument %q, want the folder of one report", args[1])}
	case args[0] == "":
		return usageError{errors.New("the folder's path is empty")}
	}
	return nil
}

// exploreOptions is everything the explore command can be told.
type exploreOptions struct {
	dir   string
	given givenFlags
	live  live.Options
	paths explore.Paths

	templates            textList
	useTemplates         bool
	listen, token        string
	openBrowser, onlySay bool
}

// exploreAddress is where the explorer listens, if that port is free; exploreMaxPixels is
// what an image may have that is sent, at up to 20 bytes each.
const (
	exploreAddress   = "127.0.0.1:8316"
	exploreMaxPixels = 50_000_000
)

func (o *exploreOptions) addFlags(fs *pflag.FlagSet) {
	modelFlag(fs, &o.live.ModelPath)
	detailFlags(fs, &o.live.Details)
	imageDetailFlags(fs, &o.live.Details)
	vocabFlag(fs, &o.live.Vocab)
	defaultNeeds(fs, "vocab", "model")
	templatesFlag(fs, &o.templates, "text")
	fs.BoolVar(&o.useTemplates, "use-templates", true, "put texts into templates; =false encodes them as they are")
	fs.StringVarP(&o.paths.Scores, "scores", "s", "", "`PATH` of the scores or heads (default that of the report)")
	fs.StringVarP(&o.paths.Components, "pcs-path", "p", "", "`FILE` of principal components of pairs (default that of the report)")
	fs.StringVar(&o.paths.Classes, "imagenet-zeroshot-path", "", "`FILE` of embeddings of the classes (default that of the report)")
	fs.StringVarP(&o.live.Data.Path, "data-path", "d", "", "`PATH` of the images that were collected")
	fs.StringVar(&o.live.Data.Kind, "dataset", "", "layout of --data-path: `KIND` imagenet_val, imagenet_test, cars, cars_test or images (default that of the report, or of its scores)")
	choices(fs, "dataset", dataset.Kinds()...)
	labelKeyFlag(fs, &o.live.Data.LabelKey)
	fs.StringVar(&o.listen, "listen", exploreAddress, "listen on `HOST:PORT`; port 0 is any free one")
	fs.StringVar(&o.token, "token", "", "`TEXT` that every address must begin with (default with --listen to others: a random one)")
	fs.BoolVar(&o.openBrowser, "open", false, "open the address in a browser")
	fs.BoolVar(&o.onlySay, "check", false, "print what would be live, and serve nothing")
	fs.IntVar(&o.live.Images.MaxPixels, "max-pixels", exploreMaxPixels, "refuse images with more than `N` pixels")
}

func (o *exploreOptions) validate() error {
	if err := cmp.Or(o.templates.check(), checkDetails(o.live.Details)); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(o.listen)
	switch {
	case err != nil || port == "":
		return fmt.Errorf("--listen %q: want HOST:PORT, such as %s", o.listen, exploreAddress)
	case host == "":
		return fmt.Errorf("--listen %q: want a host, such as 127.0.0.1 for this machine, or 0.0.0.0 for all", o.listen)
	case !o.useTemplates && o.templates.given():
		return errors.New("--templates and --use-templates=false: want one of them")
	case o.live.Data.Kind != "" && !slices.Contains(dataset.Kinds(), o.live.Data.Kind):
		return fmt.Errorf("--dataset %q: want %s", o.live.Data.Kind, strings.Join(dataset.Kinds(), ", "))
	case o.live.Images.MaxPixels < 1 || o.live.Images.MaxPixels > imageprep.DefaultMaxPixels:
		return fmt.Errorf("--max-pixels %d: want 1 to %d", o.live.Images.MaxPixels, imageprep.DefaultMaxPixels)
	}
	if o.given("token") {
		if err := explore.CheckToken(o.token); err != nil {
			return fmt.Errorf("--token: %w", err)
		}
	}
	return o.given.refuseIn(
		rule{o.live.Vocab == "", "without --vocab", []string{"templates", "use-templates"}},
		rule{o.live.Data.Path == "", "without --data-path", []string{"dataset", "label-key"}},
		rule{o.onlySay, "with --check", []string{"listen", "token", "open"}})
}

// pipeline returns the options of the answers, with the templates read.
func (o *exploreOptions) pipeline(r *explore.Report, g *globalOptions) (live.Options, error) {
	o.leavePresets(r, g)
	if r.OfHeads() && !o.given("pcs-path") { // the project's components are of pairs
		o.paths.Components = ""
	}
	p := o.live
	p.Artefacts, p.Threads, p.Edit = g.artefacts(), g.workers(), editLine
	p.Given = map[live.Input]bool{live.Model: o.given("model"), live.Vocab: o.given("vocab"), live.Images: o.given("data-path")}
	if p.Vocab != "" {
		prompts := embedOptions{templates: o.templates, useTemplates: o.useTemplates}
		var err error
		if p.Templates, err = prompts.prompts(g); err != nil {
			return p, err
		}
	}
	paths := o.paths
	paths.Force, paths.Dataset = g.force, o.given("dataset")
	p, err := r.Inputs(paths, p, g.printer.Warn)
	if err != nil {
		return p, err
	}
	for of, flag := range map[live.Input]string{live.Scores: "scores", live.Components: "pcs-path", live.Classes: "imagenet-zeroshot-path"} {
		p.Given[of] = o.given(flag)
	}
	return p, nil
}

// leavePresets takes back values that were not given where the report names its own input:
// the project's may be of another collection or model.
func (o *exploreOptions) leavePresets(r *explore.Report, g *globalOptions) {
	for _, in := range []struct {
		flag, kind string
		path       *string
	}{
		{"scores", artefact.KindScores, &o.paths.Scores},
		{"scores", artefact.KindHeads, &o.paths.Scores},
		{"pcs-path", artefact.KindComponents, &o.paths.Components},
		{"imagenet-zeroshot-path", artefact.KindEmbeddings, &o.paths.Classes},
		{"model", report.InputModel, &o.live.ModelPath},
		{"data-path", report.InputImages, &o.live.Data.Path},
	} {
		if *in.path == "" || o.given(in.flag) || !r.Names(in.kind) {
			continue
		}
		if g.verbose {
			g.printer.Note("--%s %s is not used: the report names its own", in.flag, *in.path)
		}
		*in.path = ""
		if in.flag == "model" {
			o.leaveDetails()
		}
	}
}

// leaveDetails takes back details that were not given, of a model that stands aside.
func (o *exploreOptions) leaveDetails() {
	if !o.given("vit-heads") {
		o.live.Details.Heads = 0
	}
	if !o.given("activation") {
		o.live.Details.Activation = ""
	}
	if !o.given("image-mean") && !o.given("image-std") {
		o.live.Details.Mean, o.live.Details.Std = nil, nil
	}
	if !o.given("image-resize") {
		o.live.Details.Fit = nil
	}
}

// exploring is what the command prints.
type exploring struct {
	Report  string       `json:"report"`
	Address string       `json:"address,omitempty"` // none with --check
	Live    *live.Status `json:"live,omitempty"`    // with --check
}

func runExplore(ctx context.Context, opts exploreOptions, g *globalOptions) error {
	shown, err := explore.OpenReport(opts.dir)
	if err != nil {
		return err
	}
	defer shown.Close()
	o, err := opts.pipeline(shown, g)
	if err != nil {
		return err
	}
	answers, err := shown.Open(ctx, o, g.printer)
	if err != nil {
		return err
	}
	var loading par.Group
	reading, stop := context.WithCancel(ctx)
	defer func() {
		stop()
		loading.Wait()
		answers.Close()
	}()
	if opts.onlySay {
		if err := errors.Join(answers.Load(ctx), ctx.Err()); err != nil {
			return err
		}
		return printLive(shown, answers.Status(), g)
	}
	if !explore.IsLoopback(opts.listen) && opts.token == "" {
		opts.token = explore.NewToken()
	}
	listener, taken, err := explore.Listen(ctx, opts.listen, opts.given("listen"))
	if err != nil {
		return hinted{fmt.Errorf("--listen %s: %w", opts.listen, err), "give another port, or 0 for any free one"}
	}
	defer listener.Close()
	if taken {
		g.printer.Note("port of %s is taken, perhaps by another explorer: listening on %s", opts.listen, listener.Addr())
	}
	server, err := explore.New(explore.Options{Report: shown, Live: answers, Token: opts.token, Spell: g.printer.Spelled}, listener, g.printer)
	if err != nil {
		return err
	}
	noteOff(shown, answers.Status(), g.printer)
	if err := printAddress(opts.dir, server.Address(), g); err != nil {
		return err
	}
	if opts.openBrowser {
		if err := openBrowser(ctx, server.Address()); err != nil {
			g.printer.Warn("no browser was opened: %v", err)
		}
	}
	g.printer.Note("press Ctrl-C to stop")
	loading.Go(func() {
		if err := answers.Load(reading); err != nil && reading.Err() == nil {
			g.printer.Warn("not used: %v", err)
		}
	})
	return server.Serve(ctx, listener)
}

func printAddress(dir, address string, g *globalOptions) error {
	if g.json {
		return g.printer.JSON(exploring{Report: dir, Address: address})
	}
	return g.printer.Text(address + "\n")
}

// livePart is a row of what is live.
type livePart struct {
	name string
	live.Ability
}

func liveParts(r *explore.Report, s live.Status) []livePart {
	if r.OfHeads() { // scores, and labels of pixels, are by pairs
		return []livePart{{"texts", s.Text}, {"explanations of images", s.Image}, {"images that are sent", s.Drop}, {"heads switched off", s.Toggle}, {"thumbnails", s.Thumbs}}
	}
	return []livePart{
		{"texts", s.Text}, {"explanations of images", s.Image}, {"images that are sent", s.Drop},
		{"pairs switched off", s.Toggle}, {"labels of pixels", s.Segment}, {"scores of pairs", s.Scores}, {"thumbnails", s.Thumbs},
	}
}

// noteOff says what does not work, whatever is still read.
func noteOff(r *explore.Report, s live.Status, p *ui.Printer) {
	for _, part := range liveParts(r, s) {
		switch {
		case part.On && part.Reason != "":
			p.Note("in part: %s: %s", part.name, part.Reason)
		case !part.On && !part.Loading:
			p.Note("off: %s: %s", part.name, part.Reason)
		}
	}
}

func printLive(r *explore.Report, s live.Status, g *globalOptions) error {
	if g.json {
		for _, part := range []*live.Ability{&s.Text, &s.Image, &s.Drop, &s.Toggle, &s.Segment, &s.Scores, &s.Thumbs} {
			part.Reason = g.printer.Spelled(part.Reason)
		}
		return g.printer.JSON(exploring{Report: r.Dir, Live: &s})
	}
	t := ui.NewTable(ui.Left("part"), ui.Left("live"), ui.Left("why not"))
	for _, part := range liveParts(r, s) {
		word := "no"
		switch {
		case part.On && part.Reason != "":
			word = "in part"
		case part.On:
			word = "yes"
		}
		t.Row(part.name, word, g.printer.Spelled(part.Reason))
	}
	return g.printer.Table(t)
}

// openBrowser hands an address to the system, and does not wait for what comes of it.
func openBrowser(ctx context.Context, address string) error {
	name, args := "xdg-open", []string{address}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", address}
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), name, args...)
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}
