package collect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/sketch"
)

// This file collects summaries: statistics of scores without a row, or a name, for each
// image. Memory and disk do not grow with the number of images.

// summarySums are a summary under way.
type summarySums struct {
	*lowrank.Extremes
	sketch *sketch.Set
	team   par.Team
}

func newSummarySums(units, keep, threads int) summarySums {
	return summarySums{lowrank.NewExtremes(units, keep), sketch.New(units), par.NewTeam(threads)}
}

func (s summarySums) add(values []float32) {
	s.Add(values, s.team)
	s.sketch.Add(values, s.team)
}

func (s summarySums) resumed(images int) { s.Images, s.sketch.Images = images, images }

func (s summarySums) arrays() []any {
	return []any{s.Largest.Scores, s.Largest.Images, s.Smallest.Scores, s.Smallest.Images, s.sketch.Powers, s.sketch.Counts}
}

// addToSummary adds the values of a chunk, which must be such as sketches take.
func (c *collector) addToSummary(s summarySums, chunk collected) error {
	if i := sketch.OutOfRange(chunk.values); i >= 0 {
		err := fmt.Errorf("%s: %s is %g, want less than %d in size", c.listed.Data.Root, c.mode.label(i%c.mode.values()), chunk.values[i], sketch.Limit)
		return hint.With(err, "collect without {no-features}")
	}
	s.add(chunk.values)
	return nil
}

// summary collects sums, extremes and a sketch.
func (c *collector) summary(ctx context.Context) (*Result, error) {
	o, row := c.options, c.mode.row()
	plan := cache.Plan{
		Kind: row.kind, Axes: append([]string{"B"}, row.axes...), Row: row.shape, DType: npy.Float32,
		Origin: c.origin(), Inputs: 1, ChunkInputs: 1, Payload: row.file,
	}
	lo, hi, err := o.Shard.RestrictSums(&plan, c.listed.Count, shard.AsBegun(o.SavePath, o.Restart, c.listed.Ends))
	if err != nil {
		return nil, err
	}
	if err := c.take(ctx, lo, hi); err != nil {
		return nil, err
	}
	result := &Result{Path: o.SavePath, Kind: plan.Kind, Shape: append([]int{1}, row.shape...), Skipped: []source.Skipped{}}
	at := c.state(plan.Kind, plan.Origin)
	w, err := o.Store.OpenChunks(o.SavePath, plan, o.Restart)
	if errors.Is(err, cache.ErrComplete) {
		return c.summaryComplete(result, at)
	}
	if err != nil {
		return nil, c.namingImages(ctx, err)
	}
	defer w.Close()
	source.SayOpened(o.SavePath, w, c.say)
	sum := newSummarySums(c.mode.values(), keptScores(o.TopK, len(c.items)), o.Threads)
	state, err := resumeSums(at, o.Restart, sum)
	if err != nil {
		return nil, err
	}
	if state.Done > 0 {
		if err := artefact.CheckFamilies(o.SavePath, state.Kernel, c.family(), o.Strict, c.say.Warn); err != nil {
			return nil, err
		}
		c.say.Note("%s: resuming after %d of %s", o.SavePath, state.Done, quantity.Of(at.Inputs, "image"))
		if err := c.sumUnchanged(ctx, state); err != nil {
			return nil, err
		}
	}
	if err := c.addUp(ctx, at, state, sum); err != nil {
		return nil, err
	}
	if state.Images == 0 && o.Shard.Whole() {
		return nil, c.unreadable()
	}
	if err := c.finishSummary(w, state, sum); err != nil {
		return nil, err
	}
	result.Images, result.Skipped = state.Images, append(result.Skipped, state.Skipped...)
	return result, at.Remove()
}

// addUp adds the images that are missing, and keeps a state on disk.
func (c *collector) addUp(ctx context.Context, at cache.State, state *sumState, sum summarySums) error {
	began, before := time.Now(), state.Done
	kept, due := state.Done, pace{}
	save := func() error {
		state.Rate = float64(state.Done-before) / max(time.Since(began).Seconds(), 1e-9)
		kept = state.Done
		return due.save(func() error { return c.saveSums(at, state, sum) })
	}
	err := c.run(ctx, c.from(state.Done), c.inSteps(), func(chunk collected) error {
		if err := c.addToSummary(sum, chunk); err != nil {
			return err
		}
		state.add(chunk)
		if !due.now() {
			return nil
		}
		return save()
	})
	if state.Done > kept {
		err = errors.Join(err, save())
	}
	return err
}

// finishSummary completes a folder. A run that was killed may have written the row already.
func (c *collector) finishSummary(w *cache.ChunkWriter, state *sumState, sum summarySums) error {
	own := cache.Family()
	if state.Kernel != "" {
		w.Kernel = state.Kernel
	}
	if w.Done() == 0 {
		if err := w.Append(artefact.Means(sum.sketch), nil); err != nil {
			return err
		}
	}
	if err := c.addSums(w, sum, state.Skipped); err != nil {
		return err
	}
	w.Kernel = own
	if err := c.addFiles(w, state.Skipped); err != nil {
		return err
	}
	_, err := w.Finish()
	return err
}

// addSums adds the files that every image has added something to.
func (c *collector) addSums(w artefact.FileAdder, sum summarySums, skipped []source.Skipped) error {
	pairs := c.mode.(summaryMode).pairs
	names := extremeNames(c.items, skipped, artefact.ExtremeImages(sum.Extremes))
	return artefact.AddSummary(w, sum.Extremes, sum.sketch, names, skipped, pairs.Heads, pairs.Neurons)
}

// extremeNames returns the names of images by their numbers among those that were not
// skipped.
func extremeNames(items []dataset.Item, skipped []source.Skipped, numbers []int) map[int]string {
	gone := make(map[string]bool, len(skipped))
	for _, s := range skipped {
		gone[s.Name] = true
	}
	names := make(map[int]string, len(numbers))
	number := 0
	for _, item := range items {
		if len(numbers) == 0 {
			break
		}
		if gone[item.Name] {
			continue
		}
		if number == numbers[0] {
			names[number] = item.Name
			numbers = numbers[1:]
		}
		number++
	}
	return names
}

// summaryComplete describes the summary that is already there. The run that finished it may
// have died before it removed its state.
func (c *collector) summaryComplete(result *Result, at cache.State) (*Result, error) {
	a, err := cache.Open(c.options.SavePath)
	if err != nil {
		return nil, err
	}
	if err := c.verified(a); err != nil {
		return nil, err
	}
	result.Complete = true
	if result.Images, err = artefact.ImagesOf(a); err != nil {
		return nil, err
	}
	skipped, err := artefact.SkippedOf(a)
	if err != nil {
		return nil, err
	}
	result.Skipped = append(result.Skipped, skipped...)
	return result, errors.Join(at.Remove(), c.recall(result.Skipped))
}
