package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/onnxtower"
	"github.com/clipnh/clipnh/internal/pipeline/export"
	"github.com/clipnh/clipnh/internal/ui"
)

const exportHelp = `
Writes the image tower as a graph in ONNX, which ONNX Runtime and many other
programs run, on processors and graphics cards: normalised images [B,3,S,S] in,
float32 numbers out, for any batch size B. The graph needs version 17 of ONNX's
operators, IR version 8.

Outputs, by choice, are those of the tower that the other commands run, equal up
to rounding (--outputs features,scores,attention,tokens):
  features   the image feature, not normalised          [B,O]
  scores     of all neuron-head pairs                   [B,H,C]
  attention  the class token's in the attention pool    [B,H,T]
  tokens     that enter the attention pool, with their  [B,T,C]
             positions
Of a vision transformer, scores [B,P*H,C] need --neuron-layer, and are those of
the P layers after it; attention [B,L,H,T] is that of each of the L layers; and
tokens [B,T,W] are those that enter the first layer.

--precision f16 stores filters and matrices in half the space; the graph makes
them float32 before it computes. OpenAI's checkpoints are float16, and lose
nothing. Batch norms are folded into the filters, or with f16, which the folded
filters would not fit, are nodes of their own.

Weights are in the file, which this format limits to 2 GiB, or with --weights
beside in a second one, FILE.data. The two must stay together.

The file says what it was made from and how images are prepared (size, mean,
standard deviation) in its metadata. docs/onnx.md has a reader in Python.`

func newExportCommand(g *globalOptions) *cobra.Command {
	var opts exportOptions
	cmd := &cobra.Command{
		Use:   "export --model FILE --save-path FILE",
		Short: "Write the image tower as a graph in ONNX",
		Long:  exportHelp,
		Example: "clipnh export --model RN50x16.pt --save-path RN50x16.onnx\n" +
			"clipnh export --model RN50x16.pt --outputs features,scores --precision f16 \\\n" +
			"  --weights beside --save-path RN50x16-half.onnx",
		Args:        noArgs,
		Annotations: exitStatus(exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runExport(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// exportOptions is everything the export command can be told.
type exportOptions struct {
	stage   export.Options
	restart bool // discard what was made from something else
}

func (o *exportOptions) addFlags(fs *pflag.FlagSet) {
	modelFlag(fs, &o.stage.Model)
	detailFlags(fs, &o.stage.Details)
	imageDetailFlags(fs, &o.stage.Details)
	fs.StringVarP(&o.stage.SavePath, "save-path", "o", "", "`FILE` for the graph, .onnx")
	fs.StringSliceVar(&o.stage.Outputs, "outputs", []string{onnxtower.Features}, "compute these `NAME,...` of features, scores, attention and tokens")
	choices(fs, "outputs", export.Outputs()...)
	fs.StringVar(&o.stage.Precision, "precision", export.Float32, "store filters and matrices in `P` f32, or f16 in half the space")
	choices(fs, "precision", export.Float32, export.Float16)
	fs.StringVar(&o.stage.Weights, "weights", export.Inside, "put weights `WHERE` inside the file, or beside it in FILE.data")
	choices(fs, "weights", export.Inside, export.Beside)
	neuronLayerFlag(fs, &o.stage.NeuronLayer, "")
	fs.BoolVar(&o.restart, "restart", false, "discard what is at --save-path, even if it was made from something else")
}

func (o *exportOptions) validate() error {
	s := o.stage
	if err := require("--model", s.Model, "--save-path", s.SavePath); err != nil {
		return err
	}
	switch {
	case filepath.Ext(s.SavePath) != ".onnx":
		return fmt.Errorf("--save-path %s: want a file that ends in .onnx", s.SavePath)
	case s.Precision != export.Float32 && s.Precision != export.Float16:
		return fmt.Errorf("--precision %q: want f32 or f16", s.Precision)
	case s.Weights != export.Inside && s.Weights != export.Beside:
		return fmt.Errorf("--weights %q: want inside or beside", s.Weights)
	case s.NeuronLayer != nil && !slices.Contains(s.Outputs, onnxtower.Scores):
		return errors.New("--neuron-layer without --outputs scores: want both")
	}
	return errors.Join(export.CheckOutputs(s.Outputs), checkDetails(s.Details))
}

func runExport(ctx context.Context, opts exportOptions, g *globalOptions) error {
	o := opts.stage
	o.Writer = g.writer(opts.restart)
	result, err := export.Run(ctx, o, g.printer)
	if err != nil {
		return err
	}
	if g.json {
		return g.printer.JSON(result)
	}
	return printExport(result, g.printer)
}

func printExport(r *export.Result, p *ui.Printer) error {
	t := ui.NewTable(ui.Left(""), ui.Left(""))
	t.Row("graph", r.Path)
	if r.WeightsPath != "" {
		t.Row("weights", r.WeightsPath)
	}
	t.Row("size", ui.FormatBytes(r.Bytes))
	t.Row("sha256", r.SHA256)
	t.Row("made from", fmt.Sprintf("%s, %s", r.From, r.FromSHA256))
	stored := r.Precision
	if r.BatchNorms != "" {
		stored += ", batch norms " + r.BatchNorms
	}
	t.Row("stored", stored)
	t.Row("operators", fmt.Sprintf("version %d, IR version %d", r.Opset, r.IRVersion))
	t.Row("input", shapeRow(r.Input))
	for _, s := range r.Outputs {
		t.Row("output", shapeRow(s))
	}
	return p.Table(t)
}

func shapeRow(s onnxtower.Shape) string {
	lengths := []string{"batch"}
	for _, n := range s.Length {
		lengths = append(lengths, fmt.Sprint(n))
	}
	return fmt.Sprintf("%s [%s] = [%s]", s.Name, s.Axes, strings.Join(lengths, ","))
}
