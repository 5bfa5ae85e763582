package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline"
	"github.com/clipnh/clipnh/internal/segment"
)

const segmentHelp = `
Gives every pixel of a picture one of several classes, without training. Each word of
a class takes the --k neuron-head pairs whose direction (--pcs-path) is closest to its
embedding, less the mean of all words'. At each location of the last map, a pair counts
by the neuron's activation times the cosine between the word and what the head adds to
the image feature there. Windows slide over the picture; their logits are stretched to
pixels and averaged.

Classes, sizes and thresholds come from --config, which is one of those that clipnh
carries or a YAML file, or from flags, which count more. --classes takes names with
commas between, a|b for a class of several words, or a file of lines "name, word, ...".

Methods are pairs (as above), heads and neurons (the two factors alone, of the same
pairs), values (every token's value, as MaskCLIP) and self-self (queries attend to
queries, keys to keys). Several share one pass over the pictures.

Reads a checkpoint (--model), the merges file of its tokenizer (--vocab) or ready
embeddings (--text-embeddings-path), directions that svd wrote, and one picture
(--image) or a data set with label maps (--data-path, as the config lays it out).

Prints, of a picture, the share of each class; of a data set, the intersection over
union (IoU) of each class, its mean over the classes that occur (mIoU), and the
share of the pixels that are right. --show-dir draws the labels over the pictures,
beside the true ones; --save-dir keeps them as PNG files of class numbers, from 0.

Writes, of a data set, at --save-path: JSON of how many pixels of each true class each
method gave each label ("confusion"), and the measures that follow from it. A run that
was interrupted or killed then goes on when the same command is given again, unless it
draws or keeps labels. With --shard 3/16 only the third of sixteen parts of the scenes
is segmented, to FILE.3-of-16.json, so that many machines can share the work; clipnh
merge adds the parts up, to the bytes of a run that was not cut, and prints the table.`

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
	fs.StringVar(&o.pcs, "pcs-path", "", "`FILE` of directions of pairs that svd wrote, .npy, [H,C,O]")
	fs.StringVar(&o.image, "image", "", "`FILE` of one picture")
	fs.StringVar(&o.dataPath, "data-path", "", "`DIR` of a data set, the root of its config's paths")
	fs.StringVar(&o.config, "config", "", "`NAME` of a data set ("+strings.Join(configs.Segmentations(), ", ")+"), or a YAML file like theirs")
	fs.StringVar(&o.classes, "classes", "", "`NAMES` of the classes, instead of the config's, or a file of them")
	fs.BoolVar(&o.synonyms, "synonyms", true, "take all words of a class; =false takes its first only")
	fs.StringVar(&o.templates, "templates", "", "`FILE` of templates, one a line, {} for the word")
	fs.StringVar(&o.texts, "text-embeddings-path", "", "`FILE` of the words' embeddings instead of --vocab, .npy or .pt")
	fs.StringSliceVar(&o.methods, "method", []string{"pairs"}, "`METHOD,...` pairs, heads, neurons, values, self-self")
	choices(fs, "method", segment.Methods...)
	fs.IntVar(&o.k, "k", 20000, "take the `K` closest pairs of each word")
	fs.IntVar(&o.conv, "conv-map-idx", -1, "take neurons' maps from block `N` of the last stage; -1 is the last block")
	fs.IntVar(&o.sim, "sim-map-idx", -1, "run the attention pool on block `N` of the last stage")
	fs.IntVar(&o.short, "short-side", 0, "scale pictures so that their shorter side has `N` pixels; 0 is the model's image side")
	fs.IntVar(&o.long, "long-side", 2048, "but let the longer side have `N` pixels at most; 0 is no bound")
	fs.IntVar(&o.crop, "slide-crop", 0, "side of the windows, `N` pixels; 0 is the model's image side")
	fs.IntVar(&o.stride, "slide-stride", 0, "from window to window, `N` pixels; 0 is half a window")
	fs.StringVar(&o.resize, "resize", "opencv", "scale pictures as `LIBRARY` opencv or pillow does, bilinear; pillow's is antialiased")
	choices(fs, "resize", "opencv", "pillow")
	fs.BoolVar(&o.noSink, "no-sink", false, "leave the last location as it is; else its neighbours stand in for it")
	fs.Float64Var(&o.scale, "logit-scale", 40, "multiply logits by `X` before the softmax")
	fs.Float64Var(&o.probThd, "prob-thd", 0, "pixels whose best class is less likely than `P` become the first class")
	fs.Float64Var(&o.areaThd, "area-thd", 0, "drop classes with no more than the share `S` of the pixels that are not of the first class")
	fs.IntVar(&o.pamrSteps, "pamr-steps", 0, "refine logits along colours `N` times (PAMR)")
	fs.IntSliceVar(&o.pamrDilations, "pamr-dilations", []int{8, 16}, "with neighbours at `D,...` pixels")
	fs.IntVar(&o.limit, "limit", 0, "stop after `N` scenes of a data set; 0 takes all")
	fs.StringVar(&o.showDir, "show-dir", "", "`DIR` for drawings of the labels over the pictures")
	fs.StringVar(&o.saveDir, "save-dir", "", "`DIR` for label maps, PNG of class numbers from 0")
	fs.StringVar(&o.savePath, "save-path", "", "`FILE` for the counts of a data set's pixels, .json")
	fs.StringVar(&o.shard, "shard", "", "segment part `N/OF` of the scenes only, to PATH.N-of-OF.json, which merge puts together")
	fs.BoolVar(&o.restart, "restart", false, "do away with what lies at --save-path and start over")
	precisionFlag(fs, &o.precision)
	fs.BoolVar(&o.strict, "strict", false, "stop at a picture that cannot be read")
	pictureFlags(fs, &o.images)
}

func (o *segmentOptions) validate() error {
	pairs := false
	for i, name := range o.methods {
		method, err := segment.ParseMethod(name)
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
	case (o.image == "") == (o.dataPath == ""):
		return errors.New("want one of --image and --data-path")
	case o.dataPath != "" && o.config == "":
		return errors.New("--data-path: want --config, which says how the data set is laid out")
	case o.classes == "" && o.config == "":
		return errors.New("--image: want --classes or --config")
	case len(o.methods) == 0:
		return errors.New("--method: want at least one")
	case o.texts != "" && o.templates != "":
		return errors.New("--text-embeddings-path is instead of --templates")
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

// part is the shard asked for.
func (o *segmentOptions) part() (pipeline.Shard, error) {
	switch {
	case o.savePath != "" && o.dataPath == "":
		return pipeline.Shard{}, errors.New("--save-path is for --data-path: the counts compare labels with true ones")
	case o.restart && o.savePath == "":
		return pipeline.Shard{}, errors.New("--restart is for --save-path, which is missing")
	}
	return parsePart(o.shard, o.savePath)
}

// Bounds of what sizes and neighbours may be, in pixels.
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
		return errors.New("--limit is for --data-path")
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
	o := pipeline.SegmentOptions{
		Model: opts.model, PCsPath: opts.pcs, Setup: setup, SimBlock: opts.sim, MainWords: !opts.synonyms,
		Vocab: opts.vocab, Templates: templates, TextsPath: opts.texts,
		Image: opts.image, DataPath: opts.dataPath, Limit: opts.limit,
		Pillow: opts.resize == "pillow", PAMR: segment.PAMR{Steps: opts.pamrSteps, Dilations: opts.pamrDilations},
		ShowDir: opts.showDir, SaveDir: opts.saveDir, SavePath: opts.savePath, Shard: shard, Restart: opts.restart,
		Precision: precisions[opts.precision], Images: opts.images, Strict: opts.strict, Threads: g.workers(),
	}
	for _, name := range opts.methods {
		method, err := segment.ParseMethod(name)
		if err != nil {
			panic("segment: options were not validated")
		}
		o.Methods = append(o.Methods, method)
	}
	result, err := pipeline.Segment(ctx, o, g.printer)
	if err != nil {
		if result != nil && result.Images > 0 {
			g.printer.Note("%s", soFar(result))
		}
		return err
	}
	if result.Complete {
		g.printer.Note("%s is complete already", result.Path)
	}
	return printSegmentation(result, g)
}
