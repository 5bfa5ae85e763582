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
	"github.com/clipnh/clipnh/internal/npy"
)

// meanState is a mean under way: what Collect with Mean keeps on disk after
// every chunk of pictures, so that it can go on after being killed.
type meanState struct {
	Origin  cache.Origin `json:"origin"`
	Inputs  int          `json:"inputs"`  // pictures in all
	Done    int          `json:"done"`    // pictures that were looked at
	Images  int          `json:"images"`  // of them, those that have scores
	Skipped []Skipped    `json:"skipped"` // and the others
	Sum     []byte       `json:"sum"`     // of the values, float64 little-endian
}

// maxMeanState bounds what is read of a state that may be damaged.
const maxMeanState = 1 << 30

// mean collects the mean over the pictures only. Its memory and disk do not
// grow with their number; values are summed in float64, in the order of the
// pictures.
func (c *collector) mean(ctx context.Context) (*CollectResult, error) {
	o := c.options
	row := c.mode.row()
	origin := c.origin()
	origin.Parameters["mean"] = true
	result := &CollectResult{Path: o.SavePath, Kind: row.meanKind, Skipped: []Skipped{}}
	plan := cache.Plan{
		Kind: row.meanKind, Axes: append([]string{"B"}, row.axes...), Row: row.shape, DType: npy.Float32,
		Origin: origin, Inputs: 1, ChunkInputs: 1, Payload: row.file,
	}
	if IsDense(o.SavePath) {
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
	if err := c.sumValues(ctx, state, sum); err != nil {
		return nil, err
	}
	if state.Images == 0 {
		return nil, fmt.Errorf("%s: none of %d pictures could be read", c.data.Root, state.Inputs)
	}
	mean := make([]float32, len(sum))
	for i, x := range sum {
		mean[i] = float32(x / float64(state.Images))
	}
	if mean, err = c.expandMean(mean); err != nil {
		return nil, err
	}
	result.Images, result.Skipped, result.Shape = state.Images, append(result.Skipped, state.Skipped...), row.shape
	if IsDense(o.SavePath) {
		err = c.saveMean(origin, row, mean, state)
	} else {
		err = c.finishMean(w, mean, state.Skipped)
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
	return true, a.Require(cache.Manifest{Kind: c.mode.row().meanKind, Origin: origin})
}

// meanComplete describes the mean that is already there. The run that finished
// it may have died before it removed its state.
func (c *collector) meanComplete(result *CollectResult) (*CollectResult, error) {
	a, err := cache.Open(c.options.SavePath)
	if err != nil {
		return nil, err
	}
	result.Complete = true
	result.Shape = c.mode.row().shape
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
	sum := make([]float64, c.mode.values())
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

// sumValues adds what is missing to sum and keeps state on disk.
func (c *collector) sumValues(ctx context.Context, state *meanState, sum []float64) error {
	return c.run(ctx, c.data.Items[min(state.Done, len(c.data.Items)):], chunkOf(c.mode.values()), func(values []float32, images int, skipped []Skipped) error {
		for i, x := range values {
			sum[i%len(sum)] += float64(x)
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

// expandMean makes a row of the mean values: rows are affine in values, so that
// it is the mean row.
func (c *collector) expandMean(mean []float32) ([]float32, error) {
	expand, err := c.mode.expander()
	if err != nil || expand == nil {
		return mean, err
	}
	row := make([]float32, product(c.mode.row().shape))
	expand(row, mean)
	return row, nil
}

// finishMean completes a folder with the mean as its only row, which a run that
// was killed since may have written already.
func (c *collector) finishMean(w *cache.ChunkWriter, mean []float32, skipped []Skipped) error {
	if w.Done() == 0 {
		if err := w.Append(mean, nil); err != nil {
			return err
		}
	}
	if err := c.addFiles(w, skipped); err != nil {
		return err
	}
	_, err := w.Finish()
	return err
}

// saveMean writes the mean as a file.
func (c *collector) saveMean(origin cache.Origin, row row, mean []float32, state *meanState) error {
	m := cache.Manifest{
		Kind: row.meanKind, Axes: row.axes, Shape: row.shape, DType: npy.Float32.String(),
		Origin: origin, Inputs: state.Inputs, Skipped: state.Skipped,
	}
	_, err := cache.Save(c.options.SavePath, m, func(w io.Writer) error {
		if filepath.Ext(c.options.SavePath) == ".dat" {
			return put(w, mean)
		}
		return npy.WriteFloat32(w, row.shape, mean)
	})
	return err
}
