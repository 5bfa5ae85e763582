package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/edit"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

const editHelp = `
Removes neuron-head pairs from a model's weights, or scales them, and writes an
ordinary checkpoint, which OpenAI's build_model, open_clip and clipnh load. The
original is not changed. A pair enters the model through one column of its
head's value weights: a column of zeros removes it. Attention is not touched.

In a vision transformer, a neuron has one column of its MLP's output weights for
all its pairs: l9n624 can be removed, l10h3n624 alone cannot (ablate removes it
from features). Everything that reads that column later is affected by the edit:
with --data-path, the output says how much of the movement is what the neurons
add to the class token (first order), what their pairs add (second order), and
the rest, which ablate does not have. Neurons of the last layer, which no head
reads, have no second order, and are removed by zero. A head of a layer, l10h3,
has columns of its own in the output weights of attention: --remove l10h3
removes it for all tokens, --remove l10 all heads of the layer. Units of one
layer are edited at a time; their names say which. By mean is not ablate's mean
ablation: every token gets what the class token reads on average, and all that
is later sees it; with --data-path, the output says how far features are from
those of ablate.

Which pairs:
  --remove h21n624,n17   pairs; all pairs of a neuron; @FILE: one per line
  --remove h3            all pairs of a head of an attention pool
  --remove l9n624,l9n17  neurons of a layer of a vision transformer
  --remove l10h3,l10h4   heads of a layer; l10 stands for all heads of layer 10
  --remove-mask FILE     units that a mask does not keep, as ablate takes them
                         out; with --invert-mask, those that it keeps
  --remove-text water    the --k pairs whose principal component is closest to
                         the text (may be repeated), or the --k neurons, if
                         --pcs-path is of neurons. Without --pcs-path, the
                         direction that a higher score adds, v/|v|, takes the
                         component's place, which is the same up to its sign
  --scale h3n149=0.5     multiply what a pair adds by a factor
A pair that is named with two factors is an error.

By mean (the default), a removed pair adds its mean contribution to every image,
and a scaled one keeps its mean: what the columns lose at the mean is added to
the bias of the output projection (c_proj). The features are those of ablate
with the same mask. Means are read from --means-path (written by svd, [H,C,O])
or are those of what collect wrote (--scores: scores, their means or
statistics). By zero, a removed pair adds nothing, and the bias stays. For
neurons of a vision transformer, --means-path has mean activations (collect
--mode neuron_acts --mean), whose mean over tokens takes a neuron's place. For
heads, it has what all heads add to features on average (collect --mode heads
--mean, --form own), from which what a head gives the class token follows.

Writes a torch state dict (.pt) or .safetensors with the tensors' names, order
and types. All other tensors keep their bytes; a bias of half precision that
changes is written in float32. Only tensors are written: what else a training
checkpoint holds, such as its epoch or its optimizer, is left out. .safetensors
has names without the dicts around them (such as state_dict). A manifest beside
it says which weights and edits it was made from; info shows it. It also says
the activation and the heads, so that --activation and --vit-heads are not
needed for the new file, and how images are prepared, if not as for CLIP.

With --data-path, prints how far the features of those images move: the model
is run once, and nothing is written if that fails. These images are prepared as
those of the scores or means were: an --exif or --preprocess that differs is
refused.`

func newEditCommand(g *globalOptions) *cobra.Command {
	var opts editOptions
	cmd := &cobra.Command{
		Use:   "edit --model FILE --remove UNIT,... --means-path FILE --save-path FILE",
		Short: "Remove pairs from a model's weights, or scale them",
		Long:  editHelp,
		Example: "clipnh edit --model RN50x16.pt --remove h21n624,n17 --scores caches/photos \\\n" +
			"  --save-path edited.pt --data-path photos\n" +
			"clipnh edit --model RN50x16.pt --vocab bpe_simple_vocab_16e6.txt.gz \\\n" +
			"  --remove-text water --k 20 --by zero --save-path dry.safetensors\n" +
			"clipnh edit --model ViT-B-32.pt --remove l9n624 --by zero \\\n" +
			"  --save-path edited.pt --data-path photos\n" +
			"clipnh edit --model ViT-B-32.pt --remove l10h3 --means-path caches/heads.npy \\\n" +
			"  --save-path edited.pt --data-path photos",
		Args:        noArgs,
		Annotations: exitStatus(exitSkipped, exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.given = cmd.Flags().Changed
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runEdit(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// editOptions is everything the edit command can be told: the stage's options, which most
// flags set, and texts from which others are made.
type editOptions struct {
	sourceOptions // of the images that are compared; its scores are those of the means
	stage         edit.Options

	scale        []string
	texts        textList // of --remove-text
	templates    textList
	useTemplates bool
	restart      bool // discard what was made from something else
}

func (o *editOptions) addFlags(fs *pflag.FlagSet) {
	modelFlag(fs, &o.from.Model)
	detailFlags(fs, &o.from.Details)
	imageDetailFlags(fs, &o.from.Details)
	neuronLayerFlag(fs, &o.from.NeuronLayer, " (default that of the neurons that are named, or of the means or components)")
	fs.StringVarP(&o.stage.SavePath, "save-path", "o", "", "`FILE` for the edited checkpoint, .pt or .safetensors")
	fs.StringSliceVar(&o.stage.Remove, "remove", nil, "remove these units, `UNIT,...` such as h21n624, n17 or l9n17 for all pairs of a neuron, h3 or l10h3 for a head, l10 for all heads of a layer, or @FILE of units, one per line")
	fs.StringSliceVar(&o.scale, "scale", nil, "multiply what units add, `UNIT=FACTOR,...` such as h3n149=0.5")
	fs.StringVar(&o.stage.MaskPath, "remove-mask", "", "`FILE` of units to keep, .npy, bool [H,C] or [C], written by mask: remove the others")
	fs.BoolVar(&o.stage.InvertMask, "invert-mask", false, "remove the units that --remove-mask keeps, and keep the others")
	textsFlag(fs, &o.texts, "remove-text", "", "remove the pairs closest to texts"+textsHelp, nil)
	fs.IntVar(&o.stage.K, "k", 20, "remove the `K` pairs closest to a text")
	fs.StringVarP(&o.stage.PCsPath, "pcs-path", "p", "", "`FILE` of principal components of pairs or neurons, .npy, for --remove-text (default the directions of the weights)")
	vocabFlag(fs, &o.stage.Vocab)
	defaultNeeds(fs, "vocab", "remove-text")
	templatesFlag(fs, &o.templates, "text")
	fs.BoolVar(&o.useTemplates, "use-templates", true, "put texts into templates; =false encodes them as they are")
	fs.StringVar(&o.stage.By, "by", edit.ByMean, "replace what a pair loses `BY` mean, its mean contribution, or by zero, nothing")
	choices(fs, "by", edit.ByMean, edit.ByZero)
	fs.StringVar(&o.stage.MeansPath, "means-path", "", "`FILE` of mean contributions of pairs, .npy, [H,C,O], or in a vision transformer of mean activations of neurons, [C,T], or of what heads add on average, [L,H,O]")
	fs.StringVarP(&o.from.ScoresPath, "scores", "s", "", "`PATH` of what collect wrote, for the mean scores")
	fs.StringVarP(&o.from.Data.Path, "data-path", "d", "", "`PATH` of images whose features are compared before and after")
	fs.StringVar(&o.from.Data.Kind, "dataset", dataset.Images, "layout of --data-path: `KIND` imagenet_val, imagenet_test, cars, cars_test or images")
	choices(fs, "dataset", dataset.Kinds()...)
	labelKeyFlag(fs, &o.from.Data.LabelKey)
	fs.IntVar(&o.from.Stride, "sample-stride", 1, "take every `K`-th image in name order")
	fs.IntVar(&o.from.BatchSize, "batch-size", 8, batchUsage)
	precisionFlag(fs, &o.precision)
	fs.BoolVar(&o.from.Strict, "strict", false, "stop at an image that cannot be read")
	imageFlags(fs, &o.from.Images)
	fs.BoolVar(&o.restart, "restart", false, "discard what is at --save-path, even if it was made from something else")
}

func (o *editOptions) validate() error {
	if err := require("--model", o.from.Model, "--save-path", o.stage.SavePath); err != nil {
		return err
	}
	if err := cmp.Or(o.texts.check(), o.templates.check()); err != nil {
		return err
	}
	s := &o.stage
	switch {
	case !edit.CanWrite(s.SavePath):
		return fmt.Errorf("--save-path %s: want a .pt or .safetensors file", s.SavePath)
	case len(s.Remove) == 0 && len(o.scale) == 0 && s.MaskPath == "" && !o.texts.given():
		return errors.New("nothing to edit: want --remove, --remove-mask, --remove-text or --scale")
	case s.K < 1:
		return fmt.Errorf("--k %d: want 1 or more", s.K)
	case !o.useTemplates && o.templates.given():
		return errors.New("--templates and --use-templates=false: want one of them")
	case s.By != edit.ByMean && s.By != edit.ByZero:
		return fmt.Errorf("--by %q: want mean or zero", s.By)
	case s.MeansPath != "" && o.from.ScoresPath != "":
		return errors.New("--means-path and --scores: want one of them")
	}
	if o.texts.given() {
		if err := require("--vocab", s.Vocab); err != nil {
			return fmt.Errorf("--remove-text: %w", err)
		}
	}
	var err error
	if s.Scale, err = parseScale(o.scale); err != nil {
		return err
	}
	scaled := make([]string, len(s.Scale))
	for i, u := range s.Scale {
		scaled[i] = u.Unit
	}
	if err := cmp.Or(once("--remove", s.Remove), once("--scale", scaled)); err != nil {
		return err
	}
	if err := o.validateGiven(); err != nil {
		return err
	}
	if err := o.validateValues(); err != nil {
		return err
	}
	return checkPrecision(o.precision)
}

// validateGiven refuses flags that have no effect.
func (o *editOptions) validateGiven() error {
	return o.given.refuseIn(
		rule{!o.texts.given(), "without --remove-text", []string{"k", "pcs-path", "vocab", "templates", "use-templates"}},
		rule{o.stage.MaskPath == "", "without --remove-mask", []string{"invert-mask"}},
		rule{o.stage.By == edit.ByZero, "with --by zero", []string{"means-path", "scores"}},
		rule{o.from.Data.Path == "", "without --data-path", append([]string{"dataset", "label-key", "sample-stride"}, slices.DeleteFunc(slices.Clone(towerFlags), func(flag string) bool { return flag == "neuron-layer" })...)},
	)
}

// parseScale reads UNIT=FACTOR; the stage checks the units.
func parseScale(list []string) ([]edit.Scaled, error) {
	var scaled []edit.Scaled
	for _, text := range list {
		name, number, ok := strings.Cut(text, "=")
		factor, err := strconv.ParseFloat(number, 64)
		if !ok || name == "" || err != nil || math.IsNaN(factor) || math.IsInf(factor, 0) {
			return nil, fmt.Errorf("--scale %q: want a unit and a factor, such as h3n149=0.5", text)
		}
		scaled = append(scaled, edit.Scaled{Unit: name, Factor: factor})
	}
	return scaled, nil
}

// pipeline returns the options of the stage, with the templates read.
func (o *editOptions) pipeline(g *globalOptions) (edit.Options, error) {
	p := o.stage
	p.Writer, p.Artefacts, p.Model, p.ScoresPath, p.Threads = g.writer(o.restart), g.artefacts(), o.from.Model, o.from.ScoresPath, g.workers()
	p.Images, p.Remove = o.images(g), nil
	for _, name := range o.stage.Remove {
		file, isFile := strings.CutPrefix(name, "@")
		if !isFile {
			p.Remove = append(p.Remove, name)
			continue
		}
		names, err := readUnits("remove", file, &g.texts)
		if err != nil {
			return p, err // which names the flag
		}
		p.Remove = append(p.Remove, names...)
	}
	if !o.texts.given() {
		return p, nil
	}
	prompts := embedOptions{templates: o.templates, useTemplates: o.useTemplates}
	var err error
	if p.Texts, err = o.texts.readOnce(&g.texts); err != nil {
		return p, err
	}
	p.Templates, err = prompts.prompts(g)
	return p, err
}

func runEdit(ctx context.Context, opts editOptions, g *globalOptions) error {
	o, err := opts.pipeline(g)
	if err != nil {
		return err
	}
	o.Writer = g.writer(o.Writer.Restart)
	result, err := edit.Run(ctx, o, g.printer)
	if err != nil {
		return err
	}
	if g.json {
		err = g.printer.JSON(result)
	} else {
		err = printEdit(result, g.printer)
	}
	if n := len(result.Skipped); err == nil && n > 0 {
		err = fmt.Errorf("%w %s of %d", errSkipped, ui.Images.Count(int64(n)), n+result.Moved.Images)
	}
	return err
}

// shownPairs is how many changed pairs are listed; --json has all.
const shownPairs = 20

func printEdit(r *edit.Result, p *ui.Printer) error {
	if len(r.Texts) > 0 {
		of := "pair"
		if len(r.Texts[0].Neurons) > 0 {
			of = "neuron"
		}
		t := ui.NewTable(ui.Left("text"), ui.Left(of), ui.Right("cosine"))
		for _, text := range r.Texts {
			for _, pair := range text.Pairs[:min(shownPairs, len(text.Pairs))] {
				t.Row(text.Text, pair.Name(), fmt.Sprintf("%.4f", pair.Cosine))
			}
			for _, neuron := range text.Neurons[:min(shownPairs, len(text.Neurons))] {
				t.Row(text.Text, neuron.Unit, fmt.Sprintf("%.4f", neuron.Cosine))
			}
		}
		if err := errors.Join(p.Table(t), p.Text("\n")); err != nil {
			return err
		}
	}
	neurons, heads := len(r.Changes) > 0 && r.Changes[0].Neuron != "", len(r.Changes) > 0 && r.Changes[0].Head != ""
	t, units, matrix := ui.NewTable(ui.Left("pair"), ui.Right("factor"), ui.Right("mean score"), ui.Right("length of v")), ui.Pairs, "value weights"
	changed := fmt.Sprintf("%d of %d, by %s", r.Pairs, r.Heads*r.Neurons, r.By)
	switch {
	case neurons:
		t, units, matrix = ui.NewTable(ui.Left("neuron"), ui.Right("factor"), ui.Right("mean activation"), ui.Right("length of w")), ui.Neurons, "MLP's weights"
	case heads:
		t, units, matrix = ui.NewTable(ui.Left("head"), ui.Right("factor"), ui.Right("size of the mean"), ui.Right("length of W_O")), ui.Heads, "output weights"
		changed = fmt.Sprintf("%d of %d of the layer, by %s", len(r.Changes), r.Heads, r.By)
	}
	for _, c := range r.Changes[:min(shownPairs, len(r.Changes))] {
		mean := ""
		if r.By == edit.ByMean {
			mean = fmt.Sprintf("%#.4g", c.Mean())
		}
		t.Row(c.Name(), fmt.Sprint(c.Factor), mean, fmt.Sprintf("%#.4g", c.Length))
	}
	if len(r.Changes) > 0 {
		if err := errors.Join(p.Table(t), p.Text("\n")); err != nil {
			return err
		}
	}
	if n := len(r.Changes) - shownPairs; n > 0 {
		p.Note("%s more %s not shown: --json has all", units.Count(int64(n)), quantity.Is(n))
	}
	t = ui.NewTable(ui.Left(""), ui.Left(""))
	t.Row("checkpoint", fmt.Sprintf("%s, %s", r.Path, r.Format))
	t.Row("sha256", r.SHA256)
	t.Row("edited from", fmt.Sprintf("%s, %s, %s", r.From, r.FromFormat, r.FromSHA256))
	of := "pairs"
	last := neurons && r.Heads == 0 // of the layers
	switch {
	case heads:
		of = "heads"
	case last:
		of, changed = "neurons", fmt.Sprintf("%d of %d of the last layer, by %s", len(r.Changes), r.Neurons, r.By)
	}
	t.Row(of, changed)
	t.Row(matrix, fmt.Sprintf("%s changed, %s", ui.Columns.Count(int64(r.Columns)), r.DType))
	t.Row("bias", biasText(r.Bias))
	if m := r.Moved; m != nil {
		t.Row("images", fmt.Sprint(m.Images))
		t.Row("cosine", fmt.Sprintf("mean %.6f, smallest %.6f (%s)", m.CosineMean, m.CosineMin, m.Farthest))
		t.Row("distance", fmt.Sprintf("mean %.2f %%, largest %.2f %% of the feature's norm", 100*m.DistanceMean, 100*m.DistanceMax))
		t.Row("norm", fmt.Sprintf("mean %.4g before, %.4g after", m.NormBefore, m.NormAfter))
		size := func(s edit.Size) string { return fmt.Sprintf("mean %.2f %%, largest %.2f %%", 100*s.Mean, 100*s.Max) }
		if h := m.Heads; h != nil {
			t.Row("first order", size(h.First)+": what the heads add to the class token itself")
			t.Row("the rest", size(h.Rest)+": other tokens, later MLPs, attention and norms, which see the edit")
			t.Row("from ablate", size(h.Ablated)+": from the features with these heads' parts at their means")
		}
		if o := m.Orders; o != nil {
			t.Row("first order", size(o.First)+": what the neurons add to the class token itself")
			if last {
				t.Row("second order", "none: no head reads the last layer")
				t.Row("the rest", size(o.Rest)+": the last norm, which sees the edit")
			} else {
				t.Row("second order", size(o.Second)+": what their pairs add, with attention and norms as they were")
				t.Row("the rest", size(o.Rest)+": later MLPs, attention and norms, which see the edit")
			}
		}
	}
	return errors.Join(p.Table(t), printRounding(p, r.Rounding))
}

func biasText(b edit.Bias) string {
	if b.Change == 0 {
		return "unchanged, " + b.DType
	}
	return fmt.Sprintf("changed by %.4g, from a norm of %.4g; %s", b.Change, b.Before, b.DType)
}
