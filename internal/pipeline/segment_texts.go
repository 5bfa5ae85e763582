package pipeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/ui"
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
func (s *segmenter) texts(ctx context.Context, m *model, words []string) ([]float32, error) {
	O := m.Config.OutDim
	if path := s.o.TextsPath; path != "" {
		if _, err := requireModel(path, "embed --embeddings-save-path", kindEmbeddings, m.sha256); err != nil {
			return nil, err
		}
		rows, err := readEmbeddings(path, O)
		if err != nil {
			return nil, err
		}
		if got := len(rows) / O; got != len(words) {
			return nil, fmt.Errorf("%s: %d rows, want %d, one for each word of the classes in their order", path, got, len(words))
		}
		return s.centred(rows, words, O)
	}
	e, err := newTextEncoder(m.Checkpoint, s.o.Vocab, s.o.Threads)
	if err != nil {
		return nil, err
	}
	progress := s.say.Progress()
	progress.Start(int64(len(words)), ui.Texts, "embed")
	defer progress.Done()
	rows, err := e.embed(ctx, words, s.o.Templates, func(n int) { progress.Add(int64(n)) })
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
func (o *SegmentOptions) usesPairs() bool {
	return slices.ContainsFunc(o.Methods, heat.Method.UsesPairs)
}

// directions opens the directions of the model's pairs; nil if no method takes
// pairs.
func (o *SegmentOptions) directions(m *model) (*tensorFile, error) {
	if !o.usesPairs() {
		return nil, nil
	}
	t, err := openTensor(o.PCsPath, "svd --out-save-path", cache.Manifest{Kind: kindDirections, Origin: cache.Origin{Weights: m.sha256}})
	if err != nil {
		return nil, err
	}
	H, C, O := m.Config.Heads(), m.Config.Neurons(), m.Config.OutDim
	if !slices.Equal(t.shape, []int{H, C, O}) {
		t.close()
		return nil, t.wrongShape(fmt.Sprintf("[%d,%d,%d], a direction for every pair of the model", H, C, O))
	}
	return t, nil
}

// pairs chooses the pairs of each query; nil if no method uses them.
func (s *segmenter) pairs(m *model, t *tensorFile, text []float32) (*heat.Pairs, error) {
	if t == nil {
		return nil, nil
	}
	H, C, O := m.Config.Heads(), m.Config.Neurons(), m.Config.OutDim
	choice := heat.NewChoice(text, O, H*C)
	err := t.readRows(func(first int, rows []float32) error {
		if i := unsound(rows); i >= 0 {
			return fmt.Errorf("%s: direction of %s has a %g, want finite numbers", t.path, pairName(first+i/O, C), rows[i])
		}
		choice.Add(first, rows, s.team)
		return nil
	})
	if err != nil {
		return nil, err
	}
	k := s.o.Setup.Pairs
	if k > H*C {
		s.say.Note("--k %d: the model has %d pairs, so each text takes all of them", k, H*C)
		k = H * C
	}
	s.result.K = k
	return choice.Best(k, s.team), nil
}
