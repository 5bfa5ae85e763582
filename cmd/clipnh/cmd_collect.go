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

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/device"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/ui"
)

const collectHelp = `
Runs images through the image tower and stores what each neuron-head pair adds
to the image feature. For a pair, such as h12n624, only its score is stored: the
activation of neuron 624, weighted by the attention of head 12. The contribution
of the pair is its score times a direction that depends on the weights only. For
1,000 images, the scores of RN50x16 take 590 MB; the contributions would take
453 GB.

Reads a checkpoint (--model) and images (--data-path): JPEG, PNG, WebP, GIF,
BMP, TIFF, PBM, PGM and PPM, told apart by content. They are preprocessed
exactly as by torchvision with Pillow.

--data-path is a folder; an archive (.tar, .tar.gz or .zip), which is read
without unpacking; several archives, as "shards/{000..099}.tar"; a .parquet file
as in Hugging Face's data sets; or a list, a .txt with a path on each line or a
.csv with a column of paths. Archives and .parquet files may be at https:// and
s3:// addresses; nothing is downloaded to disk. Images in archives have names
such as photos.tar!cats/1.jpg. With --dataset imagenet_val, labels are the
folders in an archive, the files .cls, .json or .txt beside the images as in
WebDataset, or a column of the .parquet file or list. docs/images.md has the
details.

Other modes (--mode) store, instead of scores:
  heads               contributions summed over neurons, [B,H,O]
  attns               attention of every token to every token, [B,H,T,T]
  neuron_acts         tokens before the positional embedding is added, [B,C,T];
                      token 0 is the mean of the others
  neurons+heads_lens  scores computed from the map of another block of layer4
                      (--lens-idx); they can be used like scores
  layer4              norms per block of layer4 and token: of the maps (infinite
                      for token 0), and of what the token would add to the image
                      feature if that map were pooled; --mean only, [2,blocks,T]
  features            the image feature itself, not normalised, [B,O]

The image tower may be a vision transformer. A pair is then a neuron of the MLP
of layer --neuron-layer, seen through a head of a later layer, such as l10h3n624
(a second-order effect): what it adds to the image feature is again a score
times a direction. H counts the heads of all later layers, one layer after the
other. These pairs are only a part of the feature, so the features are stored
too, in the folder "features" within that of the scores. Other modes store what
each part of the class token adds to the feature; heads and mlps sum to it:
  heads               each head, [B,L,H,O]
  mlps                the class token that enters the first layer, and each MLP,
                      [B,L+1,O]
  tokens              each head by each token that it reads, [B,L,T,H,O]
  cls_attn            the heads of each layer by the class token that they read,
                      [B,L,O], which is a part of heads
In a folder, heads and tokens are stored as factors, float16: what a head reads,
which is as wide as a head, beside matrices [L,H,F,O] that make of it what the
head adds. For ViT-B/32, heads take 19 KB an image instead of 290, tokens 1 MB
instead of 15. mlps and cls_attn are stored as they are, float16. A note says
how much float16 changed; --dtype float32 keeps float32. A .npy or .dat file and
--form published have all numbers written out, in float32.
With several layers, --neuron-layer 9,10, one pass through the tower collects
all of them, each to a folder within --save-path, layer9 and layer10. Each is
the same as that of a run of this layer alone; other commands take it as
--scores. With --form published, heads, mlps and cls_attn are divided by the
norm of the image feature, as in the caches that the authors of TextSpan
published: attn.npy, mlp.npy and cls_attn.npy, if --save-path says so. With
neuron_acts, the activations of the neurons of layer --neuron-layer at every
token are stored, [B,C,T]; edit takes their means. Weights do not state their
activation function, and seldom their number of heads: --activation and
--vit-heads do, or config.json beside them, otherwise a note says what was
guessed (see info). Images are prepared as files beside the weights say, such as
open_clip_config.json, unless --image-mean, --image-std or --image-resize do.

With --form published, neurons and neurons+heads have the form of the
second-order effects that their authors published: means and biases are shared
out evenly, and each image's effects are multiplied by 100 and divided by the
norm of its feature. --mode neurons to a .npy is the authors' file [B,C,O]. A
folder, published.npy [B,H,C+O], is smaller: per head, the scores of its pairs
and the vector that is added to each of them. svd takes both, no other command.

Writes a folder at --save-path:
  scores.npy          [B,H,C], one row per image
  directions.*.npy    weight slices whose product is the directions [H,C,O]
  bias.npy            [H,O], the share of the bias in each pair of a head
  images.txt          names of the images, in the order of the rows
                      (other modes: heads.npy, attention.npy, activations.npy,
                      layer4.npy, mlps.npy, tokens.npy, cls_attn.npy or
                      features.npy, or factors.npy and matrices.npy, the names
                      and the manifest)
  manifest.json       what the folder was made from, with checksums
If --save-path ends in .dat or .npy, writes a dense file in the reference's
layout instead: contributions [B,H,C,O], or [B,C,O] summed over heads with
--mode neurons, or the tensor of another mode.

With --stats-only no scores are stored. One pass over any number of images
writes, at --save-path, the image features [B,O] (features.npy) and, for each
pair, the sum of its scores (sums.npy) and its --top-k largest and smallest
scores with their images (largest.npy, largest.images.npy and so on). From these
svd --mode nh and polysemanticity --mode nh compute the same results as from
scores. Memory does not depend on the number of images; for RN50x16, an image
takes 3 KiB on disk instead of 576.

With --no-features as well, nothing is stored for single images, and disk does
not depend on their number either. Beside the extremes, whose images are named,
the folder has a sketch of the scores of each pair (scores.sketch): exact sums
of their first three powers, and a histogram that gives quantiles to within an
eighth of their size. watch and compare take two such folders; svd --mode nh,
edit and explain take one. Commands that need the features of images, such as
polysemanticity, refuse it.

With --device the image tower runs outside of this program, as the graph that
export writes, in ONNX Runtime: ort-cpu on the processor, cuda, webgpu, coreml
and directml on graphics cards. This needs the program clipnh-ort and ONNX
Runtime's library; "clipnh info --devices" shows what was found. Results are
equal up to rounding: each run compares its first images with clipnh's own tower
and stops if they differ by more. Larger batches (--batch-size) use a graphics
card better.

With --shard 3/16 only the third of sixteen parts of the images is collected, to
PATH.3-of-16, so that several machines can share the work. Of images in at least
as many archives as there are parts, each part is whole archives, with about as
many images as the others; otherwise it is whole chunks of images. clipnh merge
joins the parts into exactly the bytes of a single run.

An image that cannot be read is skipped with a warning (--strict stops instead).
A run that was interrupted or killed resumes when the same command is run again.`

func newCollectCommand(g *globalOptions) *cobra.Command {
	var opts collectOptions
	cmd := &cobra.Command{
		Use:   "collect --model FILE --data-path PATH --save-path PATH",
		Short: "Compute the score of every neuron-head pair on every image",
		Long:  collectHelp,
		Example: "clipnh collect --model RN50x16.pt --dataset images --data-path photos \\\n" +
			"  --save-path caches/photos",
		Args:        noArgs,
		Annotations: exitStatus(exitSkipped, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.given = cmd.Flags().Changed
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			if g.checking {
				return nil
			}
			return g.ofShard(opts.shard, opts.savePath, func() error { return runCollect(cmd.Context(), opts, g) })
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// collectOptions is everything the collect command can be told.
type collectOptions struct {
	given                                        givenFlags // on the command line
	model, dataset, dataPath, labelKey, savePath string
	mode, form, dtype, precision, shard          string
	device                                       string
	lens, stride, batch                          int
	topK                                         int
	mean, stats, expand, strict, restart         bool
	noFeatures                                   bool // with stats
	verify                                       bool
	images                                       imageprep.Options
	details                                      model.Details
	neuronLayers                                 []int
}

func (o *collectOptions) addFlags(fs *pflag.FlagSet) {
	modelFlag(fs, &o.model)
	detailFlags(fs, &o.details)
	imageDetailFlags(fs, &o.details)
	fs.Var(layersFlag{&o.neuronLayers}, "neuron-layer", "`LAYER` of a vision transformer whose neurons to look at through the heads of later layers, from 0; of several, as 9,10, each goes to a folder, layer9 and layer10, within --save-path")
	fs.StringVar(&o.dataset, "dataset", dataset.ImageNetTest, "layout of --data-path: `KIND` imagenet_test, imagenet_val, cars, cars_test, or images (every image below the folder, in name order)")
	choices(fs, "dataset", dataset.Kinds()...)
	labelKeyFlag(fs, &o.labelKey)
	fs.StringVarP(&o.dataPath, "data-path", "d", "", "`PATH` of the images: a folder, an archive or a list")
	fs.StringVarP(&o.savePath, "save-path", "o", "", "`PATH` of the folder to write, or of a .dat or .npy file")
	fs.StringVar(&o.mode, "mode", collect.ModePairs, "`MODE` neurons+heads; neurons (summed over heads), heads, attns, neuron_acts, neurons+heads_lens, layer4, features; of a vision transformer neurons+heads, neurons, heads, mlps, tokens, cls_attn, neuron_acts, features")
	choices(fs, "mode", collect.Modes...)
	fs.StringVar(&o.form, "form", collect.FormOwn, "`FORM` of what a vision transformer's parts and neurons add to features: own, or published, as their authors' files have it, divided by the norm of the feature")
	choices(fs, "form", collect.FormOwn, collect.FormPublished)
	fs.IntVar(&o.lens, "lens-idx", 0, "`BLOCK` of layer4 whose map neurons+heads_lens uses, from 0")
	fs.IntVar(&o.stride, "sample-stride", 1, "take every `K`-th image in name order (the reference takes every 5th)")
	fs.IntVar(&o.batch, "batch-size", 8, "run `N` images at a time through the tower; 1 is slower and can change the last digit")
	fs.BoolVar(&o.mean, "mean", false, "store only the mean over the images")
	fs.BoolVar(&o.stats, "stats-only", false, "store sums and the most extreme scores of each pair instead of scores")
	fs.BoolVar(&o.noFeatures, "no-features", false, "with --stats-only, store no row for any image, but a sketch of each pair's scores")
	fs.IntVar(&o.topK, "top-k", 50, "with --stats-only, store the `K` largest and the K smallest scores of each pair")
	fs.StringVar(&o.dtype, "dtype", "", "store the rows of a folder as `TYPE` float32, or as float16 in half the space (default float16 with --mode heads, mlps, tokens and cls_attn of a vision transformer, unless --form published, and float32 otherwise)")
	choices(fs, "dtype", npy.Float32.String(), npy.Float16.String())
	precisionFlag(fs, &o.precision)
	fs.StringVar(&o.device, "device", "", "run the tower on `DEVICE` "+strings.Join(device.Names(), ", ")+", through ONNX Runtime (default this program)")
	choices(fs, "device", device.Names()...)
	fs.BoolVar(&o.expand, "expand", false, "also write the directions [H,C,O] themselves")
	fs.StringVar(&o.shard, "shard", "", "collect only part `N/OF` of the images, to PATH.N-of-OF, for merge; of whole archives, if there are OF or more")
	fs.BoolVar(&o.strict, "strict", false, "stop at an image that cannot be read; refuse to resume what another kind of processor began")
	fs.BoolVar(&o.restart, "restart", false, "discard what is at --save-path and start over")
	fs.BoolVar(&o.verify, "verify", false, "if --save-path is already complete, compare its contents with their checksums too")
	imageFlags(fs, &o.images)
}

// dtypes are the values of --dtype.
var dtypes = map[string]npy.DType{npy.Float32.String(): npy.Float32, npy.Float16.String(): npy.Float16}

// imageFlags adds the flags of every command whose images are resized and cropped to
// what the tower sees.
func imageFlags(fs *pflag.FlagSet, o *imageprep.Options) {
	fs.BoolVar(&o.EXIF, "exif", false, "apply the EXIF orientation of images; the reference does not")
	preprocessFlag(fs, o)
	maxPixelsFlag(fs, o)
}

// preprocessFlag adds the flag for the order of preprocessing.
func preprocessFlag(fs *pflag.FlagSet, o *imageprep.Options) {
	fs.Var(orderFlag{&o.Order}, "preprocess", "prepare images in `ORDER` reference (convert to RGB, then resize) or openai (resize, then convert); only images that are not RGB differ")
	choices(fs, "preprocess", imageprep.ConvertFirst.String(), imageprep.ResizeFirst.String())
}

// orderFlag is a flag whose value is an order of preprocessing.
type orderFlag struct{ order *imageprep.Order }

func (f orderFlag) String() string { return f.order.String() }
func (f orderFlag) Type() string   { return "order" }
func (f orderFlag) Set(name string) (err error) {
	*f.order, err = imageprep.ParseOrder(name)
	return err
}

func maxPixelsFlag(fs *pflag.FlagSet, o *imageprep.Options) {
	fs.IntVar(&o.MaxPixels, "max-pixels", imageprep.DefaultMaxPixels, "refuse images of more than `N` pixels")
}

func (o *collectOptions) validate() error {
	if err := numbersOnce("--neuron-layer", o.neuronLayers); err != nil {
		return err
	}
	err := require("--model", o.model, "--data-path", o.dataPath, "--save-path", o.savePath)
	if err != nil {
		return err
	}
	switch {
	case !slices.Contains(dataset.Kinds(), o.dataset):
		return fmt.Errorf("--dataset %q: want %s", o.dataset, strings.Join(dataset.Kinds(), ", "))
	case !slices.Contains(collect.Modes, o.mode):
		modes := strings.Join(collect.Modes, ", ")
		if o.mode == "pairs" {
			return fmt.Errorf("--mode %q: pairs are --mode %s, the default; others are %s", o.mode, collect.ModePairs, strings.TrimPrefix(modes, collect.ModePairs+", "))
		}
		return fmt.Errorf("--mode %q: want one of %s", o.mode, modes)
	case o.form != collect.FormOwn && o.form != collect.FormPublished:
		return fmt.Errorf("--form %q: want %s or %s", o.form, collect.FormOwn, collect.FormPublished)
	case o.mode == collect.ModeLayer4 && !o.mean:
		return fmt.Errorf("--mode %s stores means only: want --mean", o.mode)
	case o.topK < 1:
		return fmt.Errorf("--top-k %d: want 1 or more", o.topK)
	case o.lens < 0:
		return fmt.Errorf("--lens-idx %d: want 0 or more", o.lens)
	case o.dtype != "" && dtypes[o.dtype] == npy.DType{}:
		return fmt.Errorf("--dtype %q: want float32 or float16", o.dtype)
	case o.stride < 1:
		return fmt.Errorf("--sample-stride %d: want 1 or more", o.stride)
	case o.batch < 1 || o.batch > maxBatch:
		return fmt.Errorf("--batch-size %d: want 1 to %d", o.batch, maxBatch)
	case o.images.MaxPixels < 1:
		return fmt.Errorf("--max-pixels %d: want 1 or more", o.images.MaxPixels)
	case o.device != "" && !slices.Contains(device.Names(), o.device):
		return fmt.Errorf("--device %q: want %s", o.device, strings.Join(device.Names(), ", "))
	case o.device != "" && !slices.Contains(collect.DeviceModes, o.mode):
		return fmt.Errorf("--device %s: want --mode %s", o.device, strings.Join(collect.DeviceModes, ", "))
	case o.device != "" && o.precision == "bf16":
		return fmt.Errorf("--device %s computes in float32: want no --precision bf16", o.device)
	}
	if err := checkDetails(o.details); err != nil {
		return err
	}
	if err := checkPrecision(o.precision); err != nil {
		return err
	}
	if _, err := o.part(); err != nil {
		return err
	}
	switch ext := strings.ToLower(filepath.Ext(o.savePath)); {
	case artefact.IsDense(o.savePath):
	case slices.Contains([]string{".dat", ".npy", ".npz", ".pt", ".pth", ".json", ".csv", ".txt"}, ext):
		return fmt.Errorf("--save-path %s: want a folder, or a file that ends in .dat or .npy", o.savePath)
	}
	if artefact.IsDense(o.savePath) && (o.dtype == npy.Float16.String() || o.expand) {
		return fmt.Errorf("--dtype float16 and --expand are for a folder of scores, not for %s", o.savePath)
	}
	if o.expand && !collect.KeepsScores(o.mode) {
		return fmt.Errorf("--expand is for scores, not for --mode %s", o.mode)
	}
	err = o.given.refuseIn(
		rule{o.mode != collect.ModeLens, "without --mode " + collect.ModeLens, []string{"lens-idx"}},
		rule{!o.stats, "without --stats-only", []string{"top-k"}})
	return errors.Join(err, o.pipeline(&globalOptions{threads: 1}).CheckStats())
}

// part returns the shard given by --shard.
func (o *collectOptions) part() (shard.Shard, error) {
	if o.shard == "" {
		return shard.Shard{}, nil
	}
	if o.mean {
		return shard.Shard{}, errors.New("--shard cannot be combined with --mean: want --stats-only, or no --mean")
	}
	s, err := shard.Parse(o.shard)
	if err != nil {
		err = fmt.Errorf("--shard %w", err)
	}
	return s, err
}

// pipeline returns the options of the stage.
func (o *collectOptions) pipeline(g *globalOptions) collect.Options {
	shard, _ := o.part() // validated
	var neuronLayer *int
	if len(o.neuronLayers) == 1 {
		neuronLayer = &o.neuronLayers[0]
	}
	return collect.Options{
		Details: o.details, NeuronLayer: neuronLayer, Device: o.device, Published: o.form == collect.FormPublished,
		Shard: shard,
		Model: o.model, Data: dataset.Options{Kind: o.dataset, LabelKey: o.labelKey, Path: o.dataPath}, Stride: o.stride,
		BatchSize: o.batch, Threads: g.workers(), Mode: o.mode, Lens: o.lens, Mean: o.mean,
		StatsOnly: o.stats, NoFeatures: o.noFeatures, TopK: o.topK, FitTopK: o.given == nil || !o.given("top-k"), Precision: precisions[o.precision],
		SavePath: o.savePath, DType: dtypes[o.dtype], Expand: o.expand,
		Strict: o.strict, Restart: o.restart, Store: g.files, Verify: o.verify, Images: o.images,
	}
}

func runCollect(ctx context.Context, opts collectOptions, g *globalOptions) error {
	if len(opts.neuronLayers) < 2 {
		result, err := collect.Run(ctx, opts.pipeline(g), g.printer)
		if err != nil {
			return err
		}
		return opts.print(result, []*collect.Result{result}, g)
	}
	layers, err := collect.RunLayers(ctx, opts.pipeline(g), opts.neuronLayers, g.printer)
	if err != nil {
		return err
	}
	return opts.print(layers, layers.Layers, g)
}

// print prints the collections of a run: as JSON, document.
func (o *collectOptions) print(document any, all []*collect.Result, g *globalOptions) error {
	for _, r := range all {
		if r.Complete {
			g.sayComplete(r.Path, o.verify)
		}
	}
	if err := printCollect(document, all, g); err != nil {
		return err
	}
	if n := len(all[0].Skipped); n > 0 {
		return fmt.Errorf("%w %s of %d", errSkipped, ui.Images.Count(int64(n)), n+all[0].Images)
	}
	return nil
}

func printCollect(document any, all []*collect.Result, g *globalOptions) error {
	if g.json {
		return g.printer.JSON(document)
	}
	t := ui.NewTable(ui.Left("path"), ui.Left("holds"), ui.Left("shape"), ui.Right("images"), ui.Right("skipped"))
	for _, r := range all {
		holds := r.Kind
		if r.Factors {
			holds += " (factors)"
		}
		if d := r.Device; d != nil {
			holds += " (" + d.Name + ")"
		}
		if r.Precision != "" {
			holds += " (" + r.Precision + ")"
		}
		t.Row(r.Path, holds, npy.ShapeString(r.Shape), fmt.Sprint(r.Images), fmt.Sprint(len(r.Skipped)))
	}
	return errors.Join(g.printer.Table(t), printRounding(g.printer, all[0].Rounding))
}
