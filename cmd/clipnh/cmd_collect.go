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

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline"
	"github.com/clipnh/clipnh/internal/ui"
)

const collectHelp = `
Sends pictures through the image tower and keeps what every neuron-head pair adds to
the image feature. Of a pair h12n624 only its score is kept, the activation of neuron
624 weighed by the attention of head 12: its contribution is the score times a
direction that depends on the weights alone. Scores of 1,000 pictures of RN50x16 take
590 MB; their contributions written out would take 453 GB.

Reads a checkpoint (--model) and pictures (--data-path): JPEG, PNG, WebP, GIF, BMP,
TIFF, PBM, PGM and PPM, told apart by content. They are prepared as by torchvision over
Pillow, to the byte.

Other modes (--mode) keep, in place of scores:
  heads                 contributions summed over neurons, [B,H,O]
  attns                 the attention of every token to every token, [B,H,T,T]
  neuron_acts           tokens before the positional embedding, [B,C,T], of which
                        token 0 is the mean of the others
  neurons+heads_lens    scores of another block's map of layer4 (--lens-idx), which
                        may be used wherever scores may
  layer4                norms per block of layer4 and token: of the maps (infinite for
                        token 0), and of what the token would add to the image
                        feature were that map pooled; with --mean only, [2,blocks,T]

Writes, at --save-path, a folder:
  scores.npy            [B,H,C], one row a picture
  directions.*.npy      the weight slices whose product is the directions [H,C,O]
  bias.npy              [H,O], the bias share of every pair of a head
  images.txt            the pictures' names, in the order of the rows
                        (heads.npy, attention.npy, activations.npy or layer4.npy, the
                        names and the manifest in other modes)
  manifest.json         what all this was made from, with checksums
or, when --save-path ends in .dat or .npy, the contributions written out as the
reference does: [B,H,C,O], or [B,C,O] summed over heads with --mode neurons, or the
tensor of another mode.

With --stats-only no scores are stored: one pass over any number of pictures keeps, at
--save-path, the image features [B,O] (features.npy), and per pair the sum of the
scores (sums.npy) and its --top-k largest and smallest with their pictures
(largest.npy, largest.images.npy and so on). From these svd --mode nh and
polysemanticity --mode nh compute the same as from scores. Memory does not depend on
the number of pictures; the disk takes 3 KiB a picture for RN50x16 in place of 576.

With --shard 3/16 only the third of sixteen parts of the pictures is collected, to
PATH.3-of-16, so that many machines can share the work; clipnh merge puts the parts
together, to the bytes of a run that was not cut.

A picture that cannot be read is skipped and named (--strict stops instead). A run
that was interrupted or killed goes on when the same command is given again.`

func newCollectCommand(g *globalOptions) *cobra.Command {
	var opts collectOptions
	cmd := &cobra.Command{
		Use:   "collect --model FILE --data-path DIR --save-path PATH",
		Short: "Keep the score of every neuron-head pair on every picture",
		Long:  collectHelp,
		Example: "clipnh collect --model RN50x16.pt --dataset images --data-path photos \\\n" +
			"  --save-path caches/photos",
		Args:        noArgs,
		Annotations: exitStatus(exitSkipped, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runCollect(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// collectOptions is everything the collect command can be told.
type collectOptions struct {
	model, dataset, dataPath, savePath   string
	mode, dtype, precision, shard        string
	lens, stride, batch                  int
	topK                                 int
	mean, stats, expand, strict, restart bool
	images                               imageprep.Options
}

func (o *collectOptions) addFlags(fs *pflag.FlagSet) {
	modelFlag(fs, &o.model)
	fs.StringVar(&o.dataset, "dataset", dataset.ImageNetTest, "layout of --data-path: `KIND` imagenet_test, imagenet_val, cars, cars_test, or images (every picture below the folder, in name order)")
	choices(fs, "dataset", dataset.Kinds()...)
	fs.StringVar(&o.dataPath, "data-path", "", "`DIR` of the pictures")
	fs.StringVar(&o.savePath, "save-path", "", "`PATH` of the folder to write, or a .dat or .npy file")
	fs.StringVar(&o.mode, "mode", pipeline.ModePairs, "`MODE` neurons+heads; neurons (summed over heads), heads, attns, neuron_acts, neurons+heads_lens, layer4")
	choices(fs, "mode", pipeline.Modes...)
	fs.IntVar(&o.lens, "lens-idx", 0, "the `BLOCK` of layer4 whose map neurons+heads_lens looks at, from 0")
	fs.IntVar(&o.stride, "sample-stride", 1, "take every `K`-th picture in name order (the reference takes every 5th)")
	fs.IntVar(&o.batch, "batch-size", 8, "send `N` pictures at a time through the tower; 1 is slower and may differ from more in the last digit")
	fs.BoolVar(&o.mean, "mean", false, "keep the mean over the pictures only")
	fs.BoolVar(&o.stats, "stats-only", false, "keep sums and the most extreme scores of every pair in place of scores")
	fs.IntVar(&o.topK, "top-k", 50, "with --stats-only, keep the `K` largest and the K smallest scores of a pair")
	fs.StringVar(&o.dtype, "dtype", "float32", "store a folder's rows as `TYPE` float32, or float16 in half the space")
	choices(fs, "dtype", npy.Float32.String(), npy.Float16.String())
	precisionFlag(fs, &o.precision)
	fs.BoolVar(&o.expand, "expand", false, "write the directions [H,C,O] out beside the weight slices")
	fs.StringVar(&o.shard, "shard", "", "collect part `N/OF` of the pictures only, to PATH.N-of-OF, which merge puts together")
	fs.BoolVar(&o.strict, "strict", false, "stop at a picture that cannot be read")
	fs.BoolVar(&o.restart, "restart", false, "do away with what lies at --save-path and start over")
	pictureFlags(fs, &o.images)
}

// precisions are the values of --precision.
var precisions = map[string]kernel.Precision{"f32": kernel.Float32, "bf16": kernel.BFloat16}

// precisionFlag adds the flag of every command that runs the image tower.
func precisionFlag(fs *pflag.FlagSet, precision *string) {
	fs.StringVar(precision, "precision", "f32", "compute the convolutions in `P` f32, or bf16: reduced precision, faster, off by about a percent of the largest score; needs AVX512-BF16")
	choices(fs, "precision", "f32", "bf16")
}

// checkPrecision refuses a precision that is unknown or not to be had here.
func checkPrecision(name string) error {
	p, known := precisions[name]
	switch {
	case !known:
		return fmt.Errorf("--precision %q: want f32 or bf16", name)
	case p == kernel.BFloat16 && !kernel.HasBFloat16():
		return errors.New("--precision bf16: this processor has no bfloat16 products (AVX512-BF16), or CLIPNH_CPU holds it back")
	}
	return nil
}

// pictureFlags adds the flags of every command that reads pictures.
func pictureFlags(fs *pflag.FlagSet, o *imageprep.Options) {
	fs.BoolVar(&o.EXIF, "exif", false, "turn pictures as their EXIF orientation says; the reference does not")
	fs.IntVar(&o.MaxPixels, "max-pixels", imageprep.DefaultMaxPixels, "refuse pictures of more than `N` pixels")
}

func (o *collectOptions) validate() error {
	err := require("--model", o.model, "--data-path", o.dataPath, "--save-path", o.savePath)
	if err != nil {
		return err
	}
	switch {
	case !slices.Contains(dataset.Kinds(), o.dataset):
		return fmt.Errorf("--dataset %q: want %s", o.dataset, strings.Join(dataset.Kinds(), ", "))
	case !slices.Contains(pipeline.Modes, o.mode):
		return fmt.Errorf("--mode %q: want one of %s", o.mode, strings.Join(pipeline.Modes, ", "))
	case o.mode == pipeline.ModeLayer4 && !o.mean:
		return fmt.Errorf("--mode %s keeps means only: want --mean with it", o.mode)
	case o.topK < 1:
		return fmt.Errorf("--top-k %d: want 1 or more", o.topK)
	case o.lens < 0:
		return fmt.Errorf("--lens-idx %d: want 0 or more", o.lens)
	case o.dtype != npy.Float32.String() && o.dtype != npy.Float16.String():
		return fmt.Errorf("--dtype %q: want float32 or float16", o.dtype)
	case o.stride < 1:
		return fmt.Errorf("--sample-stride %d: want 1 or more", o.stride)
	case o.batch < 1:
		return fmt.Errorf("--batch-size %d: want 1 or more", o.batch)
	case o.images.MaxPixels < 1:
		return fmt.Errorf("--max-pixels %d: want 1 or more", o.images.MaxPixels)
	}
	if err := checkPrecision(o.precision); err != nil {
		return err
	}
	if _, err := o.part(); err != nil {
		return err
	}
	switch ext := strings.ToLower(filepath.Ext(o.savePath)); {
	case pipeline.IsDense(o.savePath):
	case slices.Contains([]string{".dat", ".npy", ".npz", ".pt", ".pth", ".json", ".csv", ".txt"}, ext):
		return fmt.Errorf("--save-path %s: want a folder, or a file that ends in .dat or .npy", o.savePath)
	}
	if pipeline.IsDense(o.savePath) && (o.dtype == npy.Float16.String() || o.expand) {
		return fmt.Errorf("--dtype float16 and --expand are for a folder of scores, not for %s", o.savePath)
	}
	if o.expand && !pipeline.KeepsScores(o.mode) {
		return fmt.Errorf("--expand is for scores, not for --mode %s", o.mode)
	}
	return o.pipeline(1).CheckStats()
}

// part is the shard asked for.
func (o *collectOptions) part() (pipeline.Shard, error) {
	if o.shard == "" {
		return pipeline.Shard{}, nil
	}
	if o.mean {
		return pipeline.Shard{}, errors.New("--shard is for rows and statistics of pictures, not for --mean: want --stats-only")
	}
	s, err := pipeline.ParseShard(o.shard)
	if err != nil {
		err = fmt.Errorf("--shard %w", err)
	}
	return s, err
}

// pipeline returns the options of the stage.
func (o *collectOptions) pipeline(threads int) pipeline.CollectOptions {
	shard, _ := o.part() // validated
	return pipeline.CollectOptions{
		Shard: shard,
		Model: o.model, Data: dataset.Options{Kind: o.dataset, Path: o.dataPath}, Stride: o.stride,
		BatchSize: o.batch, Threads: threads, Mode: o.mode, Lens: o.lens, Mean: o.mean,
		StatsOnly: o.stats, TopK: o.topK, Precision: precisions[o.precision],
		SavePath: o.savePath, Half: o.dtype == npy.Float16.String(), Expand: o.expand,
		Strict: o.strict, Restart: o.restart, Images: o.images,
	}
}

func runCollect(ctx context.Context, opts collectOptions, g *globalOptions) error {
	result, err := pipeline.Collect(ctx, opts.pipeline(g.workers()), g.printer)
	if err != nil {
		return err
	}
	if result.Complete {
		g.printer.Note("%s is complete already", result.Path)
	}
	if err := printCollect(result, g); err != nil {
		return err
	}
	if n := len(result.Skipped); n > 0 {
		return fmt.Errorf("%w %s of %d", errSkipped, ui.Images.Count(int64(n)), n+result.Images)
	}
	return nil
}

func printCollect(result *pipeline.CollectResult, g *globalOptions) error {
	if g.json {
		return g.printer.JSON(result)
	}
	holds := result.Kind
	if result.Precision != "" {
		holds += " (" + result.Precision + ")"
	}
	t := ui.NewTable(ui.Left("path"), ui.Left("holds"), ui.Left("shape"), ui.Right("images"), ui.Right("skipped"))
	t.Row(result.Path, holds, npy.ShapeString(result.Shape), fmt.Sprint(result.Images), fmt.Sprint(len(result.Skipped)))
	return g.printer.Table(t)
}
