package collect

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
)

// mean collects the mean over the images only. Its memory and disk do not
// grow with their number; values are summed in float64, in the order of the
// images.
func (c *collector) mean(ctx context.Context) (*Result, error) {
	o := c.options
	if err := c.take(ctx, 0, c.listed.Count); err != nil {
		return nil, err
	}
	row := c.mode.row()
	origin := c.origin()
	result := &Result{Path: o.SavePath, Kind: row.meanKind, Skipped: []source.Skipped{}}
	plan := cache.Plan{
		Kind: row.meanKind, Axes: append([]string{"B"}, row.axes...), Row: row.shape, DType: npy.Float32,
		Origin: origin, Inputs: 1, ChunkInputs: 1, Payload: row.file,
	}
	at := c.state(row.meanKind, origin)
	if artefact.IsDense(o.SavePath) {
		// Its file is written at the end, and locked only then.
		release, err := at.Lock()
		if err != nil {
			return nil, err
		}
		defer release()
		there, err := c.denseMeanThere(origin)
		if err != nil {
			return nil, err
		}
		if there {
			return c.meanComplete(result, at)
		}
	}
	var w *cache.ChunkWriter
	if !artefact.IsDense(o.SavePath) {
		var err error
		w, err = o.Store.OpenChunks(o.SavePath, plan, o.Restart)
		if errors.Is(err, cache.ErrComplete) {
			return c.meanComplete(result, at)
		}
		if err != nil {
			return nil, err
		}
		defer w.Close()
		source.SayOpened(o.SavePath, w, c.say)
	}
	sum := make(valueSums, c.mode.values())
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
	if err := c.sumUp(ctx, at, state, sum); err != nil {
		return nil, err
	}
	if state.Images == 0 {
		return nil, c.unreadable()
	}
	mean, err := c.expandMean(sum.mean(state.Images))
	if err != nil {
		return nil, err
	}
	state.Kernel = cache.AddFamilies(state.Kernel, cache.Family()) // which has expanded it
	result.Images, result.Skipped, result.Shape = state.Images, append(result.Skipped, state.Skipped...), c.meanShape()
	if artefact.IsDense(o.SavePath) {
		err = c.saveMean(origin, row, mean, state)
	} else {
		err = c.finishMean(w, mean, state)
	}
	if err != nil {
		return nil, err
	}
	return result, at.Remove()
}

// denseMeanThere reports whether the dense mean is there already.
func (c *collector) denseMeanThere(from origin.Origin) (bool, error) {
	w := artefact.Writer{Store: c.options.Store, Restart: c.options.Restart, Note: c.say.Note}
	a, err := w.Complete(c.options.SavePath, c.mode.row().meanKind, func(origin.Origin) origin.Origin { return from })
	return a != nil, err
}

// meanComplete describes the mean that is already there. The run that finished
// it may have died before it removed its state.
func (c *collector) meanComplete(result *Result, at cache.State) (*Result, error) {
	a, err := cache.Open(c.options.SavePath)
	if err != nil {
		return nil, err
	}
	if err := c.verified(a); err != nil {
		return nil, err
	}
	result.Complete = true
	result.Shape = c.meanShape()
	result.Skipped = append(result.Skipped, a.Manifest.Skipped...)
	if !artefact.IsDense(c.options.SavePath) {
		// The manifest of a folder speaks of its one row; the names tell more.
		names, err := artefact.ImageNames(a)
		if err != nil {
			return nil, err
		}
		for _, item := range c.items {
			if _, there := slices.BinarySearch(names, item.Name); !there {
				result.Skipped = append(result.Skipped, source.Skipped{Name: item.Name, Reason: "not among the images of the mean"})
			}
		}
	}
	result.Images = len(c.items) - len(result.Skipped)
	return result, errors.Join(at.Remove(), c.recall(result.Skipped))
}

// sumUp adds what is missing to sum and keeps state on disk.
func (c *collector) sumUp(ctx context.Context, at cache.State, state *sumState, sum valueSums) error {
	return c.run(ctx, c.from(state.Done), c.inSteps(), func(chunk collected) error {
		sum.add(chunk.values)
		state.add(chunk)
		return c.saveSums(at, state, sum)
	})
}

// inSteps cuts the images into chunks for what has no chunk of its own of any.
func (c *collector) inSteps() cache.Chunking {
	return cache.NewChunking(len(c.items), chunkOf(c.mode.values()), nil)
}

// expandMean makes a row of the mean values: rows are affine in values, so that
// it is the mean row.
func (c *collector) expandMean(mean []float32) ([]float32, error) {
	expand, err := c.mode.rowBuilder()
	if err != nil || expand == nil {
		return mean, err
	}
	row := make([]float32, artefact.Product(c.mode.row().shape))
	expand(row, mean)
	return row, nil
}

// finishMean completes a folder with the mean as its only row, which a run that
// was killed since may have written already.
func (c *collector) finishMean(w *cache.ChunkWriter, mean []float32, state *sumState) error {
	if w.Done() == 0 {
		w.Kernel = state.Kernel
		if err := w.Append(mean, nil); err != nil {
			return err
		}
		w.Kernel = cache.Family()
	}
	if err := c.addFiles(w, state.Skipped); err != nil {
		return err
	}
	_, err := w.Finish()
	return err
}

// saveMean writes the mean as a file.
func (c *collector) saveMean(origin origin.Origin, row row, mean []float32, state *sumState) error {
	m := cache.Manifest{
		Kind: row.meanKind, Axes: row.axes, Shape: row.shape, DType: npy.Float32.String(),
		Origin: origin, Inputs: len(c.items), Skipped: state.Skipped, Payloads: []cache.Payload{{Kernel: state.Kernel}},
	}
	_, err := c.options.Store.Save(c.options.SavePath, m, c.meanFile(mean))
	return err
}

// meanShape is the shape of the file that holds the mean: a row, which in a
// folder is the only one of a first axis.
func (c *collector) meanShape() []int {
	row := c.mode.row().shape
	if artefact.IsDense(c.options.SavePath) {
		return row
	}
	return append([]int{1}, row...)
}

// meanFile writes a mean that is a file of its own.
func (c *collector) meanFile(mean []float32) func(io.Writer) error {
	return func(w io.Writer) error {
		if filepath.Ext(c.options.SavePath) == ".dat" {
			return artefact.Put(w, mean)
		}
		return npy.WriteFloat32(w, c.mode.row().shape, mean)
	}
}
