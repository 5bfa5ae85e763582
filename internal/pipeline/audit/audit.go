// Package audit says whether a zero-shot classifier relies on what images of a class
// have in common beside it, such as a background: it measures accuracy per group of
// images, finds the pairs whose share of the margin goes with the groups, and measures
// what is left of the difference when they are mean-ablated.
//
// Pairs are chosen on one half of the images, and what their removal changes is
// measured on the other.
package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/permutation"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// Options says what to audit, and how.
type Options struct {
	// Source is what collect wrote, or a model and a data set. With scores, its model
	// only embeds texts, and its data set is where sheets have the images from.
	source.Options
	Threads int
	Store   *cache.Store

	LabelsPath string // table with columns image, label and group; empty: images lie in LABEL/GROUP/

	Texts
	coding.WordsOptions        // of pairs
	PCsPath             string // components of pairs, .npy [H,C,O], for words; may be empty
	SpansPath           string // texts of heads that textspan wrote; may be empty

	Level        float64 // pairs are found whose corrected probability is at most this
	Permutations int
	Seed         uint64 // of the halves and the permutations
	TopImages    int    // named and drawn of each pair
	Sheets       int    // pairs that are drawn, the first ones
	Dir          string // for the page

	// CommandLines spells the command lines that make the checkpoint without some units.
	CommandLines func(Removed) []string
}

// Removed are units that a checkpoint is to be made without.
type Removed struct {
	List    string        // file of their names, one per line: of pairs, or of neurons where weights are those of neurons
	Neurons bool          // they are neurons, and the means of their activations take their place
	Heads   [][]string    // instead, heads: those that are edited together, one list after the other
	Layered bool          // these are those of layers, and the means of what they add take their place
	ByZero  bool          // nothing takes their place, as means do not tell what edit wants to know
	Of      origin.Origin // of what was read
}

// Texts are the classes and concepts, and where their embeddings come from.
type Texts struct {
	Classes      []string
	ClassesPath  string // embeddings of the classes, [M,O]; or else
	Vocab        string // of texts that the model embeds
	Templates    []textlist.Template
	Concepts     []string // may be empty
	ConceptsPath string   // embeddings of the concepts; may be empty
}

// maxPairs bounds the pairs that are followed up, each of which takes a pass over a
// column of scores.
const maxPairs = 1000

// Run audits, and writes the page only when all is known. Images that cannot be read
// are named and left out. A result that comes with an error is whole, and lacks only files.
func Run(ctx context.Context, o Options, say ui.Reporter) (*Result, error) {
	if 1/float64(1+o.Permutations) > o.Level {
		return nil, usage.Errorf("{permutations} %d: no probability is below 1/%d then, want more for {level} %g", o.Permutations, 1+o.Permutations, o.Level)
	}
	if err := o.canWrite(); err != nil {
		return nil, err
	}
	var labels *dataset.Labels
	if o.LabelsPath != "" {
		var err error
		if labels, err = dataset.ReadTable(dataset.TableOptions{Path: o.LabelsPath, Image: "image", Label: "label", Group: "group"}); err != nil {
			return nil, err
		}
	}
	from := o.Options
	from.LayerFrom = append([]string{o.PCsPath, o.NeuronPCsPath}, o.DecompositionPaths...)
	if o.ScoresPath != "" {
		if from.FirstOrder = areHeads(o.ScoresPath, o.Parts); artefact.IsDense(o.ScoresPath) {
			return nil, fmt.Errorf("%s: contributions that are written out, want a folder of scores", o.ScoresPath)
		}
		if from.FirstOrder && (o.PCsPath != "" || len(o.DecompositionPaths) > 0) {
			return nil, usage.Errorf("%s: heads, which have no components: {pcs-path} and {codes} are of pairs", o.ScoresPath)
		}
		from.Model, from.Data = "", dataset.Options{}
	}
	src, err := source.Open(ctx, from, o.Threads, say)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	if src.FirstOrder == nil && o.SpansPath != "" {
		return nil, usage.Errorf("{spans-path} %s: texts of heads, but %s has pairs", o.SpansPath, cmp.Or(o.ScoresPath, o.Model))
	}
	if f := src.FirstOrder; f != nil && !f.Whole() {
		return nil, hint.With(fmt.Errorf("%s: heads alone, which do not sum to the features", f.Heads.Path), "give the MLPs of the same images as {parts}")
	}
	a := &auditor{Options: o, src: src, say: say, team: par.NewTeam(o.Threads), from: labels}
	defer a.close()
	a.collected = src.Collection()
	return a.run(ctx)
}

// An auditor is a Run under way.
type auditor struct {
	Options
	src  *source.Source
	say  ui.Reporter
	team par.Team
	from *dataset.Labels // nil: names tell

	classes, concepts []float32      // unit vectors, [M,O]
	tokens            *decomp.Tokens // of the model of heads of layers that are written out; nil of others, and without a model
	words             *coding.Words
	spans             [][]artefact.HeadText // of heads, in their order; nil: none are given
	data              *dataset.Dataset      // images of sheets; nil: none
	recorded          *source.Recorded      // of these images
	undrawn           error                 // why there is no sheet; all else is written

	collected *cache.Artefact // what was collected; nil of a model
	subject   subject
	images    []*audited // that are audited, in the order of their names
	cells     []cell

	contrasts []*contrasts
	family    *permutation.Family // of all pairs and contrasts
	result    Result
}

func (a *auditor) run(ctx context.Context) (*Result, error) {
	var err error
	if err = a.embed(ctx); err != nil {
		return nil, err
	}
	if a.subject, err = a.newSubject(); err != nil {
		return nil, err
	}
	if a.words, err = coding.OpenWords(a.Artefacts, a.WordsOptions, []int{a.src.Heads, a.src.Neurons}, a.src.Origin, a.PCsPath, a.Threads); err != nil {
		return nil, err
	}
	if f := a.src.FirstOrder; a.SpansPath != "" {
		if a.spans, err = a.Artefacts.HeadTexts(a.SpansPath, artefact.Of(a.src.Origin), f.Layers, f.LayerHeads); err != nil {
			return nil, err
		}
	}
	if a.collected != nil { // before any image is looked at, what can be wrong with the labels
		names, err := artefact.ImageNames(a.collected)
		if err != nil {
			return nil, err
		}
		if err := a.join(names); err != nil {
			return nil, err
		}
	} else if err := a.joinListed(); err != nil {
		return nil, err
	}
	if a.collected != nil && a.Data.Path != "" {
		if a.data, err = source.OpenAs(ctx, a.Data, a.collected); err != nil {
			return nil, err
		}
		if err := source.NameOtherImages(ctx, a.data, a.Data.Path, a.collected, a.ScoresPath, a.Strict, a.say); err != nil {
			return nil, err
		}
		if err := source.PrepareAsCollected(&a.Options.Images, a.collected); err != nil {
			return nil, err
		}
		if a.recorded, err = source.RecordedImages(a.collected, a.ScoresPath, a.data, a.Strict); err != nil {
			return nil, err
		}
	}
	if err := a.pass(ctx); err != nil {
		return nil, err
	}
	a.describe()
	found, err := a.find(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.follow(ctx, found); err != nil {
		return nil, err
	}
	if err := a.remove(ctx); err != nil {
		return nil, err
	}
	a.commands()
	if err := a.write(ctx); err != nil {
		a.result.Files = []string{}
		return &a.result, err
	}
	return &a.result, nil
}

func (a *auditor) close() {
	if a.subject != nil {
		a.subject.close()
	}
	if a.words != nil {
		a.words.Close()
	}
}

// newSubject returns what the source takes features apart into.
func (a *auditor) newSubject() (subject, error) {
	src := a.src
	if src.FirstOrder != nil {
		return newHeads(src, a.classes, a.team), nil
	}
	if src.Artefact == nil {
		s, err := newSpool(src.Heads * src.Neurons)
		if err != nil {
			return nil, err
		}
		return newPairs(src, a.classes, s, a.team), nil
	}
	scores, err := artefact.ScoresOf(src.Artefact)
	if err != nil {
		return nil, err
	}
	return newPairs(src, a.classes, collected{scores}, a.team), nil
}

// describe fills in what was audited.
func (a *auditor) describe() {
	r := &a.result
	r.Model, r.Weights, r.Scores, r.Labels = a.src.Origin.Model, a.src.Origin.Weights, a.ScoresPath, a.LabelsPath
	r.Classes, r.Heads, r.Neurons, r.Units = a.Options.Classes, a.src.Heads, a.src.Neurons, a.subject.noun()+"s"
	r.Images, r.MeanImages, r.Level, r.Permutations, r.Seed, r.Dir = len(a.images), a.result.MeanImages, a.Level, a.Permutations, a.Seed, filepath.Clean(a.Dir)
	for _, i := range a.images {
		r.Half[i.half]++
	}
	r.Before = a.accuracies(func(*audited) bool { return true }, func(i *audited) sight { return i.sight })
}

var errNoContrast = errors.New("no label has images of two groups, so there is nothing to compare")

// familyOf is the family of all contrasts.
func familyOf(all []*contrasts) *permutation.Family {
	designs := make([]*permutation.Design, len(all))
	for i, c := range all {
		designs[i] = c.design
	}
	return permutation.NewFamily(designs)
}
