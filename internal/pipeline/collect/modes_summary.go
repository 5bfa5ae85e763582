package collect

import (
	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/clip"
)

// summaryMode keeps sums of scores; a row is the mean over all images.
type summaryMode struct{ scoresMode }

func (s summaryMode) start(from towers, o clip.ImageOptions) (*started, error) {
	s.pairs.Want(&o)
	o.Lenses = s.lens
	return s.startAlone(from, o)
}

func (s summaryMode) row() row {
	r := s.scoresMode.row()
	r.kind, r.meanKind, r.file = artefact.KindSummary, "", artefact.MeansFile
	return r
}
