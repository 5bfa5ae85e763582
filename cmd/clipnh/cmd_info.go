package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/diagram"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/device"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

const infoHelp = `
Reads a checkpoint: a torch.save file (zip or legacy), a TorchScript archive as
published by OpenAI, an open_clip training checkpoint or a .safetensors file,
told apart by content. Checks every tensor: name, shape, checksum, and that its
weights are finite. Prints the architecture, its sizes, the number of parameters
and the SHA-256 of the file, which artefacts record as the model that they were
made from.

The weights of a vision transformer do not say the activation of its blocks, and
seldom the number of its heads. They come from --activation and --vit-heads,
from what is known of fetched files and of OpenAI's archives, from the
config.json (Hugging Face's CLIPModel) or open_clip_config.json beside the file,
or else, with a note, from a guess; info says which. Where a flag and such a
file differ, the flag counts, with a note. A file that does not fit the weights'
sizes is an error unless the flags make it needless.

How images are prepared for the model comes from --image-mean, --image-std and
--image-resize, from the open_clip_config.json or preprocessor_config.json
beside the file, or else is as for CLIP. What these files say and no command can
do is an error once images are read. info shows what a file or a flag says.

With --plan, lists instead how each layer of the image tower is computed on this
machine: the algorithm chosen for its shape and the batch, the operations for
one image, and the memory of its packed weights.

With --devices, lists instead what was found for collect --device: the program
clipnh-ort, ONNX Runtime's library, the devices that it was built for, and where
both were looked for. Of a provider that is a file of its own, as CUDA's, that
file is looked for too. Whether there is a card shows only when a model is
loaded.

With --cache, lists instead the packed weights that are kept in the user's cache
folder, so that a checkpoint which was used before starts sooner: their size,
when they were last used, and of which checkpoints they are. --clear-cache
removes them; they are made again when they are needed.

With --graph, draws the graph that the image tower runs: its operations in the
order of the arrows, with the shapes of their outputs for one image and the
algorithms of the convolutions. FILE is an .svg image, or a .dot file for
Graphviz.`

func newInfoCommand(g *globalOptions) *cobra.Command {
	var opts infoOptions
	cmd := &cobra.Command{
		Use:   "info --model FILE",
		Short: "Check a checkpoint and print its architecture",
		Long:  infoHelp,
		Example: `clipnh info --model RN50x16.pt
clipnh info --model RN50x16.pt --graph RN50x16.svg
clipnh info --devices
clipnh info --cache`,
		Args:        noArgs,
		Annotations: exitStatus(exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.given = cmd.Flags().Changed
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runInfo(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// infoOptions are the flags of the info command.
type infoOptions struct {
	given givenFlags
	model string
	plan  bool
	graph string // file to draw to
	batch int

	devices bool // say what collect --device can use
	cache   bool // say which packed weights are kept
	clear   bool // remove them

	details model.Details
}

func (o *infoOptions) addFlags(fs *pflag.FlagSet) {
	modelFlag(fs, &o.model)
	detailFlags(fs, &o.details)
	imageDetailFlags(fs, &o.details)
	fs.BoolVar(&o.plan, "plan", false, "list how each layer of the image tower is computed")
	fs.StringVar(&o.graph, "graph", "", "draw the image tower's graph to `FILE`, .svg or .dot")
	fs.BoolVar(&o.devices, "devices", false, "list what collect --device can use, and where it was looked for")
	fs.BoolVar(&o.cache, "cache", false, "list the packed weights that are kept in the user's cache folder")
	fs.BoolVar(&o.clear, "clear-cache", false, "remove the packed weights that are kept in the user's cache folder")
	fs.IntVar(&o.batch, "batch-size", 8, "with --plan or --graph, for batches of `N` images")
}

func (o *infoOptions) validate() error {
	if o.batch < 1 || o.batch > maxBatch {
		return fmt.Errorf("--batch-size %d: want 1 to %d", o.batch, maxBatch)
	}
	for _, alone := range []struct {
		given bool
		name  string
	}{{o.devices, "devices"}, {o.clear, "clear-cache"}, {o.cache, "cache"}} {
		if !alone.given {
			continue
		}
		others := []string{"model", "vit-heads", "activation", "image-mean", "image-std", "image-resize", "plan", "graph", "batch-size"}
		if alone.name == "devices" {
			others = append(others, "cache", "clear-cache")
		}
		return o.given.refuse("with --"+alone.name, others...)
	}
	if o.plan && o.graph != "" {
		return errors.New("--plan and --graph: want one of them")
	}
	if o.graph != "" {
		if _, err := diagram.FormatOf(o.graph); err != nil {
			return fmt.Errorf("--graph %w", err)
		}
	}
	if !o.plan && o.graph == "" {
		if err := o.given.refuse("without --plan or --graph", "batch-size"); err != nil {
			return err
		}
	}
	if err := checkDetails(o.details); err != nil {
		return err
	}
	return require("--model", o.model)
}

func runInfo(ctx context.Context, opts infoOptions, g *globalOptions) error {
	if opts.devices {
		return printDevices(device.Look(), g)
	}
	if opts.cache || opts.clear {
		return printCache(opts.clear, g)
	}
	if opts.plan {
		return runPlan(opts, g)
	}
	if opts.graph != "" {
		return runGraph(opts, g)
	}
	info, err := model.Info(ctx, opts.model, opts.details)
	if err != nil {
		return err
	}
	for i, note := range info.Notes {
		g.printer.Note("%s: %s", opts.model, note)
		info.Notes[i] = g.printer.Spelled(note)
	}
	info.ActivationFrom, info.HeadsFrom = g.printer.Spelled(info.ActivationFrom), g.printer.Spelled(info.HeadsFrom)
	info.Images.ChannelsFrom, info.Images.ResizeFrom = g.printer.Spelled(info.Images.ChannelsFrom), g.printer.Spelled(info.Images.ResizeFrom)
	if g.json {
		return g.printer.JSON(info)
	}
	t := ui.NewTable(ui.Left(""), ui.Left(""))
	t.Row("architecture", info.Architecture)
	t.Row("file", fmt.Sprintf("%s, %s", info.Format, strings.Join(info.DTypes, " and ")))
	t.Row("sha256", info.SHA256)
	t.Row("of tensors", info.Tensors)
	t.Row("parameters", fmt.Sprintf("%.1f million", float64(info.Parameters)/1e6))
	for _, row := range info.ImageTower {
		t.Row(row.Part, row.Sizes)
	}
	for _, row := range []struct{ name, value, from string }{{"activation", info.Activation, info.ActivationFrom}, {"heads", fmt.Sprint(info.Heads), info.HeadsFrom}} {
		switch row.from {
		case "":
		case "guess":
			t.Row(row.name, row.value+", a guess")
		default:
			t.Row(row.name, fmt.Sprintf("%s, from %s", row.value, row.from))
		}
	}
	if images := imagesText(info.Images); images != "" {
		t.Row("images", images)
	}
	if info.Images.Unusable != "" {
		t.Row("", "not usable: "+info.Images.Unusable)
	}
	text := "none: texts cannot be embedded"
	if info.TextLayers > 0 {
		text = fmt.Sprintf("width %d, %s, %s, context %d, vocabulary %d",
			info.TextWidth, quantity.Of(info.TextHeads, "head"), quantity.Of(info.TextLayers, "layer"), info.ContextLength, info.VocabSize)
	}
	t.Row("text tower", text)
	if info.TextUnusable != "" {
		t.Row("", "not usable: "+info.TextUnusable)
	}
	if e := info.Edited; e != nil {
		steps := append(slices.Clone(e.Earlier), *e)
		t.Row("edited from", steps[0].From)
		for i, step := range steps {
			name := "edits"
			if len(steps) > 1 {
				name = fmt.Sprintf("edit %d of %d", i+1, len(steps))
			}
			t.Row(name, editsText(&step))
		}
	}
	return g.printer.Table(t)
}

// imagesText says how images are prepared, unless that is as CLIP's and nothing says so.
func imagesText(i model.ImagesSummary) string {
	var parts []string
	if i.ChannelsFrom != "" {
		parts = append(parts, fmt.Sprintf("mean %s, std %s, from %s", imageprep.FormatNumbers(i.Mean), imageprep.FormatNumbers(i.Std), i.ChannelsFrom))
	}
	if i.ResizeFrom != "" {
		parts = append(parts, fmt.Sprintf("%s, from %s", i.Resize, i.ResizeFrom))
	}
	return strings.Join(parts, "; ")
}

// planned is the result of --plan as JSON.
type planned struct {
	Layers []clip.PlannedLayer `json:"layers"`
}

// mostEdits is how many units a line names that edit changed.
const mostEdits = 12

// editsText says in a line what edit changed.
func editsText(e *model.Edited) string {
	count := ui.Pairs.Count(int64(e.Pairs))
	switch {
	case e.Heads > 0:
		count = ui.Heads.Count(int64(e.Heads))
	case e.Neurons > 0:
		count = ui.Neurons.Count(int64(e.Neurons))
	}
	text := fmt.Sprintf("%s by %s", count, e.By)
	if e.Units != "" {
		units := strings.Fields(e.Units)
		text += ": " + strings.Join(units[:min(len(units), mostEdits)], ", ")
		if more := len(units) - mostEdits; more > 0 {
			text += fmt.Sprintf(" and %d more (--json has all)", more)
		}
	}
	return text
}

func runPlan(opts infoOptions, g *globalOptions) error {
	plan, err := model.Plan(opts.model, opts.details, opts.batch, g.workers())
	if err != nil {
		return err
	}
	if g.json {
		return g.printer.JSON(planned{plan})
	}
	t := ui.NewTable(ui.Left("layer"), ui.Left("kernel"), ui.Right("in"), ui.Right("out"), ui.Right("side"),
		ui.Left("algorithm"), ui.Right("GFLOP"), ui.Right("weights"))
	gflop, bytes := 0.0, int64(0)
	for _, l := range plan {
		t.Row(l.Name, l.Kernel, fmt.Sprint(l.In), fmt.Sprint(l.Out), fmt.Sprint(l.Side), l.Algorithm, fmt.Sprintf("%.3f", l.GFLOP), ui.FormatBytes(l.Bytes))
		gflop += l.GFLOP
		bytes += l.Bytes
	}
	t.Row("total", "", "", "", "", "", fmt.Sprintf("%.3f", gflop), ui.FormatBytes(bytes))
	return g.printer.Table(t)
}

func runGraph(opts infoOptions, g *globalOptions) error {
	result, err := model.DrawGraph(opts.model, opts.details, opts.batch, opts.graph, g.files)
	if err != nil {
		return err
	}
	if g.json {
		return g.printer.JSON(result)
	}
	arrows := 0
	for _, n := range result.Nodes {
		arrows += len(n.Inputs)
	}
	t := ui.NewTable(ui.Left(""), ui.Left(""))
	t.Row("graph", result.Path)
	t.Row("nodes", fmt.Sprint(len(result.Nodes)))
	t.Row("arrows", fmt.Sprint(arrows))
	return g.printer.Table(t)
}
