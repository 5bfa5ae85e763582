package collect

import (
	"context"

	"github.com/clipnh/clipnh/internal/artefact"
)

// summaryAgain computes a summary again, where something is damaged that every image has
// added something to.
func (r *repair) summaryAgain(ctx context.Context) error {
	if len(r.Chunks) == 0 && !r.statistics() {
		return nil
	}
	return r.computed(r.FileKernel(artefact.SketchFile), artefact.SketchFile, func() error {
		sum, state := newSummarySums(r.mode.values(), keptScores(r.options.TopK, len(r.items)), r.options.Threads), &sumState{}
		err := r.collector.run(ctx, r.from(0), r.inSteps(), func(chunk collected) error {
			state.add(chunk)
			return r.addToSummary(sum, chunk)
		})
		if err != nil {
			return err
		}
		if len(r.Chunks) > 0 {
			means := artefact.Means(sum.sketch)
			if err := r.RestoreChunk(0, func(put func([]float32) error) error { return put(means) }); err != nil {
				return err
			}
		}
		return r.addSums(r, sum, state.Skipped)
	})
}
