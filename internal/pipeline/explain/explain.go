// Package explain says which pairs, neurons and places a class's logit comes from,
// image by image; see package attribution for the maths.
package explain

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// Options says what to explain, and how.
type Options struct {
	Artefacts artefact.Reader
	Model     string
	Details   model.Details // of the model
	// NeuronLayer is the layer of a vision transformer whose neurons' pairs are looked at, nil
	// for a ResNet.
	NeuronLayer *int
	Precision   kernel.Precision
	Threads     int
	BatchSize   int // images at a time in the tower; results do not depend on it, but for Rounding, which is of the first ones

	Inputs
	Texts
	Collected
	coding.WordsOptions        // of pairs and neurons
	PCsPath             string // of pairs, .npy [H,C,O], for words; may be empty

	Units   int      // listed for the class, and as many against it, of pairs and of neurons
	Maps    int      // listed pairs whose maps are computed, the strongest, and as many heads
	Heads   []string // instead: the heads, such as h3 or l10h3, or l10 for all of a layer together
	SaveDir string   // for a sheet per image; may be empty
	Store   *cache.Store

	model  *model.Model      // that images are prepared for
	sheets map[string]string // where those of images go, by name
}

// Inputs are the images.
type Inputs struct {
	Paths  []string        // files, and folders of images
	Data   dataset.Options // instead, a data set
	Stride int             // every Stride-th image
	Images imageprep.Options
	Asked  source.Asked // of Images; what is not follows the collection
	Strict bool         // stop at an image that cannot be read
}

// Texts are the classes, and where their embeddings come from.
type Texts struct {
	Classes   []string
	Class     string              // to explain; empty: each image's winner
	Versus    string              // the class that it is held against; may be empty
	Vocab     string              // of texts that are to be embedded
	Templates []textlist.Template // that they are put into
	TextsPath string              // instead: embeddings of the classes, [M,O]
}

// Collected says what scores are usual: those of a collection, or its means. Both may
// be empty.
type Collected struct {
	ScoresPath string // a folder of scores or of statistics
	MeansPath  string // mean contributions of pairs, .npy, [H,C,O]
	Unusual    bool   // list units by how far they are from the usual

	// What the caller has of the scores at ScoresPath already; nil: they are read.
	Means  []float64                                              // mean scores, [H,C]
	Column func(ctx context.Context, pair int) ([]float32, error) // a pair's scores, by image
}

// A Sink takes what is found as it is found, so that memory does not grow with the
// images.
type Sink struct {
	Begin       func(*Setup) error // before the first image
	Explanation func(*Explanation) error
}

// Run explains images in their order. What an explanation says is exact: its parts sum
// to the logit, up to rounding. An image that cannot be read is named and left out.
// The result is not nil once Begin was called, also with an error.
func Run(ctx context.Context, o Options, sink Sink, say ui.Reporter) (*Result, error) {
	if err := source.WantOutside("{save-dir}", o.SaveDir, o.Data, o.Paths...); err != nil {
		return nil, err
	}
	data, err := source.ListImages(ctx, o.Paths, o.Data, o.Stride, o.Strict, say)
	if err != nil {
		return nil, err
	}
	if len(o.Classes) < 2 { // each image would have the probability 1
		return nil, usage.Errorf("{classes}: one class, %s, want at least two", foreign.QuoteAll(o.Classes))
	}
	class, versus, err := o.classes()
	if err != nil {
		return nil, err
	}
	m, err := model.OpenWith(ctx, o.Model, o.Details)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	m.Tell(say)
	session, err := open(ctx, &o, m)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	heads, err := o.findHeads(m.Config)
	if err != nil {
		return nil, usage.Errorf("{head-idxs}: %w", err)
	}
	if o.SaveDir != "" {
		paths := o.sheetPaths(data.Items)
		o.sheets = map[string]string{}
		for i, item := range data.Items {
			o.sheets[item.Name] = paths[i]
		}
		if err := figure.CanWriteImages(paths, sheetMaker); err != nil {
			return nil, err
		}
	}
	from := model.TextOptions{Artefacts: o.Artefacts, Vocab: o.Vocab, Templates: o.Templates, Path: o.TextsPath, Threads: o.Threads}
	texts, err := from.Embeddings(ctx, m, o.Classes, "class", say)
	if err != nil {
		return nil, err
	}
	if err := session.pack(len(data.Items)); err != nil {
		return nil, err
	}
	e, made, ov := session.explainer(&o, texts, class, versus), session.made, session.ov
	e.say, e.heads = say, heads
	setup := &Setup{
		Model: made.Model, Weights: made.Weights, Precision: made.Precision, LogitScale: attribution.Scale,
		Classes: o.Classes, Class: o.Class, Versus: o.Versus, Collection: e.usual.said(),
		Heads: ov.Heads, Neurons: ov.Neurons,
	}
	if err := sink.Begin(setup); err != nil {
		return nil, err
	}
	result := &Result{Skipped: source.Unlisted(data.Skipped)}
	how := o.towerOptions(len(data.Items))
	session.pairs.Want(&how)
	first := source.MeasureRounding(m.Checkpoint, e.tower, how, func(r *source.Rounding) { result.Rounding = r })
	if err := e.run(ctx, data.Items, first, result, sink); err != nil {
		return result, err
	}
	if result.Images == 0 {
		return result, errors.New("none of the images could be read")
	}
	result.Complete = true
	return result, nil
}

// winner stands for the class of largest logit, nobody for no class.
const (
	winner = -1
	nobody = -1
)

// classes returns the indices of the class to explain and of that which it is held
// against.
func (o *Options) classes() (class, versus int, err error) {
	find := func(option, name string) (int, error) {
		if name == "" {
			return winner, nil
		}
		if i := slices.Index(o.Classes, name); i >= 0 {
			return i, nil
		}
		err := usage.Errorf("{%s} %q: not among the %d {classes}", option, name, len(o.Classes))
		if meant := hint.Meant(name, o.Classes); len(meant) > 0 {
			return 0, hint.With(err, fmt.Sprintf("did you mean %q?", meant[0]))
		}
		return 0, err
	}
	if class, err = find("class", o.Class); err != nil {
		return 0, 0, err
	}
	if versus, err = find("versus", o.Versus); err != nil {
		return 0, 0, err
	}
	if versus != nobody && versus == class {
		return 0, 0, usage.Errorf("{class} and {versus} are both %q: want two classes", o.Class)
	}
	return class, versus, nil
}

// sheetPaths are where the sheets of images go, below SaveDir wherever the images lie.
func (o *Options) sheetPaths(items []dataset.Item) []string {
	names := make([]string, len(items))
	for i, item := range items {
		name := item.Name
		for strings.HasPrefix(name, "../") {
			name = name[len("../"):]
		}
		names[i] = strings.TrimLeft(strings.ReplaceAll(name, ":", "_"), "/")
	}
	paths := figure.FilesOf(names)
	for i, file := range paths {
		paths[i] = filepath.Join(o.SaveDir, file)
	}
	return paths
}
