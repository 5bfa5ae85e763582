package collect

import (
	"context"
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/quantity"
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
	case o.Published:
		return usage.Errorf("{stats-only} is of scores alone, to which {form} published adds what pairs share: want {form} own")
	case o.DType == npy.Float16, o.Expand:
		return usage.Errorf("{dtype} float16 and {expand} are for scores, which {stats-only} does not keep")
	case o.TopK < 1:
		return usage.Errorf("{top-k} %d: want 1 or more", o.TopK)
	}
	return nil
}

// keptScores is how many scores of a pair are kept at either end, so that memory
// is bounded by the images there are.
func keptScores(topK, images int) int { return max(min(topK, images), 1) }

// summary sums up the scores of the images that are missing, appends their
// features, and adds the statistics to the folder. The features and the state
// on disk may be of different moments after a run that was killed: it goes on
// from the earlier one, and neither adds an image twice.
type summary struct {
	c     *collector
	w     *cache.ChunkWriter
	plan  cache.Plan
	cut   cache.Chunking // of the plan
	sum   extremeSums
	at    cache.State
	state *sumState
	saved int // images whose sums are on disk
	due   pace
	chunk int // that take is given next
	add   func(collected) error
}

// newSummary takes up what an earlier run left, if it left anything.
func (c *collector) newSummary(ctx context.Context, w *cache.ChunkWriter, plan cache.Plan) (*summary, error) {
	pairs, team := c.mode.(statisticsMode).pairs, par.NewTeam(c.options.Threads)
	s := &summary{c: c, w: w, plan: plan, cut: plan.Chunking(), at: c.state(plan.Kind, plan.Origin)}
	s.sum = extremeSums{lowrank.NewExtremes(pairs.Heads*pairs.Neurons, keptScores(c.options.TopK, len(c.items))), team}
	var err error
	if s.state, err = resumeSums(s.at, c.options.Restart, s.sum); err != nil {
		return nil, err
	}
	if s.add, err = c.appender(w); err != nil {
		return nil, err
	}
	// The rows' images were compared already.
	if of := w.InputSums(); len(of) < s.state.Done || addSums(0, of[:s.state.Done]) != s.state.Sum {
		if err := c.sumUnchanged(ctx, s.state); err != nil {
			return nil, err
		}
	}
	s.saved = s.state.Done
	return s, nil
}

func (s *summary) next() int {
	if s.state.Done == s.plan.Inputs {
		return s.w.Done()
	}
	return min(s.w.Done(), s.cut.Whole(s.state.Done))
}

func (s *summary) startAt(chunk int) { s.chunk = chunk }

func (s *summary) take(chunk collected) error {
	if s.chunk == s.w.Done() {
		if err := s.add(chunk); err != nil {
			return err
		}
	}
	if s.cut.First(s.chunk) >= s.state.Done {
		s.sum.add(chunk.values)
		s.state.add(chunk)
	}
	s.chunk++
	if s.state.Done > s.saved && s.due.now() {
		return s.save()
	}
	return nil
}

func (s *summary) save() error {
	s.saved = s.state.Done
	return s.due.save(func() error { return s.c.saveSums(s.at, s.state, s.sum) })
}

func (s *summary) end(err error) error {
	if s.state.Done > s.saved {
		err = errors.Join(err, s.save())
	}
	if err != nil {
		return err
	}
	if s.state.Images == 0 && s.c.options.Shard.Whole() {
		return fmt.Errorf("%s: none of %s could be read", s.c.listed.Data.Root, quantity.Of(s.at.Inputs, "image"))
	}
	pairs := s.c.mode.(statisticsMode).pairs
	s.w.Kernel = s.state.Kernel
	defer func() { s.w.Kernel = cache.Family() }()
	return artefact.AddStatistics(s.w, s.sum.Extremes, pairs.Heads, pairs.Neurons)
}
