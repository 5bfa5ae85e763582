package report

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/report"
)

// side is one of two collections.
type side struct {
	title   string
	from    *cache.Artefact
	ov      *decomp.OV
	scores  *artefact.Scores  // one of these
	summary *artefact.Summary // or this, which has no names and sums
	names   []string
	sums    []artefact.ImageSum

	norm, mean, sd []float64 // of pairs
	length         []float64 // |v| of pairs
	threshold      float64   // norms of those that are alive
}

func (o CompareOptions) open(path string) (*side, error) {
	s := &side{title: filepath.ToSlash(filepath.Clean(path))}
	path, err := o.collectionOf(path, artefact.KindScores)
	if err != nil {
		return nil, err
	}
	if s.from, err = o.Artefacts.Collection(path, nil, artefact.KindScores, artefact.KindSummary); err != nil {
		return nil, err
	}
	if s.from.Manifest.Kind == artefact.KindSummary {
		if s.summary, err = artefact.SummaryOf(s.from); err != nil {
			return nil, err
		}
		s.ov = s.summary.OV
		return s, nil
	}
	if s.scores, err = artefact.ScoresOf(s.from); err != nil {
		return nil, err
	}
	s.ov = s.scores.OV
	if s.scores.Images == 0 {
		return nil, errors.Join(fmt.Errorf("%s: scores of no image", path), s.scores.Close())
	}
	if s.names, err = s.scores.Names(); err != nil {
		return nil, errors.Join(err, s.scores.Close())
	}
	s.sums = artefact.ImageSums(s.scores.Artefact, s.scores.Images)
	return s, nil
}

// collectionOf is the collection of a kind that a report was made from, and path itself of what is
// not a report.
func (o CompareOptions) collectionOf(path, kind string) (string, error) {
	mark, err := readMark(path)
	if err != nil {
		return path, nil
	}
	from, ok := mark.Input(path, kind)
	switch heads := reportOfHeads(mark, path); {
	case mark.State != report.Complete:
		return "", hint.With(fmt.Errorf("%s: %w: the report is unfinished", path, cache.ErrMissing), `run the same "clipnh report" command again, which resumes`)
	case heads && !ok:
		return "", &artefact.Error{Kind: artefact.KindHeads, Want: kind, Path: path, Err: artefact.WrongKind(path, "a report of heads", "a report of pairs, scores or a summary")}
	case !heads && !ok && kind == artefact.KindHeads:
		return "", &artefact.Error{Kind: artefact.KindScores, Want: kind, Path: path, Err: artefact.WrongKind(path, "a report of pairs", "a report of heads, or contributions of heads")}
	case !ok:
		return "", fmt.Errorf("%s: the report does not name its scores", path)
	}
	return from.Path, nil
}

func (s *side) close() error {
	if s.scores == nil {
		return nil
	}
	return s.scores.Close()
}

func (s *side) pairNames() report.PairNames {
	l := artefact.LayersOf(s.from)
	return report.PairNames{Neurons: s.ov.Neurons, FirstLayer: l.First, LayerHeads: l.Heads}
}

// reportOfHeads reports whether a report is of heads.
func reportOfHeads(m *report.Mark, path string) bool {
	_, is := m.Input(path, artefact.KindHeads)
	return is
}
