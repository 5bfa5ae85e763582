package collect

import (
	"context"
	"errors"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/source"
)

// chunks collects a row per image.
func (c *collector) chunks(ctx context.Context) (*Result, error) {
	r, result, err := c.open(ctx)
	if err != nil || r == nil {
		return result, err
	}
	defer r.close()
	err = c.run(ctx, c.from(r.next()*r.plan.ChunkInputs), r.plan.ChunkInputs, r.take)
	return r.finish(r.end(err))
}

// rows is a collection under way of a row per image.
type rows struct {
	sink
	c           *collector
	plan        cache.Plan
	row         row
	w, features *cache.ChunkWriter
	result      *Result
}

// A sink keeps what chunks of images gave.
type sink interface {
	// next is the first chunk that it lacks.
	next() int
	// startAt says that take is given the chunks from one on, of which it may have some.
	startAt(chunk int)
	take(chunk collected) error
	// end is called behind the last chunk, or after an error, and returns it.
	end(err error) error
}

// open opens what is written, or describes what is already complete: rows is nil then.
func (c *collector) open(ctx context.Context) (*rows, *Result, error) {
	o := c.options
	row := c.mode.row()
	rowBytes := 4 * int64(artefact.Product(row.shape))
	plan := cache.Plan{
		Kind: row.kind, Axes: append([]string{"B"}, row.axes...), Row: row.shape, DType: npy.Float32,
		Origin: c.origin(), Inputs: len(c.data.Items), Payload: row.file, ChunkInputs: c.chunkInputs(),
	}
	if o.Half {
		plan.DType, rowBytes = npy.Float16, rowBytes/2
	}
	if artefact.IsDense(o.SavePath) {
		plan.Payload = ""
	}
	lo, hi, err := o.Shard.RestrictPlan(&plan)
	if err != nil {
		return nil, nil, err
	}
	c.items, c.sizes = c.data.Items[lo:hi], c.sizes[lo:hi]
	r := &rows{c: c, plan: plan, row: row, result: &Result{Path: o.SavePath, Kind: plan.Kind, Skipped: []source.Skipped{}}}
	r.w, err = o.Store.OpenChunks(o.SavePath, plan, o.Restart)
	if errors.Is(err, cache.ErrComplete) {
		if err := c.addFeatures(ctx, plan); err != nil {
			return nil, nil, err
		}
		result, err := c.complete(r.result)
		return nil, result, err
	}
	if err != nil {
		return nil, nil, c.namingImages(ctx, err)
	}
	source.SayOpened(o.SavePath, r.w, c.say)
	if r.features, err = c.openFeatures(plan); err == nil {
		err = r.resume(ctx, rowBytes)
	}
	if err != nil {
		r.close()
		return nil, nil, err
	}
	return r, nil, nil
}

// chunkInputs is how many images make a chunk.
func (c *collector) chunkInputs() int {
	n := chunkOf(max(c.mode.values(), artefact.Product(c.mode.row().shape)))
	if c.chunkAtMost > 0 {
		n = min(n, c.chunkAtMost)
	}
	return n
}

// resume compares what an earlier run has left with the images, and makes the sink.
func (r *rows) resume(ctx context.Context, rowBytes int64) (err error) {
	c, o, w := r.c, r.c.options, r.w
	if err := c.room(rowBytes, w.Rows()); err != nil {
		return err
	}
	if w.Done() > 0 {
		if err := artefact.CheckFamilies(o.SavePath, w.Families(), cache.Family(), o.Strict, c.say.Warn); err != nil {
			return err
		}
		c.say.Note("%s: resuming after %d of %d images", o.SavePath, min(w.Done()*r.plan.ChunkInputs, r.plan.Inputs), r.plan.Inputs)
	}
	if err := c.unchangedWith(ctx, w.InputSums(), r.features); err != nil {
		return err
	}
	if o.StatsOnly {
		r.sink, err = c.newSummary(ctx, w, r.plan)
	} else {
		r.sink = &rowSink{c: c, w: w, features: r.features}
	}
	if err == nil {
		r.startAt(r.next())
	}
	return err
}

// finish completes the artefact, unless err is one.
func (r *rows) finish(err error) (*Result, error) {
	c, o, w, result := r.c, r.c.options, r.w, r.result
	if err != nil {
		return nil, err
	}
	if w.Rows() == 0 && o.Shard.Whole() {
		return nil, c.unreadable()
	}
	if !artefact.IsDense(o.SavePath) {
		if err := c.addFiles(w, w.Skipped()); err != nil {
			return nil, err
		}
	}
	if err := c.finishFeatures(r.features); err != nil {
		return nil, err
	}
	result.Images, result.Skipped = w.Rows(), append(result.Skipped, w.Skipped()...)
	result.Shape = append([]int{w.Rows()}, r.row.shape...)
	if _, err := w.Finish(); err != nil {
		return nil, err
	}
	if o.StatsOnly {
		err = c.state("", origin.Origin{}).Remove()
	}
	return result, err
}

// close closes what is not finished.
func (r *rows) close() {
	r.w.Close()
	r.features.Close()
}
