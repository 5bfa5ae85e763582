package report

import (
	"context"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ui"
)

// eachRows hands over the scores of all images in groups, [n,H,C], with the number of the
// first image, and shows how far it is.
func eachRows(ctx context.Context, s *artefact.Scores, team par.Team, label string, say ui.Reporter, do func(first, n int, scores []float32) error) error {
	progress := say.Progress()
	progress.Start(int64(s.Images), ui.Images, label)
	defer progress.Done()
	return s.EachRows(ctx, team, func(first int, rows []float32) error {
		n := len(rows) / (s.OV.Heads * s.OV.Neurons)
		if err := do(first, n, rows); err != nil {
			return err
		}
		progress.Add(int64(n))
		return nil
	})
}
