package source

import (
	"context"
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ui"
)

// factored are contributions as scores and weight products.
type factored struct {
	ov     *decomp.OV
	images int
	scores []float32 // [B,H,C]

	// Where pairs are a part of the features: these, and what is left of them
	// without the pairs, [B,O]; else nil.
	whole, rest []float32

	values, masked []float32 // scratch, [B,C] and of MaskedLen
}

// of makes f those of a batch, and returns it.
func (f *factored) of(scores []float32, images int) *factored {
	f.scores, f.images = scores, images
	if n := images * f.ov.Inner(); len(f.values) < n {
		f.values = make([]float32, n)
	}
	return f
}

func (f *factored) Features(dst []float32, team par.Team) {
	if f.whole != nil {
		copy(dst, f.whole)
		return
	}
	f.ov.Features(dst, f.values, f.scores, f.images, team)
}

func (f *factored) Ablated(dst []float32, a *decomp.Ablation, team par.Team) {
	if n := f.ov.MaskedLen(f.images, team); len(f.masked) < n {
		f.masked = make([]float32, n)
	}
	if f.rest != nil && a.Kept() == a.Units() { // nothing changes nothing
		copy(dst, f.whole)
		return
	}
	f.ov.AblatedFeatures(dst, f.values, f.masked, f.scores, f.images, a, team)
	f.AddRest(dst)
}

func (f *factored) AddRest(dst []float32) {
	for i, x := range f.rest {
		dst[i] += x
	}
}

// readWhole reads the features of a batch, from image first on.
func (f *factored) readWhole(s *artefact.Scores, first int) error {
	features := make([]float32, f.images*f.ov.OutDim)
	if err := s.Features(features, f.values, f.scores, first, f.images, par.NewTeam(1)); err != nil {
		return err
	}
	f.within(features)
	return nil
}

// within makes f those of a batch whose pairs are a part of its features [B,O], and returns
// it.
func (f *factored) within(features []float32) *factored {
	n := f.images * f.ov.OutDim
	if len(f.whole) != n {
		f.whole, f.rest = make([]float32, n), make([]float32, n)
	}
	copy(f.whole, features)
	f.ov.Features(f.rest, f.values, f.scores, f.images, par.NewTeam(1))
	for i, x := range f.whole {
		f.rest[i] = x - f.rest[i]
	}
	return f
}

// featuresAlone are contributions of which the features are known and no pair is.
type featuresAlone struct{ features []float32 }

func (f featuresAlone) Features(dst []float32, _ par.Team) { copy(dst, f.features) }
func (f featuresAlone) AddRest([]float32)                  {}
func (f featuresAlone) Ablated([]float32, *decomp.Ablation, par.Team) {
	panic("source: pairs of a source of features only")
}

// scoresReader reads a folder of scores.
type scoresReader struct {
	*artefact.Scores
	names  []string
	labels []int // nil: no labels
}

// OpenScores opens a folder of scores that was collected.
func OpenScores(ctx context.Context, o Options, say ui.Reporter) (*Source, error) {
	a, err := o.Artefacts.Collection(o.ScoresPath, nil, artefact.KindScores)
	if err != nil {
		return nil, err
	}
	return openScoresOf(ctx, a, o, say)
}

// openScoresOf is OpenScores of a folder that was opened.
func openScoresOf(ctx context.Context, a *cache.Artefact, o Options, say ui.Reporter) (*Source, error) {
	s, err := o.Artefacts.WholeScoresOf(a)
	if err != nil {
		return nil, err
	}
	r := &scoresReader{Scores: s}
	if r.names, r.labels, err = namesAndLabels(ctx, s.Names, a, o, say); err != nil {
		s.Close()
		return nil, err
	}
	return r.source(), nil
}

// OpenScoresOf is OpenScores of a folder that was opened, without labels.
func OpenScoresOf(a *cache.Artefact, from artefact.Reader) (*Source, error) {
	s, err := from.WholeScoresOf(a)
	if err != nil {
		return nil, err
	}
	r := &scoresReader{Scores: s}
	if r.names, err = s.Names(); err != nil {
		s.Close()
		return nil, err
	}
	return r.source(), nil
}

func (r *scoresReader) source() *Source {
	s := r.Scores
	return &Source{
		Artefact: s.Artefact, Images: s.Images, Heads: s.OV.Heads, Neurons: s.OV.Neurons, OutDim: s.OV.OutDim,
		Labelled: r.labels != nil, Origin: artefact.DerivedFrom(s.Artefact), OV: s.OV, Names: r.names, reader: r,
	}
}

// batchImages is how many images' scores are in memory at a time: 76 MB for
// RN50x16.
const batchImages = 128

func (r *scoresReader) each(ctx context.Context, src *Source, do func(Batch) error) error {
	row := src.Heads * src.Neurons
	scores, rows := kernel.Alloc(min(batchImages, r.Images)*row), &factored{ov: r.OV}
	for lo := 0; lo < r.Images; lo += batchImages {
		if err := ctx.Err(); err != nil {
			return err
		}
		hi := min(lo+batchImages, r.Images)
		b := Batch{Names: r.names[lo:hi], Scores: scores[:(hi-lo)*row]}
		if r.labels != nil {
			b.Labels = r.labels[lo:hi]
		}
		if err := r.Read(b.Scores, lo); err != nil {
			return err
		}
		b.Contributions = rows.of(b.Scores, hi-lo)
		if !r.Whole() {
			if err := rows.readWhole(r.Scores, lo); err != nil {
				return err
			}
		}
		if err := do(b); err != nil {
			return err
		}
	}
	return nil
}

var errNotCollected = errors.New("single scores are read from a folder of scores only")

// columnRows is how many images' scores of a pair are read before the context is looked at.
const columnRows = 4096

// Column fills dst [B] with the collected scores of pair h*C+n.
func (s *Source) Column(ctx context.Context, dst []float32, pair int) error {
	r, ok := s.reader.(*scoresReader)
	if !ok {
		return errNotCollected
	}
	for lo := 0; lo < r.Images; lo += columnRows {
		if err := ctx.Err(); err != nil {
			return err
		}
		hi := min(lo+columnRows, r.Images)
		if err := r.ReadPart(dst[lo:hi], lo, pair/s.Neurons, pair%s.Neurons, 1); err != nil {
			return err
		}
	}
	return nil
}

// Collected reports whether the scores of single pairs and heads can be read.
func (s *Source) Collected() bool {
	_, ok := s.reader.(*scoresReader)
	return ok
}

// Scores are those of a folder of them, which Close closes.
func (s *Source) Scores() (*artefact.Scores, error) {
	r, ok := s.reader.(*scoresReader)
	if !ok {
		return nil, errNotCollected
	}
	return r.Scores, nil
}

// Head fills dst [B,C] with the collected scores of one head's pairs.
func (s *Source) Head(dst []float32, head int) error {
	r, ok := s.reader.(*scoresReader)
	if !ok {
		return errNotCollected
	}
	return r.ReadPairs(dst, head, 0, s.Neurons)
}

// Row fills dst [H,C] with the collected scores of one image.
func (s *Source) Row(dst []float32, image int) error {
	r, ok := s.reader.(*scoresReader)
	if !ok {
		return errNotCollected
	}
	return r.Read(dst, image)
}

// Feature writes the feature of the image of a row to dst [O]. It panics unless the source is
// a collection of scores or features.
func (s *Source) Feature(dst []float32, row int, team par.Team) error {
	if r, ok := s.reader.(*featuresReader); ok {
		return r.Read(dst, row)
	}
	scores := make([]float32, s.Heads*s.Neurons)
	if err := s.reader.(*scoresReader).Read(scores, row); err != nil {
		return err
	}
	rows := &factored{ov: s.OV}
	rows.of(scores, 1)
	return s.reader.(*scoresReader).Features(dst, rows.values, scores, row, 1, team)
}

func (r *scoresReader) close() error { return r.Close() }

// NotFound is the error for an image of scores that a data set does not have.
func NotFound(o dataset.Options, name, scoresPath string) error {
	err := fmt.Errorf("%s: image %s of %s is missing from the data set, read as %s", o.Shown(), foreign.Name(name), scoresPath, o.Kind)
	return hint.With(err, "give the {dataset} and {data-path} that the scores were collected from")
}

// dataLabels returns the labels of images by name; nil if the data set has
// none.
func dataLabels(ctx context.Context, o Options, names []string, of *cache.Artefact, say ui.Reporter) ([]int, error) {
	data, err := dataset.Open(ctx, o.Data)
	if err != nil {
		return nil, err
	}
	if len(data.Classes) == 0 {
		return nil, nil
	}
	data = data.NamedAs(names)
	byName := make(map[string]int, len(data.Items))
	for _, item := range data.Items {
		byName[item.Name] = item.Label
	}
	labels := make([]int, len(names))
	for i, name := range names {
		label, ok := byName[name]
		if !ok {
			return nil, NotFound(o.Data, name, of.Path())
		}
		labels[i] = label
	}
	NameEmpty(data, o.Data.Shown(), say)
	return labels, nameOtherSizes(ctx, data, names, o.Data.Path, of, o.Strict, say)
}
