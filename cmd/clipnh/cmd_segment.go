package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/pipeline/segment"
	"github.com/clipnh/clipnh/internal/pipeline/shard"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/imageprep"
)

const segmentHelp = `
Assigns one of several classes to every pixel of an image, without training. For
each word of a class, the --k neuron-head pairs are taken whose principal
component (--pcs-path) is closest to the word's embedding, from which the mean
over all words is subtracted. At each location of the last map, a pair counts by
the activation of its neuron times the cosine between the word and what the head
adds to the image feature there. Windows slide over the image; their logits are
resized to pixels and averaged.

Classes, sizes and thresholds come from --config, one of those built into clipnh
or a YAML file; flags override it. --classes takes names separated by commas,
a|b for a class of several words, or a file of lines "name, word, ...".

Methods are pairs (as above), heads and neurons (each of the two factors alone,
for the same pairs), values (the value of each token, as in MaskCLIP) and
self-self (queries attend to queries, keys to keys). Several methods share one
pass over the images.

Reads a checkpoint (--model), the merges file of its tokenizer (--vocab) or
existing embeddings (--text-embeddings-path), components that svd wrote, and one
image (--image) or a data set with label maps (--data-path, in the layout of the
config).

Prints, for an image, the share of each class; for a data set, the intersection
over union (IoU) of each class, its mean over the classes that occur (mIoU), and
the share of correct pixels. --show-dir draws the labels over the images, next
to the true ones; --save-dir writes them as PNG files of class numbers, from 0.

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
			"  --pcs-path caches/pc0.npy --config context59 --data-path VOC2010",
		Args:        noArgs,
		Annotations: exitStatus(exitSkipped, exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.given = cmd.Flags().Changed
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runSegment(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// segmentOptions is everything the segment command can be told.
type segmentOptions struct {
	given func(flag string) bool

	config, classes             string
	model, vocab, pcs           string
	texts, templates            string
	image, dataPath             string
	methods                     []string
	k, conv, sim                int
	crop, stride, short, long   int
	scale, probThd, areaThd     float64
	noSink, synonyms            bool
	resize                      string
	pamrSteps                   int
	pamrDilations               []int
	limit                       int
	showDir, saveDir, precision string
	savePath, shard             string
	strict, restart             bool
	images                      imageprep.Options
}

func (o *segmentOptions) addFlags(fs *pflag.FlagSet) {
	modelFlag(fs, &o.model)
	vocabFlag(fs, &o.vocab)
	fs.StringVar(&o.pcs, "pcs-path", "", "`FILE` of principal components of pairs, written by svd, .npy, [H,C,O]")
	fs.StringVar(&o.image, "image", "", "`FILE` of one image")
	fs.StringVar(&o.dataPath, "data-path", "", "`DIR` of a data set; paths in its config start there")
	fs.StringVar(&o.config, "config", "", "`NAME` of a data set ("+strings.Join(configs.Segmentations(), ", ")+"), or a YAML file")
	fs.StringVar(&o.classes, "classes", "", "`NAMES` of classes, or a file of them, instead of those of the config")
	fs.BoolVar(&o.synonyms, "synonyms", true, "use all words of a class; =false uses only the first")
	fs.StringVar(&o.templates, "templates", "", "`FILE` of templates, one per line, with {} for the word")
	fs.StringVar(&o.texts, "text-embeddings-path", "", "`FILE` of embeddings of the words, instead of --vocab, .npy or .pt")
	fs.StringSliceVar(&o.methods, "method", []string{"pairs"}, "`METHOD,...` pairs, heads, neurons, values, self-self")
	choices(fs, "method", heat.Methods...)
	fs.IntVar(&o.k, "k", 20000, "use the `K` closest pairs of each word")
	fs.IntVar(&o.conv, "conv-map-idx", -1, "use the neurons' maps of block `N` of the last stage; -1 is the last block")
	fs.IntVar(&o.sim, "sim-map-idx", -1, "run the attention pool on block `N` of the last stage")
	fs.IntVar(&o.short, "short-side", 0, "resize images so that the shorter side has `N` pixels; 0 is the model's image size")
	fs.IntVar(&o.long, "long-side", 2048, "but the longer side at most `N` pixels; 0 is no limit")
	fs.IntVar(&o.crop, "slide-crop", 0, "windows of `N` by N pixels; 0 is the model's image size")
	fs.IntVar(&o.stride, "slide-stride", 0, "move windows by `N` pixels; 0 is half a window")
	fs.StringVar(&o.resize, "resize", "opencv", "resize images bilinearly as `LIBRARY` opencv or pillow (antialiased) does")
	choices(fs, "resize", "opencv", "pillow")
	fs.BoolVar(&o.noSink, "no-sink", false, "keep the last location, which otherwise gets the values of its neighbours")
	fs.Float64Var(&o.scale, "logit-scale", 40, "multiply logits by `X` before the softmax")
	fs.Float64Var(&o.probThd, "prob-thd", 0, "give pixels whose best class is less likely than `P` the first class")
	fs.Float64Var(&o.areaThd, "area-thd", 0, "drop classes with at most the share `S` of the pixels outside the first class")
	fs.IntVar(&o.pamrSteps, "pamr-steps", 0, "refine the logits `N` times along colours (PAMR)")
	fs.IntSliceVar(&o.pamrDilations, "pamr-dilations", []int{8, 16}, "distances `D,...` of the neighbours for PAMR, in pixels")
	fs.IntVar(&o.limit, "limit", 0, "stop after `N` scenes of a data set; 0 is no limit")
	fs.StringVar(&o.showDir, "show-dir", "", "`DIR` for drawings of the labels over the images")
	fs.StringVar(&o.saveDir, "save-dir", "", "`DIR` for label maps, PNG of class numbers from 0")
	fs.StringVar(&o.savePath, "save-path", "", "`FILE` for the pixel counts of a data set, .json")
	fs.StringVar(&o.shard, "shard", "", "segment only part `N/OF` of the scenes, to PATH.N-of-OF.json, for merge")
	fs.BoolVar(&o.restart, "restart", false, "discard what is at --save-path and start over")
	precisionFlag(fs, &o.precision)
	fs.BoolVar(&o.strict, "strict", false, "stop at an image that cannot be read")
	fs.BoolVar(&o.images.EXIF, "exif", true, "apply the EXIF orientation of images, as mmcv's loader does; label maps are never turned")
	maxPixelsFlag(fs, &o.images)
	fs.String("preprocess", "", "refused: `ORDER` of steps that segment does not take")
	fs.Lookup("preprocess").Hidden = true
}

func (o *segmentOptions) validate() error {
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
	needed := []string{"--model", o.model}
	if pairs {
		needed = append(needed, "--pcs-path", o.pcs)
	}
	if o.texts == "" {
		needed = append(needed, "--vocab", o.vocab)
	}
	if err := require(needed...); err != nil {
		return err
	}
	switch {
	case o.given("preprocess"):
		return errors.New("--preprocess: segment resizes images as --resize, --short-side and --long-side say, after they are converted to RGB")
	case (o.image == "") == (o.dataPath == ""):
		return errors.New("want one of --image and --data-path")
	case o.dataPath != "" && o.config == "":
		return errors.New("--data-path needs --config, which describes the layout of the data set")
	case o.classes == "" && o.config == "":
		return errors.New("--image needs --classes or --config")
	case len(o.methods) == 0:
		return errors.New("--method: want at least one")
	case o.texts != "" && o.templates != "":
		return errors.New("--text-embeddings-path and --templates: want one of them")
	case o.resize != "opencv" && o.resize != "pillow":
		return fmt.Errorf("--resize %q: want opencv or pillow", o.resize)
	case o.images.MaxPixels < 1:
		return fmt.Errorf("--max-pixels %d: want 1 or more", o.images.MaxPixels)
	}
	if _, err := o.part(); err != nil {
		return err
	}
	return errors.Join(o.validateNumbers(), checkPrecision(o.precision))
}

// part returns the shard given by --shard.
func (o *segmentOptions) part() (shard.Shard, error) {
	switch {
	case o.savePath != "" && o.dataPath == "":
		return shard.Shard{}, errors.New("--save-path needs --data-path: it counts labels against true ones")
	case o.restart && o.savePath == "":
		return shard.Shard{}, errors.New("--restart needs --save-path")
	}
	return parsePart(o.shard, o.savePath)
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
		{"--short-side", o.short}, {"--long-side", o.long}, {"--slide-crop", o.crop}, {"--slide-stride", o.stride},
	} {
		if side.pixels < 0 || side.pixels > maxSegmentSide {
			return fmt.Errorf("%s %d: want 0 to %d", side.flag, side.pixels, maxSegmentSide)
		}
	}
	for _, d := range o.pamrDilations {
		if d < 1 || d > maxDilation {
			return fmt.Errorf("--pamr-dilations %d: want 1 to %d", d, maxDilation)
		}
	}
	switch {
	case o.k < 1:
		return fmt.Errorf("--k %d: want 1 or more", o.k)
	case !(o.scale > 0 && o.scale < 1e6):
		return fmt.Errorf("--logit-scale %v: want more than 0, at most a million", o.scale)
	case !(o.probThd >= 0 && o.probThd < 1):
		return fmt.Errorf("--prob-thd %v: want 0 or more and less than 1", o.probThd)
	case !(o.areaThd >= 0 && o.areaThd < 1):
		return fmt.Errorf("--area-thd %v: want 0 or more and less than 1", o.areaThd)
	case o.pamrSteps < 0:
		return fmt.Errorf("--pamr-steps %d: want 0 or more", o.pamrSteps)
	case o.limit < 0:
		return fmt.Errorf("--limit %d: want 0 or more", o.limit)
	case o.limit > 0 && o.image != "":
		return errors.New("--limit needs --data-path")
	}
	return nil
}

func runSegment(ctx context.Context, opts segmentOptions, g *globalOptions) error {
	setup, err := opts.setup(g.printer)
	if err != nil {
		return err
	}
	templates, err := (&embedOptions{useTemplates: true, templates: opts.templates}).prompts(g.printer)
	if err != nil {
		return err
	}
	shard, _ := opts.part() // validated
	o := segment.Options{
		Artefacts: g.artefacts(), Model: opts.model, PCsPath: opts.pcs, Setup: setup, SimBlock: opts.sim, MainWords: !opts.synonyms,
		Vocab: opts.vocab, Templates: templates, TextsPath: opts.texts,
		Image: opts.image, DataPath: opts.dataPath, Limit: opts.limit,
		Pillow: opts.resize == "pillow", PAMR: heat.PAMR{Steps: opts.pamrSteps, Dilations: opts.pamrDilations},
		ShowDir: opts.showDir, SaveDir: opts.saveDir, SavePath: opts.savePath, Shard: shard, Restart: opts.restart,
		Precision: precisions[opts.precision], Images: opts.images, Strict: opts.strict, Threads: g.workers(),
	}
	for _, name := range opts.methods {
		method, err := heat.ParseMethod(name)
		if err != nil {
			panic("segment: options were not validated")
		}
		o.Methods = append(o.Methods, method)
	}
	result, err := segment.Run(ctx, o, g.printer)
	if err != nil {
		if result != nil && result.Images > 0 {
			g.printer.Note("%s", soFar(result))
		}
		return err
	}
	if result.Complete {
		g.printer.Note("%s is already complete", result.Path)
	}
	return printSegmentation(result, g)
}
