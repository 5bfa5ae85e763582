package report

import (
	"cmp"
	"context"

	"github.com/clipnh/clipnh/internal/ui"
)

// rowImages is how many images' scores are in memory at a time: 76 MB for RN50x16.
const rowImages = 128

// eachRows hands over the scores of all images in blocks, [n,H,C], with the number of
// the first image.
func (in *inputs) eachRows(ctx context.Context, label string, say ui.Reporter, do func(first, n int, scores []float32) error) error {
	B, pairs, team := in.scores.Images, in.pairs(), in.team()
	progress := say.Progress()
	progress.Start(int64(B), ui.Images, label)
	defer progress.Done()
	scores := make([]float32, min(rowImages, B)*pairs)
	for lo := 0; lo < B; lo += rowImages {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(rowImages, B-lo)
		failed := make([]error, team.Size())
		team.For(n, func(first, last, w int) { failed[w] = in.scores.Read(scores[first*pairs:last*pairs], lo+first) })
		if err := cmp.Or(failed...); err != nil {
			return err
		}
		if err := do(lo, n, scores[:n*pairs]); err != nil {
			return err
		}
		progress.Add(int64(n))
	}
	return nil
}
