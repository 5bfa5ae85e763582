package segment

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
)

// queries lists the words of classes, or only their first ones, and the class of
// each.
func queries(classes []configs.Class, main bool) (words []string, class []int) {
	for i, c := range classes {
		if main {
			c = c[:1]
		}
		for _, word := range c {
			words, class = append(words, word), append(class, i)
		}
	}
	return words, class
}

// backgrounds are names of classes that stand for what is of no other class.
var backgrounds = []string{"background", "unlabelled", "unlabeled", "other", "others", "none", "nothing", "void", "unknown"}

// warnNoBackground warns where a threshold gives pixels to the first class, though that
// is no background.
func (o *Options) warnNoBackground(say ui.Reporter) {
	first := o.Setup.Classes[0][0]
	if slices.Contains(backgrounds, strings.ToLower(first)) && !o.Setup.Layout.ReduceZeroLabel {
		return
	}
	if o.Setup.ProbThd > 0 {
		say.Warn("{prob-thd} %g: pixels whose best class is less likely become %s, the first class: there is no class background",
			o.Setup.ProbThd, foreign.Quote(first))
	}
	if o.Setup.AreaThd > 0 {
		say.Warn("{area-thd} %g: shares are of the pixels that are not %s, the first class: there is no class background",
			o.Setup.AreaThd, foreign.Quote(first))
	}
}

// texts returns the words' embeddings, [P,O], centred.
func (s *segmenter) texts(ctx context.Context, m *model.Model, words []string) ([]float32, error) {
	from := model.TextOptions{Artefacts: s.o.Artefacts, Vocab: s.o.Vocab, Templates: s.o.Templates, Path: s.o.TextsPath, Threads: s.o.Threads}
	rows, err := from.Embeddings(ctx, m, words, "word of the classes", s.say)
	if err != nil {
		return nil, err
	}
	return s.centred(rows, words, m.Config.OutDim)
}

// pairTexts returns the embeddings by which the words' pairs are chosen, [P,O], centred
// by their own mean.
func (s *segmenter) pairTexts(m *model.Model, words int) ([]float32, error) {
	path := s.o.PairTextsPath
	e, err := s.o.Artefacts.UnitEmbeddings(path, m.TextFacts(), m.Config.OutDim)
	if err != nil {
		return nil, err
	}
	if e.Texts != words {
		return nil, fmt.Errorf("%s: %s, want %d, one for each word of the classes in their order", path, quantity.Of(e.Texts, "row"), words)
	}
	if err := heat.Centre(e.Rows, m.Config.OutDim); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return e.Rows, nil
}

func (s *segmenter) centred(rows []float32, words []string, outDim int) ([]float32, error) {
	if err := heat.Centre(rows, outDim); err != nil {
		return nil, fmt.Errorf("%s: %w; want two or more different ones", quantity.Of(len(words), "word"), err)
	}
	return rows, nil
}

// usesPairs reports whether any method does.
func (o *Options) usesPairs() bool {
	return slices.ContainsFunc(o.Methods, heat.Method.UsesPairs)
}

// components opens those of the model's pairs; nil if no method takes pairs.
func (o *Options) components(m *model.Model) (*artefact.Components, error) {
	if !o.usesPairs() {
		return nil, nil
	}
	pairs, err := m.Pairs(o.NeuronLayer)
	if err != nil {
		return nil, err
	}
	return o.Artefacts.ComponentsOfUnits(o.PCsPath, o.componentFacts(m), unit.Shape{pairs.Heads, pairs.Neurons}, m.Config.OutDim)
}

// componentFacts are what components must be of: the model's last block, or the one
// whose maps the neurons give.
func (o *Options) componentFacts(m *model.Model) artefact.Facts {
	want := m.PairsOrigin(o.NeuronLayer, source.PrecisionOf(o.Precision))
	if block := o.Setup.Block; want.Block != "" && block >= 0 && block < m.Config.Layers[3]-1 {
		if a, err := cache.Open(o.PCsPath); err == nil && a.Manifest.Origin.Block == strconv.Itoa(block) {
			want.Block = a.Manifest.Origin.Block
		}
	}
	return artefact.Of(want)
}

// pairs chooses the pairs of each query; nil if no method uses them.
func (s *segmenter) pairs(m *model.Model, pcs *artefact.Components, text []float32) (*heat.Pairs, error) {
	if pcs == nil {
		return nil, nil
	}
	count, O := pcs.Units.Count(), m.Config.OutDim
	choice := heat.NewChoice(text, O, count)
	err := pcs.ReadRows(func(first int, rows []float32) error {
		choice.Add(first, rows, s.team)
		return nil
	})
	if err != nil {
		return nil, err
	}
	k := s.o.Setup.Pairs
	if k > count {
		s.say.Note("{k} %d: the model has %s, so each text takes all of them", k, quantity.Of(count, pcs.Units.Kind()))
		k = count
	}
	s.result.K = k
	best := choice.Best(k, s.team)
	if pcs.Units.IsPairs() {
		return best, nil
	}
	pairs, err := m.Pairs(s.o.NeuronLayer)
	if err != nil {
		return nil, err
	}
	return best.OfNeurons(pairs.Heads, pairs.Neurons), nil
}
