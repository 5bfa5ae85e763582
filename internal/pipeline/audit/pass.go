package audit

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// embed finds the vectors of the classes and concepts, which a file has, or a model
// that must be that of the scores computes.
func (a *auditor) embed(ctx context.Context) error {
	if given := a.Options.Classes; len(given) < 2 {
		return usage.Errorf("{classes}: one class, %s, want at least two", foreign.QuoteAll(given))
	}
	if a.collected != nil { // pairs of another block are none that edit could remove
		if err := a.Artefacts.Check(a.collected, artefact.Of(origin.Origin{Block: origin.LastBlock})); err != nil {
			return err
		}
	}
	of := func(path string, texts []string, kind string) ([]float32, error) {
		e, err := a.Artefacts.UnitEmbeddings(path, artefact.OfModel(a.src.Origin).Texts(texts), a.src.OutDim)
		if err == nil && e.Texts != len(texts) {
			err = fmt.Errorf("%s: %s, want %d, one for each %s in their order", path, quantity.Of(e.Texts, "row"), len(texts), kind)
		}
		if err != nil {
			return nil, err
		}
		return e.Rows, nil
	}
	var err error
	if a.ClassesPath != "" {
		if a.classes, err = of(a.ClassesPath, a.Options.Classes, "class"); err != nil {
			return err
		}
	}
	if a.ConceptsPath != "" {
		if a.concepts, err = of(a.ConceptsPath, a.Options.Concepts, "concept"); err != nil {
			return err
		}
	}
	if a.Model == "" || a.ScoresPath == "" && a.classes != nil && (len(a.Options.Concepts) == 0 || a.concepts != nil) {
		return nil
	}
	m, err := model.OpenFor(ctx, a.Model, a.Details, a.src.Origin)
	if err != nil {
		return err
	}
	defer m.Close()
	if a.collected != nil {
		m.Tell(a.say) // else the source of the images has
		if err := m.WantFor(a.Artefacts, a.ScoresPath, a.src.Origin, a.src.OutDim); err != nil {
			return err
		}
		if m.Config.OutDim != a.src.OutDim {
			return fmt.Errorf("%s: texts of %s, want the %d of %s", a.Model, quantity.Of(m.Config.OutDim, "dimension"), a.src.OutDim, a.ScoresPath)
		}
	}
	if f := a.src.FirstOrder; f != nil && !f.HeadLayers().Separable() {
		if _, ok := f.Heads.Factors(); !ok {
			if a.tokens, err = m.Tokens(); err != nil {
				return err
			}
		}
	}
	texts := model.TextOptions{Artefacts: a.Artefacts, Vocab: a.Vocab, Templates: a.Templates, Threads: a.Threads}
	if a.classes == nil {
		if a.classes, err = texts.Embeddings(ctx, m, a.Options.Classes, "class", a.say); err != nil {
			return err
		}
	}
	if a.concepts == nil && len(a.Options.Concepts) > 0 {
		a.concepts, err = texts.Embeddings(ctx, m, a.Options.Concepts, "concept", a.say)
	}
	return err
}

// pass looks at all images once: for the features of those that are audited, and for
// the means of pairs or heads over all.
func (a *auditor) pass(ctx context.Context) error {
	src := a.src
	byName := make(map[string]*audited, len(a.images))
	for _, i := range a.images {
		byName[i.name] = i
		i.row = -1
	}
	features, seen := []float32(nil), 0
	progress := a.say.Progress()
	progress.Start(int64(src.Images), ui.Images, "audit")
	defer progress.Done()
	err := src.Each(ctx, func(b source.Batch) error {
		n, O := len(b.Names), src.OutDim
		if len(features) < n*O {
			features = make([]float32, n*O)
		}
		b.Features(features[:n*O], a.team)
		if err := a.subject.add(b); err != nil {
			return err
		}
		for j, name := range b.Names {
			if i := byName[name]; i != nil {
				i.row = seen + j
				if err := a.look(i, features[j*O:(j+1)*O]); err != nil {
					return err
				}
			}
		}
		seen += n
		progress.Add(int64(n))
		return nil
	})
	if err != nil {
		return err
	}
	if seen == 0 {
		return errors.New("none of the images could be read")
	}
	a.subject.end(seen)
	a.result.MeanImages, a.result.Rounding = seen, src.Rounding
	a.result.Skipped = append(append(a.result.Skipped, src.Skipped...), src.Unlisted...)
	return a.withoutSkipped()
}

// withoutSkipped leaves out images that could not be read.
func (a *auditor) withoutSkipped() error {
	var read []*audited
	for _, i := range a.images {
		if i.row >= 0 {
			read = append(read, i)
		}
	}
	if len(read) == len(a.images) {
		return nil
	}
	a.images, a.cells = read, nil
	if len(read) == 0 {
		return errors.New("none of the labelled images could be read")
	}
	return a.group()
}

// look takes down what the model makes of an image.
func (a *auditor) look(i *audited, feature []float32) error {
	factor, ok := attribution.Factor(feature)
	if !ok {
		return fmt.Errorf("%s: the image's feature has no direction (zero or not finite)", i.name)
	}
	i.length = attribution.Scale / factor
	i.feature = make([]float64, len(feature))
	for o, x := range feature {
		i.feature[o] = float64(x)
	}
	i.sight = a.see(i.feature, i.label)
	i.conceptShare = a.cosines(i.feature, a.concepts)
	return nil
}

// cosines are those of a feature with texts [M,O].
func (a *auditor) cosines(feature []float64, texts []float32) []float64 {
	O := len(feature)
	all, square := make([]float64, len(texts)/O), 0.0
	for _, x := range feature {
		square += x * x
	}
	for m := range all {
		for o, x := range texts[m*O : (m+1)*O] {
			all[m] += feature[o] * float64(x)
		}
		all[m] /= math.Sqrt(square)
	}
	return all
}

// see says what is made of the feature of an image with a label; of equally strong classes
// the first counts.
func (a *auditor) see(feature []float64, label int) sight {
	logits := a.cosines(feature, a.classes)
	s := sight{rival: -1}
	for c, l := range logits {
		if l > logits[s.predicted] {
			s.predicted = c
		}
		if c != label && (s.rival < 0 || l > logits[s.rival]) {
			s.rival = c
		}
	}
	s.margin = attribution.Scale * (logits[label] - logits[s.rival])
	return s
}
