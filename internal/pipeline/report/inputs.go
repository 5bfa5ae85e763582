package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
)

// inputs are what a report of pairs is made of.
type inputs struct {
	*base
	scores *artefact.Scores
	units  unit.Layered // [H,C]
	whole  bool         // the image features are known

	pcs        *artefact.Components // nil: none
	classes    *artefact.Embeddings // of classes, unit vectors; nil: none
	classNames []string
	words      *coding.Words
	texts      *artefact.Embeddings // of words, unit vectors; nil: none
	wordScores []float32            // [H,C,4]; nil: none
}

// open opens all that a report is made of, and checks that it belongs together.
func (o Options) open(ctx context.Context, say ui.Reporter) (*inputs, error) {
	s, err := o.Artefacts.WholeScores(o.ScoresPath, nil)
	whole := err == nil
	if errors.Is(err, artefact.ErrNoFeatures) {
		say.Warn("%v: no accuracies and no effects; the same collect adds it", err)
		s, err = o.Artefacts.Scores(o.ScoresPath, nil)
	}
	if err != nil {
		return nil, err
	}
	in := &inputs{
		base: newBase(o, s.Artefact, s.Images, say), scores: s, whole: whole,
		units: unit.Layered{Shape: unit.Shape{s.OV.Heads, s.OV.Neurons}, Layers: artefact.LayersOf(s.Artefact)},
	}
	if err := in.openOthers(ctx); err != nil {
		return nil, errors.Join(err, in.close())
	}
	return in, nil
}

func (in *inputs) close() error {
	err := errors.Join(in.scores.Close(), in.base.close())
	if in.pcs != nil {
		err = errors.Join(err, in.pcs.Close())
	}
	if in.words != nil {
		err = errors.Join(err, in.words.Close())
	}
	return err
}

func (in *inputs) openOthers(ctx context.Context) error {
	s, ov := in.scores, in.scores.OV
	if s.Images == 0 {
		return fmt.Errorf("%s: scores of no image", in.ScoresPath)
	}
	var err error
	if in.names, err = s.Names(); err != nil {
		return err
	}
	if err := in.read(artefact.KindScores, in.ScoresPath, s.Artefact); err != nil {
		return err
	}
	if a := s.FeaturesArtefact(); a != nil {
		if err := in.read(artefact.KindImageFeatures, a.Path(), a); err != nil {
			return err
		}
	}
	facts := artefact.Of(in.from)
	if in.PCsPath != "" {
		if in.pcs, err = in.Artefacts.ComponentsOf(in.PCsPath, facts, in.units.Shape, ov.OutDim); err != nil {
			return err
		}
		if err := in.read(artefact.KindComponents, in.PCsPath, in.pcs.Artefact); err != nil {
			return err
		}
	}
	if err := in.openClasses(); err != nil {
		return err
	}
	if err := in.openWords(); err != nil {
		return err
	}
	if err := in.readWordFiles(); err != nil {
		return err
	}
	if err := in.openWordScores(); err != nil {
		return err
	}
	if err := in.openData(ctx); err != nil {
		return err
	}
	if in.labels != nil && in.classes != nil {
		if err := source.CheckClasses(ctx, in.Artefacts, in.classes, in.Data, in.say); err != nil {
			return err
		}
	}
	if err := in.openGroups(); err != nil {
		return err
	}
	if err := in.openOther(); err != nil {
		return err
	}
	if err := in.openModel(ctx); err != nil {
		return err
	}
	in.nameCommands()
	return nil
}

// comparedWith is the kind of the collection that a report is compared with, as an input.
const comparedWith = "compared with"

// openOther notes the collection to compare with.
func (in *inputs) openOther() error {
	if in.With == "" {
		return nil
	}
	other, err := CompareOptions{Artefacts: in.Artefacts}.open(in.With)
	if err != nil {
		return err
	}
	return errors.Join(in.read(comparedWith, in.With, other.from), other.close())
}

func (in *inputs) openClasses() error {
	if in.ClassesPath == "" {
		return nil
	}
	var err error
	if in.classes, err = in.Artefacts.UnitEmbeddings(in.ClassesPath, artefact.OfModel(in.from), in.scores.OV.OutDim); err != nil {
		return err
	}
	if !in.whole {
		return fmt.Errorf("{imagenet-zeroshot-path} %s: %w", in.ClassesPath, artefact.WantWhole(in.scores.Artefact))
	}
	in.classNames = artefact.OriginOf(in.classes.Artefact).TextList
	if len(in.classNames) != in.classes.Texts {
		in.classNames = make([]string, in.classes.Texts)
		for i := range in.classNames {
			in.classNames[i] = strconv.Itoa(i)
		}
	}
	return in.read(artefact.KindEmbeddings, in.ClassesPath, in.classes.Artefact)
}

// openWords opens the words of units, and their embeddings where those are given.
func (in *inputs) openWords() error {
	in.Components = report.Words
	words := in.WordsOptions
	if len(words.DecompositionPaths) > 0 { // codes are read, and embeddings are for texts only
		words.EmbeddingsPath, words.NeuronPCsPath = "", ""
	}
	var err error
	if in.words, err = coding.OpenWords(in.Artefacts, words, in.units.Shape, in.from, in.PCsPath, in.Threads); err != nil || in.EmbeddingsPath == "" {
		return err
	}
	facts := artefact.OfModel(in.from).Texts(in.Words)
	if in.texts, err = in.Artefacts.UnitEmbeddings(in.EmbeddingsPath, facts, in.scores.OV.OutDim); err != nil {
		return err
	}
	if in.texts.Texts != len(in.Words) {
		return fmt.Errorf("%s: embeddings of %s, but %s has %d", in.EmbeddingsPath, quantity.Of(in.texts.Texts, "word"), in.WordsPath, len(in.Words))
	}
	return nil
}

// readWordFiles notes the files that words come from.
func (in *inputs) readWordFiles() error {
	for _, pairs := range []bool{true, false} {
		if c := in.words.Codes(pairs); c != nil {
			if err := in.read(artefact.KindCodes, c.Path, c.Artefact); err != nil {
				return err
			}
		}
	}
	for _, path := range []string{in.WordsPath, in.EmbeddingsPath, in.NeuronPCsPath} {
		if path == "" {
			continue
		}
		a, err := in.Artefacts.Open(path, nil, artefact.KindEmbeddings, artefact.KindComponents)
		if err != nil {
			return err
		}
		kind := "words"
		if a != nil {
			kind = a.Manifest.Kind
		}
		if err := in.read(kind, path, a); err != nil {
			return err
		}
	}
	return nil
}

// wordMeasures are the measures of a pair's words: correlation and AUC of all of them,
// and of the first alone.
const wordMeasures = 4

func (in *inputs) openWordScores() error {
	if in.WordScoresPath == "" {
		return nil
	}
	facts := in.words.Measured(artefact.Of(in.from).Texts(in.Words))
	t, err := in.Artefacts.Tensor(in.WordScoresPath, facts, artefact.KindWordScores)
	if err != nil {
		return err
	}
	defer t.Close()
	if err := t.WantShape(append(slices.Clone([]int(in.units.Shape)), wordMeasures), ", measures of the words of pairs"); err != nil {
		return err
	}
	if a, scores := t.Artefact, in.scores.Artefact; a != nil && scores != nil && in.Artefacts.Warn != nil {
		if of := a.Manifest.Origin.Parents["contributions"]; of != "" && of != scores.Hash() {
			in.Artefacts.Warn("%s: measured on other scores than %s: how well words predict is of those", in.WordScoresPath, in.ScoresPath)
		}
	}
	in.wordScores = make([]float32, in.pairs()*wordMeasures)
	if err := t.Read(in.wordScores, 0); err != nil {
		return err
	}
	return in.read(artefact.KindWordScores, in.WordScoresPath, t.Artefact)
}

func (in *inputs) pairs() int { return in.scores.OV.Heads * in.scores.OV.Neurons }
