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

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/explain"
	"github.com/clipnh/clipnh/internal/ui"
)

const explainHelp = `
Shows why a model gives an image its class. A class's logit, 100 times the
cosine of the image and the class's text, is exactly a sum over neuron-head
pairs and a constant of the weights. The output has the classes with logits and
probabilities; the pairs and neurons that add most to the logit, and those that
subtract most from it; and the sum, next to the logit that the model gives.

It explains the class with the largest logit, or --class. With --versus, it
explains by how much the logit of --class exceeds that of another class.

Images are files and folders, or a data set (--data-path). Classes are names, or
IN or PC for those of ImageNet or PASCAL Context (--classes); their embeddings
are computed (--vocab) or read (--imagenet-zeroshot-path).

With --scores, what collect wrote for a set of images, or --means-path, what svd
wrote, a pair's score is shown beside its mean, and its part is split into what
the mean would add (usual) and the rest (unusual), by which --unusual ranks
units. With --scores the score's rank among the collected images is shown too, 1
being the largest; statistics (collect --stats-only) know it for extreme scores
only. Images are then prepared as those of the scores or means were: an --exif
or --preprocess that differs is refused.

Listed units have words if codes that sparse wrote are given (--codes, at most
twice: one file of pairs, one of neurons), or components and embeddings of words
(--text-descs-embeddings-path, with --pcs-path for pairs and --neuron-pcs-path
for neurons), from which words are computed as by describe. A word with a
negative coefficient says what the unit is not.

--save-dir draws a sheet for each image: the image; a map of what each place
adds to the logit; such maps of the strongest heads, or of those that
--head-idxs names, and of the strongest pairs; what each listed pair adds,
beside what is usual; and how all parts sum to the logit. The class token's
share is returned to the places that it is the mean of. What the position
embedding adds belongs to no place, and is a separate number. The map of a head
and that number sum to what the head adds to the logit.

In a vision transformer, the pairs are those of the neurons of --neuron-layer
with the heads of later layers. They are a part of the feature: what no pair
adds is one number. The map is of all heads of all layers, by the places that
they read, and so are the maps of heads (l10h3, or l10 for all heads of a layer
together); what they read of the class token, and what the MLPs add, belongs to
no place. Both ways sum to the logit.

--json prints everything, also the maps, image by image; docs/explain.md has the
fields. Memory does not grow with the number of images.`

func newExplainCommand(g *globalOptions) *cobra.Command {
	var opts explainOptions
	cmd := &cobra.Command{
		Use:   "explain IMAGE... --model FILE --vocab FILE --classes NAMES",
		Short: "Show which pairs and places a class's logit comes from",
		Long:  explainHelp,
		Example: "clipnh explain photo.jpg --model RN50x16.pt \\\n" +
			"  --vocab bpe_simple_vocab_16e6.txt.gz --classes \"dog,cat,boat\" \\\n" +
			"  --save-dir explained\n" +
			"clipnh explain photos --model RN50x16.pt \\\n" +
			"  --vocab bpe_simple_vocab_16e6.txt.gz --classes \"dog,wolf\" \\\n" +
			"  --class wolf --versus dog --scores caches/photos --unusual\n" +
			"clipnh explain photo.jpg --model ViT-B-32.pt --neuron-layer 9 \\\n" +
			"  --vocab bpe_simple_vocab_16e6.txt.gz --classes \"dog,cat,boat\" \\\n" +
			"  --head-idxs l10h3,l11 --save-dir explained",
		Args:        cobra.ArbitraryArgs,
		Annotations: exitStatus(exitSkipped, exitMissing, exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.stage.Paths, opts.given, opts.set = args, cmd.Flags().Changed, setFlags(cmd.Flags())
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runExplain(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// explainOptions is everything the explain command can be told: the stage's options,
// which most flags set, and texts from which others are made.
type explainOptions struct {
	stage explain.Options
	given givenFlags
	set   givenFlags // has a value that someone gave it

	classes, templates textList
	precision          string
	useTemplates       bool
	top                int
	heads              string
}

func (o *explainOptions) addFlags(fs *pflag.FlagSet) {
	modelFlag(fs, &o.stage.Model)
	detailFlags(fs, &o.stage.Details)
	imageDetailFlags(fs, &o.stage.Details)
	neuronLayerFlag(fs, &o.stage.NeuronLayer, layerOfInputs)
	vocabFlag(fs, &o.stage.Vocab)
	classesFlag(fs, &o.classes)
	templatesFlag(fs, &o.templates, "class")
	fs.BoolVar(&o.useTemplates, "use-templates", true, "put classes into templates; =false encodes them as they are")
	fs.StringVar(&o.stage.TextsPath, "imagenet-zeroshot-path", "", "`FILE` of embeddings of the classes, instead of --vocab, .npy or .pt")
	fs.StringVar(&o.stage.Class, "class", "", "explain the class of this `NAME` (default each image's class of largest logit)")
	fs.StringVar(&o.stage.Versus, "versus", "", "explain by how much --class exceeds the class of this `NAME`")
	fs.StringVarP(&o.stage.Data.Path, "data-path", "d", "", "`PATH` of the images, a folder, an archive or a list, instead of arguments")
	fs.StringVar(&o.stage.Data.Kind, "dataset", dataset.Images, "layout of --data-path: `KIND` imagenet_val, imagenet_test, cars, cars_test or images")
	choices(fs, "dataset", dataset.Kinds()...)
	labelKeyFlag(fs, &o.stage.Data.LabelKey)
	fs.IntVar(&o.stage.Stride, "sample-stride", 1, "take every `K`-th image of --data-path in name order")
	fs.StringVarP(&o.stage.ScoresPath, "scores", "s", "", "`PATH` of scores that collect wrote, to compare with")
	fs.StringVar(&o.stage.MeansPath, "means-path", "", "`FILE` of means of pairs that svd wrote, to compare with, .npy, [H,C,O]")
	fs.BoolVar(&o.stage.Unusual, "unusual", false, "list units by what they add beyond the usual")
	fs.StringArrayVar(&o.stage.DecompositionPaths, "codes", nil, "`FILE` of codes that sparse wrote, .npz; may be given twice")
	takesWords(fs, &o.stage.WordsPath)
	fs.StringVar(&o.stage.EmbeddingsPath, "text-descs-embeddings-path", "", "`FILE` of embeddings of the words, .npy or .pt, to compute words of components")
	fs.StringVarP(&o.stage.PCsPath, "pcs-path", "p", "", "`FILE` of principal components of pairs, .npy, for words")
	fs.StringVar(&o.stage.NeuronPCsPath, "neuron-pcs-path", "", "`FILE` of principal components of neurons, .npy, for words")
	fs.IntVar(&o.stage.Components, "num-components", describeComponents, wordsUsage)
	fs.IntVar(&o.top, "top", 5, "show the `N` classes of largest logit; --json has all")
	fs.IntVar(&o.stage.Units, "list", 5, "list the `N` strongest pairs and neurons for the class, and as many against it")
	fs.IntVar(&o.stage.Maps, "maps", 6, "compute and draw the maps of the `N` strongest pairs that are listed, and of the N strongest heads")
	fs.StringVar(&o.heads, "head-idxs", "", "the maps of a `LIST` of heads instead, such as h3 or l10h3, or of layers, such as l10")
	fs.StringVarP(&o.stage.SaveDir, "save-dir", "o", "", "`DIR` for a sheet of each image, .png")
	fs.IntVar(&o.stage.BatchSize, "batch-size", 8, batchUsage)
	precisionFlag(fs, &o.precision)
	fs.BoolVar(&o.stage.Strict, "strict", false, "stop at an image that cannot be read")
	imageFlags(fs, &o.stage.Images)
}

func (o *explainOptions) validate() error {
	s := &o.stage
	needed := []string{"--model", s.Model, "--classes", o.classes.String()}
	if s.TextsPath == "" {
		needed = append(needed, "--vocab", s.Vocab)
	}
	if err := require(needed...); err != nil {
		return err
	}
	if err := cmp.Or(o.classes.check(), o.templates.check(), checkDetails(s.Details)); err != nil {
		return err
	}
	read, computed := len(s.DecompositionPaths) > 0, s.EmbeddingsPath != ""
	switch {
	case len(s.Paths) == 0 && s.Data.Path == "":
		return errors.New("no image given: want files or folders, or --data-path")
	case len(s.Paths) > 0 && s.Data.Path != "":
		return fmt.Errorf("images as arguments, %q, and --data-path: want one of them", s.Paths[0])
	case s.Versus != "" && s.Class == "":
		return errors.New("--versus needs --class, the class to compare it with")
	case s.Versus != "" && s.Versus == s.Class:
		return fmt.Errorf("--class and --versus are both %q: want two classes", s.Class)
	case s.ScoresPath != "" && s.MeansPath != "":
		return errors.New("--scores and --means-path: want one of them")
	case s.Unusual && s.ScoresPath == "" && s.MeansPath == "":
		return errors.New("--unusual needs --scores or --means-path, which say what is usual")
	case !o.useTemplates && o.templates.given():
		return errors.New("--templates and --use-templates=false: want one of them")
	case read && computed:
		return errors.New("--codes and --text-descs-embeddings-path: want one of them")
	case (read || computed) != (s.WordsPath != ""):
		return errors.New("--text-descs-list-path goes with --codes or --text-descs-embeddings-path: want two or none")
	case computed && s.PCsPath == "" && s.NeuronPCsPath == "":
		return errors.New("--text-descs-embeddings-path needs --pcs-path or --neuron-pcs-path")
	case !slices.Contains(dataset.Kinds(), s.Data.Kind):
		return fmt.Errorf("--dataset %q: want %s", s.Data.Kind, strings.Join(dataset.Kinds(), ", "))
	case s.BatchSize < 1 || s.BatchSize > maxBatch:
		return fmt.Errorf("--batch-size %d: want 1 to %d", s.BatchSize, maxBatch)
	}
	for _, n := range []struct {
		flag         string
		value, least int
	}{
		{"sample-stride", s.Stride, 1}, {"top", o.top, 1}, {"list", s.Units, 0}, {"maps", s.Maps, 0},
		{"num-components", s.Components, 1}, {"max-pixels", int(s.Images.MaxPixels), 1},
	} {
		if n.value < n.least {
			return fmt.Errorf("--%s %d: want %d or more", n.flag, n.value, n.least)
		}
	}
	if slices.Contains(s.Paths, "") {
		return errors.New("an image's path is empty")
	}
	if err := once("--head-idxs", splitUnits(o.heads)); err != nil {
		return err
	}
	err := o.given.refuseIn(
		rule{s.TextsPath != "", "with --imagenet-zeroshot-path", []string{"vocab", "templates", "use-templates"}},
		rule{s.Data.Path == "", "without --data-path", []string{"dataset", "label-key", "sample-stride"}},
		rule{!computed, "without --text-descs-embeddings-path", []string{"pcs-path", "neuron-pcs-path"}},
		rule{!read && !computed, "without --codes or --text-descs-embeddings-path", []string{"num-components"}})
	if err != nil {
		return err
	}
	return checkPrecision(o.precision)
}

// pipeline returns the options of the stage, with the files of classes, words and
// templates read.
func (o *explainOptions) pipeline(g *globalOptions) (explain.Options, error) {
	s := o.stage
	s.Heads = splitUnits(o.heads)
	s.Artefacts, s.Store, s.Threads, s.Precision, s.Asked = g.artefacts(), g.files, g.workers(), precisions[o.precision], o.given.images()
	var err error
	if s.Classes, err = parseNames(&o.classes, g); err != nil {
		return s, err
	}
	if s.WordsPath != "" {
		if s.Words, err = g.texts.lines("text-descs-list-path", s.WordsPath); err != nil {
			return s, err
		}
		s.Components = o.given.components(s.Components, s.Words)
	}
	if s.TextsPath == "" {
		prompts := embedOptions{templates: o.templates, useTemplates: o.useTemplates}
		s.Templates, err = prompts.prompts(g)
	}
	return s, err
}

func runExplain(ctx context.Context, opts explainOptions, g *globalOptions) error {
	o, err := opts.pipeline(g)
	if err != nil {
		return err
	}
	o.Store = g.files
	g.sayFewer(opts.set, listing{"top", opts.top, len(o.Classes), ui.Classes, ""})
	out := &explanationPrinter{p: g.printer, json: g.json, top: opts.top, words: opts.given.named(o.Components)}
	result, err := explain.Run(ctx, o, explain.Sink{Begin: out.begin, Explanation: out.explanation}, g.printer)
	if result != nil {
		err = errors.Join(err, out.end(result, err))
	}
	if s := out.setup; s != nil && result != nil {
		g.sayFewer(opts.set, listing{"list", o.Units, s.Heads * s.Neurons, ui.Pairs, ""}, listing{"maps", o.Maps, min(2*o.Units, s.Heads*s.Neurons), ui.Pairs, "that are listed"})
	}
	if err != nil {
		return err
	}
	if n := len(result.Skipped); n > 0 {
		return fmt.Errorf("%w %s", errSkipped, ui.Images.Count(int64(n)))
	}
	return nil
}
