// Package collect sends the images of a data set through an image tower and keeps
// what neuron-head pairs, neurons or heads contribute.
//
// What is kept of an image is a mode. A collection has a row for each image, only
// their mean, or sums and extremes. It resumes after it was killed, and damaged
// parts can be computed again (Repair).
package collect

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/device"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// Run sends a dataset's images through the image tower and keeps, for
// each, the scores of all neuron-head pairs (or their contributions written
// out), or what another mode is about. It can be interrupted, killed and started again: what is finished is
// kept, and the bytes in the end are those of an undisturbed run.
func Run(ctx context.Context, o Options, say ui.Reporter) (*Result, error) {
	if err := o.CheckStats(); err != nil {
		return nil, err
	}
	o.SavePath = o.Shard.Path(o.SavePath)
	c, err := openCollector(ctx, o, say)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if o.Device != "" {
		if c.device, err = device.Open(o.Device, o.Threads); err != nil {
			return nil, err
		}
		defer c.device.Close()
		if err := c.tryDevice(); err != nil {
			return nil, err
		}
	}
	if err := artefact.MakeFolders(filepath.Clean(o.SavePath)); err != nil {
		return nil, err
	}
	collect := c.chunks
	switch {
	case o.Mean:
		collect = c.mean
	case o.NoFeatures:
		collect = c.summary
	}
	result, err := collect(ctx)
	if err == nil {
		c.warnOfZeros()
		c.describe(result)
	}
	return result, err
}

// describe adds to a result what the run says of it.
func (c *collector) describe(result *Result) {
	result.Precision, result.Rounding, result.Device, result.Loss = c.precision(), c.rounding, c.onDevice, c.lost
	if l := c.lost; l != nil {
		c.say.Note("float16 changes parts by up to %.2g %% of the largest, as measured on %s; {dtype} float32 keeps float32", 100*l.Parts, ui.Images.Count(int64(l.Images)))
	}
	result.Skipped = append(result.Skipped, source.Unlisted(c.listed.Data.Skipped)...)
}

// precision labels products that are not float32's; it is empty for those.
func (c *collector) precision() string {
	if c.options.Precision == kernel.BFloat16 {
		return "bf16, reduced"
	}
	return ""
}

// collector is a Collect under way.
type collector struct {
	options  Options
	say      ui.Reporter
	listed   *source.ImageSet
	items    []dataset.Item // those of the shard
	model    *model.Model
	mode     mode
	rounding *source.Rounding // of its first images
	device   *device.Device   // that runs the tower; nil: this program
	onDevice *OnDevice        // once it has run

	half         bool  // rows are float16
	kept, zeroed int   // values of this run, and those that float16 made zero
	lost         *Loss // by float16 in parts; nil until it is measured, and of other rows
	timed        *estimator
	disk         string // what is said of the disk before a long run; empty: nothing

	sizes []int64 // of the images' files when the collection began

	chunkAtMost int   // images; 0: as many as the mode's values allow
	pending     int64 // bytes that are still to be written, of this collection once it is open, and of others of the run
}

// openCollector lists the images and opens the model, which the caller closes.
func openCollector(ctx context.Context, o Options, say ui.Reporter) (*collector, error) {
	listed, err := openImages(ctx, o, say)
	if err != nil {
		return nil, err
	}
	if !o.Shard.Whole() {
		say.Note("{shard} %s is a part of %s", o.Shard, quantity.Of(listed.Count, "image"))
	}
	if n := listed.Count; o.StatsOnly && !o.FitTopK && o.TopK > n {
		listed.Close()
		return nil, usage.Errorf("{top-k} %d: %s has %s, want at most that many", o.TopK, o.Data.Path, ui.Images.Count(int64(n)))
	}
	m, err := model.OpenWith(ctx, o.Model, o.Details)
	if err != nil {
		listed.Close()
		return nil, err
	}
	c := &collector{options: o, say: say, listed: listed, model: m}
	m.Tell(say)
	if err = checkDevice(o, m); err == nil {
		c.asBegun()
		c.mode, err = newMode(c.options.mode(), m)
		c.setType()
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// close closes the model, and a list of images that was kept.
func (c *collector) close() {
	c.model.Close()
	c.listed.Close()
}

// take has the collection be of images lo to hi.
func (c *collector) take(ctx context.Context, lo, hi int) (err error) {
	c.items, c.sizes, err = c.listed.Part(ctx, lo, hi)
	return err
}

// mode says what is kept of each image.
func (o Options) mode() modeOptions {
	return modeOptions{
		name: o.Mode, lens: o.Lens, mean: o.Mean, statistics: o.StatsOnly, summary: o.NoFeatures, writtenOut: artefact.IsDense(o.SavePath), threads: o.Threads,
		neuronLayer: o.NeuronLayer, published: o.Published, factored: !o.Mean && !o.Published && !o.WrittenOut && !artefact.IsDense(o.SavePath),
	}
}

// origin says what the collection is made from.
func (c *collector) origin() origin.Origin {
	o := c.options
	from := c.originOf(o.Mode, -1)
	if o.StatsOnly {
		from.Collect.TopK = o.TopK
	}
	if o.Mode == ModeLens {
		from.Block = strconv.Itoa(o.Lens)
	}
	if o.NeuronLayer != nil {
		from.Transformer = c.model.Transformer(*o.NeuronLayer)
		from.Transformer.Form, from.Collect.Form = from.Collect.Form, "" // of the pairs, and what is computed from them
	}
	return from
}

// originOf says what a collection of another mode is made from.
func (c *collector) originOf(mode string, neuronLayer int) origin.Origin {
	o := c.options
	from := origin.Origin{
		Model: c.model.Config.Name(), Weights: c.model.Hash, Tensors: c.model.Tensors, Block: origin.LastBlock, Precision: source.PrecisionOf(o.Precision), Mode: mode,
		Images:  source.ImagesOrigin(c.listed.Data.Kind, c.listed.Names, c.listed.Fingerprint, o.Stride, o.Images, c.model.Config.Form),
		Collect: &origin.Collect{Batch: c.batchClass(), Mean: o.Mean, Expand: o.Expand, Form: formOf(o.Published)},
	}
	from.Images.LabelKey = c.listed.Data.LabelKey
	if c.device != nil {
		from.Device = c.device.Origin()
	}
	if from.Transformer = c.model.Transformer(neuronLayer); from.Transformer != nil {
		from.Block = ""
	}
	return from
}

// batchClass names what the batch size changes in the last bits; see
// clip.ImageOptions.
func (c *collector) batchClass() string {
	if c.options.BatchSize == 1 {
		return "1"
	}
	return "2 or more"
}

// chunks collects a row per image.
func (c *collector) chunks(ctx context.Context) (*Result, error) {
	r, result, err := c.open(ctx)
	if err != nil || r == nil {
		return result, err
	}
	defer r.close()
	err = c.run(ctx, c.from(r.cut.First(r.next())), r.cut, r.take)
	return r.finish(r.end(err))
}

// rows is a collection under way of a row per image.
type rows struct {
	sink
	c           *collector
	plan        cache.Plan
	cut         cache.Chunking // of the plan
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
		Origin: c.origin(), Inputs: c.listed.Count, Payload: row.file, ChunkInputs: c.chunkInputs(),
	}
	plan.Cuts = cache.KeptCuts(shard.AsBegun(o.SavePath, o.Restart, c.listed.Ends), plan.ChunkInputs)
	if c.half {
		plan.DType, rowBytes = npy.Float16, rowBytes/2
	}
	if artefact.IsDense(o.SavePath) {
		plan.Payload = ""
	}
	lo, hi, err := o.Shard.RestrictPlan(&plan)
	if err != nil {
		return nil, nil, err
	}
	if err := c.take(ctx, lo, hi); err != nil {
		return nil, nil, err
	}
	plan.Listed = source.ListedAll(c.items, c.sizes)
	r := &rows{c: c, plan: plan, cut: plan.Chunking(), row: row, result: &Result{Path: o.SavePath, Kind: plan.Kind, Factors: row.matrices != nil, Skipped: []source.Skipped{}}}
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
	r.w.Kernel, r.w.HeldBy = c.family(), c.heldBy
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
	c.pending += rowBytes * int64(len(c.items)-w.Rows())
	if w.Done() > 0 {
		if err := artefact.CheckFamilies(o.SavePath, w.Families(), c.family(), o.Strict, c.say.Warn); err != nil {
			return err
		}
		c.say.Note("%s: resuming after %d of %s", o.SavePath, r.cut.First(w.Done()), quantity.Of(r.plan.Inputs, "image"))
	}
	if err := c.unchangedWith(ctx, w.InputSums(), w.Held(), r.features); err != nil {
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
	w.Kernel = cache.Family()
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

// unreadable is the error of a collection without a single row.
func (c *collector) unreadable() error {
	err := fmt.Errorf("%s: none of %s could be read", c.listed.Data.Root, ui.Images.Count(int64(len(c.items))))
	return hint.With(err, "to include them once they can be read, discard what is there with {restart}")
}

// complete describes the artefact that is already there.
func (c *collector) complete(result *Result) (*Result, error) {
	a, err := cache.Open(c.options.SavePath)
	if err != nil {
		return nil, err
	}
	if err := c.verified(a); err != nil {
		return nil, err
	}
	result.Complete = true
	result.Shape, result.Images = a.Manifest.Shape, a.Manifest.Shape[0]
	result.Skipped = append(result.Skipped, a.Manifest.Skipped...)
	if c.options.StatsOnly {
		err = c.state("", origin.Origin{}).Remove() // of a run that died before it did so
	}
	return result, errors.Join(err, c.recall(result.Skipped))
}

// verified compares an artefact that is there already, and the features within it, with
// their checksums, if that was asked for: it may be as large as the disk.
func (c *collector) verified(a *cache.Artefact) error {
	if !c.options.Verify {
		return nil
	}
	err := artefact.VerifyChecksums(a)
	if err == nil && c.keepsFeatures() {
		err = c.verifyFeatures()
	}
	return err
}
