package segment

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
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

// texts returns the words' embeddings, [P,O], centred.
func (s *segmenter) texts(ctx context.Context, m *model.Model, words []string) ([]float32, error) {
	O := m.Config.OutDim
	if path := s.o.TextsPath; path != "" {
		e, err := s.o.Artefacts.UnitEmbeddings(path, artefact.OfModel(m.Hash).Texts(words), O)
		if err != nil {
			return nil, err
		}
		if e.Texts != len(words) {
			return nil, fmt.Errorf("%s: %d rows, want %d, one for each word of the classes in their order", path, e.Texts, len(words))
		}
		return s.centred(e.Rows, words, O)
	}
	e, err := model.NewEncoder(m.Checkpoint, s.o.Vocab, s.o.Threads)
	if err != nil {
		return nil, err
	}
	progress := s.say.Progress()
	progress.Start(int64(len(words)), ui.Texts, "embed")
	defer progress.Done()
	rows, err := e.Embed(ctx, words, s.o.Templates, func(n int) { progress.Add(int64(n)) })
	if err != nil {
		return nil, err
	}
	return s.centred(rows, words, O)
}

func (s *segmenter) centred(rows []float32, words []string, outDim int) ([]float32, error) {
	if err := heat.Centre(rows, outDim); err != nil {
		return nil, fmt.Errorf("%d words: %w; want two or more different ones", len(words), err)
	}
	return rows, nil
}

// usesPairs reports whether any method does.
func (o *Options) usesPairs() bool {
	return slices.ContainsFunc(o.Methods, heat.Method.UsesPairs)
}

// components opens those of the model's pairs, which must be of the last block or of
// the one whose maps the neurons give; nil if no method takes pairs.
func (o *Options) components(m *model.Model) (*artefact.Components, error) {
	if !o.usesPairs() {
		return nil, nil
	}
	want := origin.Origin{Weights: m.Hash, Block: origin.LastBlock, Precision: source.PrecisionOf(o.Precision)}
	if block := o.Setup.Block; block >= 0 && block < m.Config.Layers[3]-1 {
		if a, err := cache.Open(o.PCsPath); err == nil && a.Manifest.Origin.Block == strconv.Itoa(block) {
			want.Block = a.Manifest.Origin.Block
		}
	}
	return o.Artefacts.ComponentsOf(o.PCsPath, artefact.Of(want), unit.Shape{m.Config.Heads(), m.Config.Neurons()}, m.Config.OutDim)
}

// pairs chooses the pairs of each query; nil if no method uses them.
func (s *segmenter) pairs(m *model.Model, pcs *artefact.Components, text []float32) (*heat.Pairs, error) {
	if pcs == nil {
		return nil, nil
	}
	H, C, O := m.Config.Heads(), m.Config.Neurons(), m.Config.OutDim
	choice := heat.NewChoice(text, O, H*C)
	err := pcs.ReadRows(func(first int, rows []float32) error {
		choice.Add(first, rows, s.team)
		return nil
	})
	if err != nil {
		return nil, err
	}
	k := s.o.Setup.Pairs
	if k > H*C {
		s.say.Note("{k} %d: the model has %d pairs, so each text takes all of them", k, H*C)
		k = H * C
	}
	s.result.K = k
	return choice.Best(k, s.team), nil
}
