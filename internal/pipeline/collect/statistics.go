package collect

import (
	"context"
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/usage"
)

// extremeSums are lowrank.Extremes as sums under way.
type extremeSums struct {
	*lowrank.Extremes
	team par.Team
}

func (e extremeSums) add(values []float32) { e.Add(values, e.team) }
func (e extremeSums) resumed(images int)   { e.Images = images }

func (e extremeSums) arrays() []any {
	return []any{e.Sum.High, e.Sum.Low, e.Largest.Scores, e.Largest.Images, e.Smallest.Scores, e.Smallest.Images}
}

// CheckStats returns an error when o asks for statistics in a way that there
// is not.
func (o Options) CheckStats() error {
	switch {
	case !o.StatsOnly && o.NoFeatures:
		return usage.Errorf("{no-features} is for statistics: want {stats-only} with it")
	case !o.StatsOnly:
		return nil
	case o.Expand && o.NoFeatures:
		return usage.Errorf("{expand} is for scores, which {no-features} does not keep")
	case o.Mode != ModePairs && o.Mode != ModeLens:
		return usage.Errorf("{stats-only} is for pairs, {mode} %s or %s, not for %s", ModePairs, ModeLens, o.Mode)
	case o.Mean:
		return usage.Errorf("{stats-only} has the means too: want it or {mean}")
	case artefact.IsDense(o.SavePath):
		return usage.Errorf("%s: {stats-only} writes a folder, want a path without .dat or .npy", o.SavePath)
	case o.Half, o.Expand:
		return usage.Errorf("{dtype} float16 and {expand} are for scores, which {stats-only} does not keep")
	case o.TopK < 1:
		return usage.Errorf("{top-k} %d: want 1 or more", o.TopK)
	}
	return nil
}

// keptScores is how many scores of a pair are kept at either end, so that memory
// is bounded by the images there are.
func keptScores(topK, images int) int { return max(min(topK, images), 1) }

// stateChunks is how many chunks are summed up between two states on disk: a
// state takes 118 MiB for RN50x16, and as much time as a few images.
const stateChunks = 8

// summarise sums up the scores of the images that are missing, appends their
// features, and adds the statistics to the folder. The features and the state
// on disk may be of different moments after a run that was killed: it goes on
// from the earlier one, and neither adds an image twice.
func (c *collector) summarise(ctx context.Context, w *cache.ChunkWriter, plan cache.Plan) error {
	pairs, team := c.mode.(statisticsMode).pairs, par.NewTeam(c.options.Threads)
	sum := extremeSums{lowrank.NewExtremes(pairs.Heads*pairs.Neurons, keptScores(c.options.TopK, len(c.items))), team}
	at := c.state(plan.Kind, plan.Origin)
	state, err := resumeSums(at, c.options.Restart, sum)
	if err != nil {
		return err
	}
	add, err := c.appender(w, plan)
	if err != nil {
		return err
	}
	next := min(w.Done(), state.Done/plan.ChunkInputs) // the next chunk
	if state.Done == plan.Inputs {
		next = w.Done()
	}
	// The rows' images were compared already.
	if of := w.InputSums(); len(of) < state.Done || addSums(0, of[:state.Done]) != state.Sum {
		if err := c.sumUnchanged(ctx, state); err != nil {
			return err
		}
	}
	saved := state.Done
	err = c.run(ctx, c.from(next*plan.ChunkInputs), plan.ChunkInputs, func(chunk collected) error {
		if next == w.Done() {
			if err := add(chunk); err != nil {
				return err
			}
		}
		if next*plan.ChunkInputs >= state.Done {
			sum.add(chunk.values)
			state.add(chunk)
		}
		next++
		if state.Done >= saved+stateChunks*plan.ChunkInputs {
			saved = state.Done
			return saveSums(at, state, sum)
		}
		return nil
	})
	if state.Done > saved {
		err = errors.Join(err, saveSums(at, state, sum))
	}
	if err != nil {
		return err
	}
	if state.Images == 0 && c.options.Shard.Whole() {
		return fmt.Errorf("%s: none of %d images could be read", c.data.Root, at.Inputs)
	}
	w.Kernel = state.Kernel
	defer func() { w.Kernel = cache.Family() }()
	return artefact.AddStatistics(w, sum.Extremes, pairs.Heads, pairs.Neurons)
}
