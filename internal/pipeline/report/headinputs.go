package report

import (
	"context"
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// ofHeads reports whether a collection is of heads. What cannot be opened is none, which is said
// when it is opened as what it should be.
func ofHeads(path string) bool {
	a, err := cache.Open(path)
	return err == nil && a.Manifest.Kind == artefact.KindHeads
}

// headInputs are what a report of heads is made of.
type headInputs struct {
	*base
	parts      *artefact.FirstOrder
	texts      [][]artefact.HeadText // of each head; nil: none
	embeddings [][]float32           // of these, unit vectors [K,O], of each head; nil: none
	places     bool                  // the model has places that heads read
}

// refusePairs returns an error where something is given that heads do not have.
func (o Options) refusePairs() error {
	for _, given := range []struct {
		option string
		is     bool
	}{
		{"{pcs-path}", o.PCsPath != ""}, {"{codes}", len(o.DecompositionPaths) > 0}, {"{neuron-pcs-path}", o.NeuronPCsPath != ""},
		{"{word-scores-path}", o.WordScoresPath != ""}, {"{imagenet-zeroshot-path}", o.ClassesPath != ""},
	} {
		if given.is {
			return usage.Errorf("%s has no effect on heads, which %s has: their texts are those of {spans-path}", given.option, o.ScoresPath)
		}
	}
	if o.EmbeddingsPath != "" && o.SpansPath == "" {
		return usage.Errorf("{text-descs-embeddings-path} has no effect on heads, which %s has, without {spans-path}: it has the embeddings of their texts", o.ScoresPath)
	}
	return nil
}

// refuseHeads returns an error where something is given that only heads have. Scores that are not
// there are none of either, which their reader says.
func (o Options) refuseHeads() error {
	if _, err := cache.Open(o.ScoresPath); errors.Is(err, cache.ErrMissing) {
		return nil
	}
	switch {
	case o.SpansPath != "":
		return usage.Errorf("{spans-path} %s: texts of heads, but %s has none: want what collect {mode} heads wrote", o.SpansPath, o.ScoresPath)
	case len(o.Parts) > 0:
		return usage.Errorf("{parts} are of the features of heads, but %s has none: want what collect {mode} heads wrote", o.ScoresPath)
	}
	return nil
}

// openHeads opens all that a report of heads is made of, and checks that it belongs together.
func (o Options) openHeads(ctx context.Context, say ui.Reporter) (*headInputs, error) {
	if err := o.refusePairs(); err != nil {
		return nil, err
	}
	f, err := o.Artefacts.FirstOrder(o.ScoresPath, o.Parts)
	if err != nil {
		return nil, err
	}
	in := &headInputs{base: newBase(o, f.Heads.Artefact, f.Images, say), parts: f}
	if err := in.openOthers(ctx); err != nil {
		return nil, errors.Join(err, in.close())
	}
	return in, nil
}

func (in *headInputs) close() error { return errors.Join(in.parts.Close(), in.base.close()) }

func (in *headInputs) openOthers(ctx context.Context) (err error) {
	f := in.parts
	if in.names, err = f.Names(); err != nil {
		return err
	}
	if in.names == nil {
		return fmt.Errorf("%s: heads in a file, which has no names of images beside it, want the folder that collect wrote", in.ScoresPath)
	}
	if err := in.read(artefact.KindHeads, in.ScoresPath, f.Heads.Artefact); err != nil {
		return err
	}
	for _, p := range []*artefact.Parts{f.MLPs, f.Class} {
		if p == nil {
			continue
		}
		if err := in.read(p.Kind, p.Path, p.Artefact); err != nil {
			return err
		}
	}
	if err := in.openTexts(); err != nil {
		return err
	}
	if err := in.openData(ctx); err != nil {
		return err
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

// openOther notes the collection to compare with.
func (in *headInputs) openOther() error {
	if in.With == "" {
		return nil
	}
	other, err := CompareOptions{Artefacts: in.Artefacts}.openHeads(in.With)
	if err != nil {
		return err
	}
	heads := other.parts.Heads
	return errors.Join(in.read(comparedWith, heads.Path, heads.Artefact), other.close())
}

// heads is how many there are, of all layers.
func (in *headInputs) heads() int { return in.parts.Layers * in.parts.LayerHeads }

func (in *headInputs) name(head int) string { return in.parts.HeadLayers().Head(head) }

// openTexts reads the texts of heads, and their embeddings where they are given.
func (in *headInputs) openTexts() error {
	if in.SpansPath == "" {
		return nil
	}
	f := in.parts
	var err error
	if in.texts, err = in.Artefacts.HeadTexts(in.SpansPath, artefact.Of(in.from), f.Layers, f.LayerHeads); err != nil {
		return err
	}
	a, err := in.Artefacts.Open(in.SpansPath, nil, artefact.KindTextSpans)
	if err != nil {
		return err
	}
	if err := in.read(artefact.KindTextSpans, in.SpansPath, a); err != nil || in.EmbeddingsPath == "" {
		return err
	}
	e, err := in.Artefacts.UnitEmbeddings(in.EmbeddingsPath, artefact.OfModel(in.from).Texts(in.Words), f.OutDim)
	if err != nil {
		return err
	}
	if e.Texts != len(in.Words) {
		return fmt.Errorf("%s: embeddings of %s, but %s has %d", in.EmbeddingsPath, quantity.Of(e.Texts, "text"), in.WordsPath, len(in.Words))
	}
	at := make(map[string]int, len(in.Words))
	for i, text := range in.Words {
		if _, is := at[text]; !is {
			at[text] = i
		}
	}
	in.embeddings = make([][]float32, len(in.texts))
	for h, texts := range in.texts {
		for _, t := range texts[:min(report.HeadTexts, len(texts))] {
			i, is := at[t.Text]
			if !is {
				err := fmt.Errorf("%s: %w: text %q of %s is not among those of %s", in.SpansPath, cache.ErrStale, t.Text, in.name(h), in.WordsPath)
				return hint.With(err, "give the list that textspan read, and its embeddings")
			}
			in.embeddings[h] = append(in.embeddings[h], e.Rows[i*f.OutDim:(i+1)*f.OutDim]...)
		}
	}
	if err := in.read("words", in.WordsPath, nil); err != nil {
		return err
	}
	return in.read(artefact.KindEmbeddings, in.EmbeddingsPath, e.Artefact)
}

// openModel opens the model that maps are computed with, which must be the one that the heads are
// of. Without places that its heads read there are none.
func (in *headInputs) openModel(ctx context.Context) error {
	if in.Model == "" {
		return nil
	}
	if in.data == nil {
		return usage.Errorf("{model} is for maps of images: want {data-path} too")
	}
	m, err := model.OpenFor(ctx, in.Model, in.Details, in.from)
	if err != nil {
		return err
	}
	in.model = m
	m.Tell(in.say)
	if err := m.WantOf(in.ScoresPath, in.from); err != nil {
		return err
	}
	in.note(m)
	if err := m.Require(clip.Residual); err != nil {
		in.say.Note("no maps: %v: places are the tokens that heads of its layers read", err)
		return nil
	}
	f := in.parts
	if layers, heads := m.Config.Layered(); layers != f.Layers || heads != f.LayerHeads || m.Config.OutDim != f.OutDim {
		return fmt.Errorf("%s: %s of %s and %s, want those of %s, %d, %d and %d", in.Model, quantity.Of(layers, "layer"), quantity.Of(heads, "head"),
			quantity.Of(m.Config.OutDim, "dimension"), in.ScoresPath, f.Layers, f.LayerHeads, f.OutDim)
	}
	in.places = true
	return nil
}
