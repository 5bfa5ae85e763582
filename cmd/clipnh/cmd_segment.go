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

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/segment"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
)

const segmentHelp = `
Assigns one of several classes to every pixel of an image, without training. For
each word of a class, the --k neuron-head pairs are taken whose principal
component (--pcs-path) is closest to the word's embedding, from which the mean
over all words is subtracted. At each location of the last map, a pair counts
with the activation of its neuron times the cosine between the word and what the
head adds to the image feature there. Windows slide over the image; their logits
are resized to pixels and averaged.

Classes, sizes and thresholds come from --config, one of those built into clipnh
or a YAML file; flags override it. --classes takes names, a|b for a class of
several words, or a file of lines "name, word, ..." (@FILE).

Methods are pairs (as above), heads and neurons (each of the two factors alone,
for the same pairs), values (the value of each token, as in MaskCLIP) and
self-self (queries attend to queries, keys to keys). Several methods share one
pass over the images.

In a vision transformer, --method tokens uses what all heads of all layers read
at a location: what it adds to the image's cosine with the word, times the
number of locations. pairs, heads and neurons use the neurons of --neuron-layer,
whose activations at the tokens take the place of the last map, with heads of
later layers. Windows have the model's own size; --no-sink has no effect.

Reads a checkpoint (--model), the merges file of its tokenizer (--vocab) or
existing embeddings (--text-embeddings-path), components that svd wrote, and
images or folders of them (--image), or a data set with label maps (--data-path,
in the layout of the config). With --text-for-topk the pairs are those of other
texts, one for each word; pixels are still compared with the words.

Prints, for each --image, the share of each class in its pixels, or in those of
all images of the folder; for a data set, the intersection over union (IoU) of
each class, its mean over the classes that occur (mIoU), and the share of
correct pixels. --show-dir draws the labels over the images, next to the true
ones; --save-dir writes them as PNG files of class numbers, from 0;
--probabilities-dir writes the probability of each class at each pixel, a
float32 .npy with a manifest for each image, [Y,X,M], before thresholds.

With --masks, images have one class each, that of their folder or --foreground.
The map of that class is compared with a mask, a PNG whose pixels are not 0 in
the foreground: a pixel is taken for foreground where the map is above its mean.
Prints the share of correct pixels, the mean IoU of foreground and background,
and the mean average precision. ImageNet-Segmentation is used this way:
scripts/imagenet_segmentation.py writes its file as images in folders named by
their classes, and PNG masks.

For a data set, --save-path writes JSON: how many pixels of each true class got
each label, by method ("confusion"), and the measures computed from it. A run
that was interrupted or killed then resumes when the same command is run again,
unless it draws or writes labels. With --shard 3/16 only the third of sixteen
parts of the scenes is segmented, to FILE.3-of-16.json, so that several machines
can share the work; clipnh merge adds up the parts, to exactly the bytes of a
single run, and prints the table.`

func newSegmentCommand(g *globalOptions) *cobra.Command {
	var opts segmentOptions
	cmd := &cobra.Command{
		Use:   "segment --model FILE --vocab FILE --pcs-path FILE --image FILE --classes NAMES",
		Short: "Label every pixel with one of several texts",
		Long:  segmentHelp,
		Example: "clipnh segment --model RN50x16.pt --vocab bpe_simple_vocab_16e6.txt.gz \\\n" +
			"  --pcs-path caches/pc0.npy --image photo.jpg --classes \"dog,grass,sky\"\n" +
			"clipnh segment --model RN50x16.pt --vocab bpe_simple_vocab_16e6.txt.gz \\\n" +
			"  --pcs-path caches/pc0.npy --config context59 --data-path VOC2010\n" +
			"clipnh segment --model ViT-B-32.pt --vocab bpe_simple_vocab_16e6.txt.gz \\\n" +
			"  --method tokens --image photo.jpg --classes \"dog,grass,sky\"",
		Args:        noArgs,
		Annotations: exitStatus(exitSkipped, exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.given, opts.set = cmd.Flags().Changed, setFlags(cmd.Flags())
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			if g.checking {
				return nil
			}
			return g.ofShard(opts.shard, opts.SavePath, func() error { return runSegment(cmd.Context(), opts, g) })
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// segmentOptions is everything the segment command can be told: the stage's options,
// which most flags set, and texts from which others are made.
type segmentOptions struct {
	segment.Options
	given givenFlags

	set                      givenFlags // has a value that someone gave it
	config                   string
	classes, templates       textList
	override                 configs.Segmentation // what flags say instead of the config
	noSink, synonyms         bool
	methods                  []string
	resize, precision, shard string
}

func (o *segmentOptions) addFlags(fs *pflag.FlagSet) {
	modelFlag(fs, &o.Model)
	detailFlags(fs, &o.Details)
	imageDetailFlags(fs, &o.Details)
	neuronLayerFlag(fs, &o.NeuronLayer, layerOfInputs)
	vocabFlag(fs, &o.Vocab)
	defaultExcludes(fs, "vocab", "text-embeddings-path")
	fs.StringVarP(&o.PCsPath, "pcs-path", "p", "", "`FILE` of principal components of pairs, written by svd, .npy, [H,C,O]; those of neurons (svd --mode n) take a neuron with all of its pairs")
	fs.StringArrayVar(&o.Paths, "image", nil, "`PATH` of an image, or of a folder of them; may be given several times")
	fs.StringVarP(&o.DataPath, "data-path", "d", "", "data set at `PATH`, a folder or archives; paths in its config start there")
	fs.StringVar(&o.config, "config", "", "`NAME` of a data set ("+strings.Join(configs.Segmentations(), ", ")+"), or a YAML file")
	annotate(fs, "config", namesAnnotation, configs.Segmentations()...)
	textsFlag(fs, &o.classes, "classes", "c", "classes, instead of those of the config"+textsHelp, isList)
	fs.BoolVar(&o.synonyms, "synonyms", true, "use all words of a class; =false uses only the first")
	templatesFlag(fs, &o.templates, "word")
	fs.StringVar(&o.TextsPath, "text-embeddings-path", "", "`FILE` of embeddings of the words, instead of --vocab, .npy or .pt")
	fs.StringVar(&o.PairTextsPath, "text-for-topk", "", "`FILE` of embeddings of other texts, one for each word, to choose the pairs by, .npy or .pt")
	fs.StringSliceVar(&o.methods, "method", []string{"pairs"}, "`METHOD,...` pairs, heads, neurons, values, self-self; of a vision transformer tokens, pairs, heads, neurons")
	choices(fs, "method", heat.Methods...)
	fs.IntVar(&o.override.Pairs, "k", 20000, "use the `K` closest pairs of each word")
	fs.IntVar(&o.override.Block, "conv-map-idx", -1, "use the neurons' maps of block `N` of the last stage; -1 is the last block")
	fs.IntVar(&o.SimBlock, "sim-map-idx", -1, "run the attention pool on block `N` of the last stage")
	fs.IntVar(&o.override.ShorterSide, "short-side", 0, "resize images so that the shorter side has `N` pixels; 0 is the model's image size")
	fs.IntVar(&o.override.LongerSide, "long-side", 2048, "but the longer side at most `N` pixels; 0 is no limit")
	fs.IntVar(&o.override.SlideCrop, "slide-crop", 0, "windows of `N` by N pixels; 0 is the model's image size")
	fs.IntVar(&o.override.SlideStride, "slide-stride", 0, "move windows by `N` pixels; 0 is half a window")
	fs.StringVar(&o.resize, "resize", "opencv", "resize images bilinearly as `LIBRARY` opencv or pillow (antialiased) does")
	choices(fs, "resize", "opencv", "pillow")
	fs.BoolVar(&o.noSink, "no-sink", false, "keep the last location, which otherwise gets the values of its neighbours")
	fs.Float64Var(&o.override.LogitScale, "logit-scale", 40, "multiply logits by `X` before the softmax")
	fs.Float64Var(&o.override.ProbThd, "prob-thd", 0, "give pixels whose best class is less likely than `P` the first class")
	fs.Float64Var(&o.override.AreaThd, "area-thd", 0, "drop classes with at most the share `S` of the pixels outside the first class")
	fs.IntVar(&o.PAMR.Steps, "pamr-steps", 0, "refine the logits `N` times along colours (PAMR)")
	fs.IntSliceVar(&o.PAMR.Dilations, "pamr-dilations", []int{8, 16}, "distances `D,...` of the neighbours for PAMR, in pixels")
	fs.IntVar(&o.Limit, "limit", 0, "stop after `N` scenes of a data set; 0 is no limit")
	fs.StringVar(&o.MasksDir, "masks", "", "`DIR` of masks of the images' foreground, PNG of the same names, to compare the map of each image's class with")
	fs.StringVar(&o.Foreground, "foreground", "", "with --masks, the class of all images has this `NAME` (default that of the folder that an image is in)")
	fs.StringVar(&o.ShowDir, "show-dir", "", "`DIR` for drawings of the labels over the images")
	fs.StringVar(&o.SaveDir, "save-dir", "", "`DIR` for label maps, PNG of class numbers from 0, with a palette")
	fs.StringVar(&o.ProbabilitiesDir, "probabilities-dir", "", "`DIR` for probabilities of the classes, .npy, one per image")
	fs.StringVarP(&o.SavePath, "save-path", "o", "", "`FILE` for the pixel counts of a data set, .json")
	fs.StringVar(&o.shard, "shard", "", "segment only part `N/OF` of the scenes, to PATH.N-of-OF.json, for merge")
	fs.BoolVar(&o.Restart, "restart", false, "discard what is at --save-path and in --probabilities-dir, and start over")
	precisionFlag(fs, &o.precision)
	fs.BoolVar(&o.Strict, "strict", false, "stop at an image that cannot be read; refuse to resume what another kind of processor began")
	fs.BoolVar(&o.Images.EXIF, "exif", true, "apply the EXIF orientation of images, as mmcv's loader does; label maps are never turned")
	maxPixelsFlag(fs, &o.Images)
	preprocessFlag(fs, &o.Images)
}

func (o *segmentOptions) validate() error {
	if err := checkDetails(o.Details); err != nil {
		return err
	}
	pairs := false
	for i, name := range o.methods {
		method, err := heat.ParseMethod(name)
		if err != nil {
			return fmt.Errorf("--%w", err)
		}
		if slices.Contains(o.methods[:i], name) {
			return fmt.Errorf("--method %s is given twice", name)
		}
		pairs = pairs || method.UsesPairs()
	}
	needed := []string{"--model", o.Model}
	if pairs {
		needed = append(needed, "--pcs-path", o.PCsPath)
	}
	if o.TextsPath == "" {
		needed = append(needed, "--vocab", o.Vocab)
	}
	if err := require(needed...); err != nil {
		if pairs && o.PCsPath == "" {
			err = hint.With(err, "svd writes components; --method values and self-self, and of a vision transformer tokens, need none")
		}
		return err
	}
	if err := cmp.Or(o.classes.check(), o.templates.check()); err != nil {
		return err
	}
	switch {
	case slices.Contains(o.Paths, ""):
		return errors.New("--image: the path is empty")
	case o.Images.Order != imageprep.ConvertFirst && o.resize != "pillow":
		return fmt.Errorf("--preprocess %s needs --resize pillow: OpenCV's loader converts images to RGB before they can be resized", o.Images.Order)
	case (len(o.Paths) == 0) == (o.DataPath == ""):
		return errors.New("want one of --image and --data-path")
	case o.MasksDir != "" && o.DataPath != "":
		return errors.New("--masks needs --image: a data set has label maps of its own")
	case o.DataPath != "" && o.config == "":
		return errors.New("--data-path needs --config, which describes the layout of the data set")
	case !o.classes.given() && o.config == "":
		return errors.New("--image needs --classes or --config")
	case len(o.methods) == 0:
		return errors.New("--method: want at least one")
	case o.TextsPath != "" && o.templates.given():
		return errors.New("--text-embeddings-path and --templates: want one of them")
	case o.resize != "opencv" && o.resize != "pillow":
		return fmt.Errorf("--resize %q: want opencv or pillow", o.resize)
	case o.Images.MaxPixels < 1:
		return fmt.Errorf("--max-pixels %d: want 1 or more", o.Images.MaxPixels)
	}
	err := o.given.refuseIn(
		rule{!pairs, "with --method " + strings.Join(o.methods, ","), []string{"pcs-path", "k", "text-for-topk", "neuron-layer"}},
		rule{o.TextsPath != "", "with --text-embeddings-path", []string{"vocab"}},
		rule{o.MasksDir == "", "without --masks", []string{"foreground"}},
		rule{o.MasksDir != "", "with --masks", []string{"show-dir", "save-dir", "probabilities-dir", "logit-scale", "prob-thd", "area-thd"}},
		rule{o.PAMR.Steps == 0, "without --pamr-steps", []string{"pamr-dilations"}})
	if err != nil {
		return err
	}
	if _, err := o.part(); err != nil {
		return err
	}
	return errors.Join(o.validateNumbers(), checkPrecision(o.precision))
}

// part returns the shard given by --shard.
func (o *segmentOptions) part() (shard.Shard, error) {
	switch {
	case o.SavePath != "" && o.DataPath == "":
		return shard.Shard{}, errors.New("--save-path needs --data-path: it counts labels against true ones")
	case o.Restart && o.SavePath == "" && o.ProbabilitiesDir == "":
		return shard.Shard{}, errors.New("--restart needs --save-path or --probabilities-dir")
	}
	return parsePart(o.shard, o.SavePath)
}

// Limits of sizes and distances, in pixels.
const (
	maxSegmentSide = 1 << 13
	maxDilation    = 1 << 8
)

func (o *segmentOptions) validateNumbers() error {
	for _, side := range []struct {
		flag   string
		pixels int
	}{
		{"--short-side", o.override.ShorterSide}, {"--long-side", o.override.LongerSide}, {"--slide-crop", o.override.SlideCrop}, {"--slide-stride", o.override.SlideStride},
	} {
		if side.pixels < 0 || side.pixels > maxSegmentSide {
			return fmt.Errorf("%s %d: want 0 to %d", side.flag, side.pixels, maxSegmentSide)
		}
	}
	for _, d := range o.PAMR.Dilations {
		if d < 1 || d > maxDilation {
			return fmt.Errorf("--pamr-dilations %d: want 1 to %d", d, maxDilation)
		}
	}
	if err := numbersOnce("--pamr-dilations", o.PAMR.Dilations); err != nil {
		return err
	}
	switch {
	case o.override.Pairs < 1:
		return fmt.Errorf("--k %d: want 1 or more", o.override.Pairs)
	case !(o.override.LogitScale > 0 && o.override.LogitScale < 1e6):
		return fmt.Errorf("--logit-scale %v: want more than 0, at most a million", o.override.LogitScale)
	case !(o.override.ProbThd >= 0 && o.override.ProbThd < 1):
		return fmt.Errorf("--prob-thd %v: want 0 or more and less than 1", o.override.ProbThd)
	case !(o.override.AreaThd >= 0 && o.override.AreaThd < 1):
		return fmt.Errorf("--area-thd %v: want 0 or more and less than 1", o.override.AreaThd)
	case o.PAMR.Steps < 0:
		return fmt.Errorf("--pamr-steps %d: want 0 or more", o.PAMR.Steps)
	case o.Limit < 0:
		return fmt.Errorf("--limit %d: want 0 or more", o.Limit)
	case o.Limit > 0 && len(o.Paths) > 0:
		return errors.New("--limit needs --data-path")
	}
	return nil
}

func runSegment(ctx context.Context, opts segmentOptions, g *globalOptions) error {
	setup, err := opts.setup(g)
	if err != nil {
		return err
	}
	templates, err := (&embedOptions{useTemplates: true, templates: opts.templates}).prompts(g)
	if err != nil {
		return err
	}
	o := opts.Options
	o.Artefacts, o.Threads, o.Precision = g.artefacts(), g.workers(), precisions[opts.precision]
	o.Setup, o.Templates, o.MainWords, o.Pillow = setup, templates, !opts.synonyms, opts.resize == "pillow"
	o.Shard, _ = opts.part() // validated
	o.Store, o.Writer = g.files, g.writer(o.Restart)
	for _, name := range opts.methods {
		method, err := heat.ParseMethod(name)
		if err != nil {
			panic("segment: options were not validated")
		}
		o.Methods = append(o.Methods, method)
	}
	result, err := segment.Run(ctx, o, g.printer)
	if err != nil && (result == nil || !result.Measured) {
		if result != nil && result.Images > 0 {
			g.printer.Note("%s", soFar(result))
		}
		return err
	}
	if result.Complete {
		g.printer.Note("%s is already complete", result.Path)
	}
	written := err
	err = printSegmentation(result, o.ShowDir, g)
	if written != nil && errors.Is(err, errSkipped) {
		err = nil // the result lacks more
	}
	return outcome(written, err, nil)
}
