package pipeline

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
)

// meanState is a mean under way: what Collect with Mean keeps on disk after
// every chunk of pictures, so that it can go on after being killed.
type meanState struct {
	Origin  cache.Origin `json:"origin"`
	Inputs  int          `json:"inputs"`  // pictures in all
	Done    int          `json:"done"`    // pictures that were looked at
	Images  int          `json:"images"`  // of them, those that have scores
	Skipped []Skipped    `json:"skipped"` // and the others
	Sum     []byte       `json:"sum"`     // of the scores, [H,C] float64 little-endian
}

// maxMeanState bounds what is read of a state that may be damaged.
const maxMeanState = 1 << 30

// mean collects the mean over the pictures only. Its memory and disk do not
// grow with their number; scores are summed in float64, in the order of the
// pictures.
func (c *collector) mean(ctx context.Context) (*CollectResult, error) {
	o := c.options
	axes, row := c.row()
	origin := c.origin()
	origin.Parameters["mean"] = true
	result := &CollectResult{Path: o.SavePath, Kind: kindMeanScores, Skipped: []Skipped{}}
	plan := cache.Plan{
		Kind: kindMeanScores, Axes: append([]string{"B"}, axes...), Row: row, DType: npy.Float32,
		Origin: origin, Inputs: 1, ChunkInputs: 1, Payload: scoresFile,
	}
	if IsDense(o.SavePath) {
		result.Kind = kindMeans
		there, err := c.denseMeanThere(origin)
		if err != nil {
			return nil, err
		}
		if there {
			return c.meanComplete(result)
		}
	}
	var w *cache.ChunkWriter
	if !IsDense(o.SavePath) {
		var err error
		w, err = cache.OpenChunks(o.SavePath, plan, o.Restart)
		if errors.Is(err, cache.ErrComplete) {
			return c.meanComplete(result)
		}
		if err != nil {
			return nil, err
		}
		defer w.Close()
	}
	state, sum, err := c.resumeMean(origin)
	if err != nil {
		return nil, err
	}
	if err := c.sumScores(ctx, state, sum); err != nil {
		return nil, err
	}
	if state.Images == 0 {
		return nil, c.unreadable()
	}
	mean := make([]float32, len(sum))
	for i, x := range sum {
		mean[i] = float32(x / float64(state.Images))
	}
	result.Images, result.Skipped, result.Shape = state.Images, append(result.Skipped, state.Skipped...), row
	pool, err := c.model.Pool()
	if err != nil {
		return nil, err
	}
	if IsDense(o.SavePath) {
		err = c.saveMean(origin, axes, row, mean, state.Inputs, state.Skipped)
	} else {
		err = c.finishMean(w, pool, mean, state.Skipped)
	}
	if err != nil {
		return nil, err
	}
	return result, c.removeState()
}

// removeState takes away what an unfinished run left.
func (c *collector) removeState() error {
	if err := os.Remove(c.statePath()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (c *collector) statePath() string { return c.options.SavePath + ".sum" }

// denseMeanThere reports whether the dense mean is there already.
func (c *collector) denseMeanThere(origin cache.Origin) (bool, error) {
	if c.options.Restart {
		return false, nil
	}
	a, err := cache.Open(c.options.SavePath)
	if errors.Is(err, cache.ErrMissing) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, a.Require(cache.Manifest{Kind: kindMeans, Origin: origin})
}

// meanComplete describes the mean that is already there. The run that finished
// it may have died before it removed its state.
func (c *collector) meanComplete(result *CollectResult) (*CollectResult, error) {
	a, err := cache.Open(c.options.SavePath)
	if err != nil {
		return nil, err
	}
	result.Complete = true
	_, result.Shape = c.row()
	result.Skipped = append(result.Skipped, a.Manifest.Skipped...)
	if !IsDense(c.options.SavePath) {
		// The manifest of a folder speaks of its one row; the names tell more.
		names, err := imageNames(a)
		if err != nil {
			return nil, err
		}
		for _, item := range c.data.Items {
			if _, there := slices.BinarySearch(names, item.Name); !there {
				result.Skipped = append(result.Skipped, Skipped{Name: item.Name, Reason: "not among the images of the mean"})
			}
		}
	}
	result.Images = len(c.data.Items) - len(result.Skipped)
	return result, c.removeState()
}

// resumeMean returns the state that an earlier run left, or a fresh one.
func (c *collector) resumeMean(origin cache.Origin) (*meanState, []float64, error) {
	state := &meanState{Origin: origin, Inputs: len(c.data.Items), Skipped: []Skipped{}}
	sum := make([]float64, c.model.Config.Heads()*c.model.Config.Neurons())
	if c.options.Restart {
		return state, sum, nil
	}
	f, err := os.Open(c.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		return state, sum, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	var found meanState
	if err := json.NewDecoder(io.LimitReader(f, maxMeanState)).Decode(&found); err != nil {
		return nil, nil, fmt.Errorf("%s: %w (remove it to start over)", c.statePath(), err)
	}
	wanted, _ := json.Marshal([]any{state.Origin, state.Inputs})
	if got, _ := json.Marshal([]any{found.Origin, found.Inputs}); string(got) != string(wanted) || len(found.Sum) != 8*len(sum) {
		return nil, nil, fmt.Errorf("%s: %w: it is of another collection; remove it, or start over with --restart", c.statePath(), cache.ErrStale)
	}
	for i := range sum {
		sum[i] = math.Float64frombits(binary.LittleEndian.Uint64(found.Sum[8*i:]))
	}
	c.say.Note("%s: going on after %d of %d images", c.options.SavePath, found.Done, found.Inputs)
	return &found, sum, nil
}

// sumScores adds what is missing to sum and keeps state on disk.
func (c *collector) sumScores(ctx context.Context, state *meanState, sum []float64) error {
	return c.run(ctx, c.data.Items[min(state.Done, len(c.data.Items)):], chunkImages, func(scores []float32, images int, skipped []Skipped) error {
		for i, s := range scores {
			sum[i%len(sum)] += float64(s)
		}
		state.Done += images + len(skipped)
		state.Images += images
		state.Skipped = append(state.Skipped, skipped...)
		state.Sum = state.Sum[:0]
		for _, x := range sum {
			state.Sum = binary.LittleEndian.AppendUint64(state.Sum, math.Float64bits(x))
		}
		return cache.WriteFile(c.statePath(), func(w io.Writer) error { return json.NewEncoder(w).Encode(state) })
	})
}

// finishMean completes a folder with the mean score as its only row, which a
// run that was killed since may have written already.
func (c *collector) finishMean(w *cache.ChunkWriter, pool *decomp.Pool, mean []float32, skipped []Skipped) error {
	if w.Done() == 0 {
		if err := w.Append(mean, nil); err != nil {
			return err
		}
	}
	if err := addPool(w, pool, c.options.Expand, par.NewTeam(c.options.Threads)); err != nil {
		return err
	}
	if err := addNames(w, c.data.Items, skipped); err != nil {
		return err
	}
	_, err := w.Finish()
	return err
}

// saveMean writes the mean contribution from the mean score.
func (c *collector) saveMean(origin cache.Origin, axes []string, row []int, mean []float32, inputs int, skipped []Skipped) error {
	pool, err := c.model.Pool()
	if err != nil {
		return err
	}
	team := par.NewTeam(c.options.Threads)
	directions := pool.AllDirections(team)
	n := 1
	for _, d := range row {
		n *= d
	}
	r := make([]float32, n)
	if c.options.Mode == ModeNeurons {
		pool.NeuronContributions(r, mean, directions, team)
	} else {
		pool.Contributions(r, mean, directions, team)
	}
	m := cache.Manifest{Kind: kindMeans, Axes: axes, Shape: row, DType: npy.Float32.String(), Origin: origin, Inputs: inputs, Skipped: skipped}
	_, err = cache.Save(c.options.SavePath, m, func(w io.Writer) error {
		if filepath.Ext(c.options.SavePath) == ".dat" {
			_, err := w.Write(npy.AppendFloat32(nil, r))
			return err
		}
		return npy.WriteFloat32(w, row, r)
	})
	return err
}
