package artefact

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
)

// ErrNoFeatures is returned for scores of a vision transformer without image features, as
// builds that kept none wrote them. It is cache.ErrMissing.
var ErrNoFeatures = fmt.Errorf("%w: the image features, of which the pairs of a vision transformer are a part", cache.ErrMissing)

// features are the image features within a folder of scores.
type features struct {
	artefact *cache.Artefact
	file     *npy.File // [B,O]
}

// WholeScores opens a folder of scores whose images' features are wanted too: the sum of
// the pairs' contributions, or, where pairs are a part of the features, those that were
// collected with the scores.
func (r Reader) WholeScores(path string, facts Facts) (*Scores, error) {
	a, err := r.Collection(path, facts, KindScores)
	if err != nil {
		return nil, err
	}
	return r.WholeScoresOf(a)
}

// WholeScoresOf is WholeScores of an open artefact of KindScores.
func (r Reader) WholeScoresOf(a *cache.Artefact) (*Scores, error) {
	s, err := ScoresOf(a)
	if err != nil || IsWhole(a) {
		return s, err
	}
	if s.features, err = r.featuresOf(s); err != nil {
		s.file.Close()
		return nil, err
	}
	return s, nil
}

// featuresOf opens the image features within a folder of scores.
func (r Reader) featuresOf(s *Scores) (*features, error) {
	of := s.Manifest.Origin
	layerless := *of.Transformer // features are of no layer's neurons
	layerless.NeuronLayer = -1
	of.Transformer = &layerless
	facts := Of(of)
	if of.Images != nil {
		facts = facts.Images(of.Images.SHA256)
	}
	path := filepath.Join(s.Path(), FeaturesFolder)
	a, err := r.Collection(path, facts, KindImageFeatures)
	if errors.Is(err, cache.ErrMissing) {
		return nil, hint.With(fmt.Errorf("%s: %w", path, ErrNoFeatures), "run the same collect again, which adds them")
	}
	if err != nil {
		return nil, err
	}
	payload, err := a.Payload("")
	if err != nil {
		return nil, err
	}
	f, err := npy.Open(payload)
	if err != nil {
		return nil, err
	}
	if want := []int{s.Images, s.OV.OutDim}; !slices.Equal(f.Header.Shape, want) {
		err = fmt.Errorf("%s: shape %s, want %s as the scores have it", payload, npy.ShapeString(f.Header.Shape), npy.ShapeString(want))
	} else if err = sameImages(s.Artefact, a, s.Images); err == nil {
		err = a.Unreplaced()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &features{a, f}, nil
}

// sameImages returns an error unless scores and the features within their folder have rows
// of the same images, by their names and, as far as they are known, the checksums of their files.
func sameImages(a, b *cache.Artefact, images int) error {
	x, err := ImageNames(a)
	if err != nil {
		return err
	}
	y, err := ImageNames(b)
	if err != nil {
		return err
	}
	if !slices.Equal(x, y) {
		return fmt.Errorf("%s: %w: its images are not those of %s", b.Path(), cache.ErrStale, a.Path())
	}
	was, is := ImageSums(a, images), ImageSums(b, images)
	for i := range is {
		if is[i].Differs(was[i]) {
			return hint.With(
				fmt.Errorf("%s: %w: image %s had other bytes than when %s was made", b.Path(), cache.ErrStale, x[i], a.Path()),
				"the image changed between two runs: restore it, remove "+b.Path()+" and run the same collect again, which adds the features",
			)
		}
	}
	return nil
}

// Whole reports whether the contributions of the pairs sum to the image features.
func (s *Scores) Whole() bool { return IsWhole(s.Artefact) }

// BesidePairs returns what a logit has beside the parts of its pairs, and the sum of both.
// pairs are the parts, and constant what the weights add where pairs sum to the features,
// both without factor; what other pairs leave of the feature is the image's own.
func (s *Scores) BesidePairs(logit, pairs, constant, factor float64) (beside, sum float64) {
	if s.Whole() {
		return factor * constant, factor * (pairs + constant)
	}
	return logit - factor*pairs, logit
}

// FeaturesArtefact returns that of the image features within the folder; nil where the pairs
// sum to them, and of scores that are not from WholeScores.
func (s *Scores) FeaturesArtefact() *cache.Artefact {
	if s.features == nil {
		return nil
	}
	return s.features.artefact
}

// Features writes those of the n images from first on to dst [n,O]. scores [n,H,C] are
// theirs, and values [n,H·D] is scratch. It panics unless s is from WholeScores.
func (s *Scores) Features(dst, values, scores []float32, first, n int, team par.Team) error {
	if s.Whole() {
		s.OV.Features(dst, values, scores, n, team)
		return nil
	}
	dst = dst[:n*s.OV.OutDim]
	if err := s.features.file.ReadFloat32(dst, int64(first)*int64(s.OV.OutDim)); err != nil {
		return err
	}
	if i := FirstNonFinite(dst); i >= 0 {
		return fmt.Errorf("%s: feature of image %d is %g, want finite features", filepath.Join(s.Path(), FeaturesFolder), first+i/s.OV.OutDim, dst[i])
	}
	return nil
}

// Rest writes what is left of the features of the n images from first on without the
// contributions of the pairs to dst [n,O], with arguments as for Features; zero where the
// pairs sum to the features.
func (s *Scores) Rest(dst, values, scores []float32, first, n int, team par.Team) error {
	dst = dst[:n*s.OV.OutDim]
	if s.Whole() {
		clear(dst)
		return nil
	}
	if err := s.Features(dst, values, scores, first, n, team); err != nil {
		return err
	}
	pairs := make([]float32, len(dst))
	s.OV.Features(pairs, values, scores, n, team)
	for i, x := range pairs {
		dst[i] -= x
	}
	return nil
}
