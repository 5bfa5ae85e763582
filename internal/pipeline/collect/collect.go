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
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/device"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

// Options says what to collect from which images.
type Options struct {
	Model     string
	Details   model.Details // of the model
	Data      dataset.Options
	Stride    int         // every Stride-th image
	Shard     shard.Shard // of these; the zero Shard is all
	BatchSize int
	Threads   int
	Mode      string           // one of Modes
	Precision kernel.Precision // of the products in the tower
	Device    string           // that runs the tower, one of device.Names; empty is this program
	Lens      int              // the block of the last stage that ModeLens looks at
	// NeuronLayer is the layer of a vision transformer whose neurons' pairs are looked at;
	// nil for a ResNet, and in modes that are not about pairs.
	NeuronLayer *int
	Published   bool   // parts of features as unit vectors, as published caches have them
	Mean        bool   // only the mean over the images
	StatsOnly   bool   // features, and sums and extremes of scores
	NoFeatures  bool   // with StatsOnly: no row for any image, but a sketch of scores
	TopK        int    // of which StatsOnly keeps the largest and the smallest
	SavePath    string // .dat or .npy: one tensor, contributions written out; else a folder, scores; see Shard.Path
	Half        bool   // a folder's rows as float16
	Expand      bool   // directions beside the weight slices
	Strict      bool   // stop at an image that cannot be read
	Restart     bool   // discard what is at SavePath
	Store       *cache.Store
	Verify      bool // compare what is already complete with its checksums
	Images      imageprep.Options
}

// Result is what Collect wrote.
type Result struct {
	Path     string           `json:"path"`
	Kind     string           `json:"kind"`
	Shape    []int            `json:"shape"`
	Images   int              `json:"images"`           // with a row
	Skipped  []source.Skipped `json:"skipped"`          // with what the listing left out
	Complete bool             `json:"already_complete"` // nothing was left to do
	// Precision says that the tower computed in reduced precision; empty for float32.
	Precision string `json:"precision,omitempty"`
	// Device is nil where this program ran the tower, and where no image was left to do.
	Device *OnDevice `json:"device,omitempty"`
	// Rounding is its error, nil for float32 and where no image was left to do.
	Rounding *source.Rounding `json:"precision_error,omitempty"`
}

// ChunkImages is how many images are kept or lost together. A larger chunk
// would make Ctrl-C wait longer, a smaller one would sync the disk more often.
const ChunkImages = 32

// chunkBytes bounds a chunk whose rows are large, as those of dense
// contributions are.
const chunkBytes = 256 << 20

// chunkOf returns how many images of values numbers each make a chunk.
func chunkOf(values int) int { return max(1, min(ChunkImages, chunkBytes/(4*values))) }

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
	defer c.model.Close()
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
		if c.zeroed > 0 {
			say.Warn("%d of %d values are too small for float16 and became zero: {dtype} float32 keeps them", c.zeroed, c.kept)
		}
		result.Precision, result.Rounding, result.Device = c.precision(), c.rounding, c.onDevice
		result.Skipped = append(result.Skipped, source.Unlisted(c.data.Skipped)...)
	}
	return result, err
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
	data     *dataset.Dataset
	items    []dataset.Item // of data, those of the shard
	model    *model.Model
	mode     mode
	rounding *source.Rounding // of its first images
	device   *device.Device   // that runs the tower; nil: this program
	onDevice *OnDevice        // once it has run

	kept, zeroed int // values of this run, and those that float16 made zero
	timed        *estimator
	disk         string // what is said of the disk before a long run; empty: nothing

	sizes  []int64 // of the images' files when the collection began
	images string  // the fingerprint that they make
}

// openCollector lists the images and opens the model, which the caller closes.
func openCollector(ctx context.Context, o Options, say ui.Reporter) (*collector, error) {
	data, err := source.OpenImages(ctx, o.Data, o.Strict, say)
	if err != nil {
		return nil, err
	}
	data = data.Stride(o.Stride)
	m, err := model.OpenWith(ctx, o.Model, o.Details)
	if err != nil {
		return nil, err
	}
	m.Tell(say)
	if err := checkDevice(o.Device, o.Mode, m); err != nil {
		m.Close()
		return nil, err
	}
	mode, err := newMode(modeOptions{
		name: o.Mode, lens: o.Lens, mean: o.Mean, statistics: o.StatsOnly, summary: o.NoFeatures, writtenOut: artefact.IsDense(o.SavePath), threads: o.Threads,
		neuronLayer: o.NeuronLayer, published: o.Published,
	}, m)
	if err != nil {
		m.Close()
		return nil, err
	}
	sizes := data.Sizes()
	return &collector{
		options: o, say: say, data: data, items: data.Items, model: m, mode: mode, sizes: sizes, images: data.FingerprintOf(sizes),
	}, nil
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
	}
	return from
}

// originOf says what a collection of another mode is made from.
func (c *collector) originOf(mode string, neuronLayer int) origin.Origin {
	o := c.options
	from := origin.Origin{
		Model: c.model.Config.Name(), Weights: c.model.Hash, Tensors: c.model.Tensors, Block: origin.LastBlock, Precision: source.PrecisionOf(o.Precision), Mode: mode,
		Images:  source.ImagesOrigin(c.data.Kind, source.NamesHash(c.data.Items), c.images, o.Stride, o.Images),
		Collect: &origin.Collect{Batch: c.batchClass(), Mean: o.Mean, Expand: o.Expand, Form: formOf(o.Published)},
	}
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
	o := c.options
	row := c.mode.row()
	rowBytes := 4 * int64(artefact.Product(row.shape))
	plan := cache.Plan{
		Kind: row.kind, Axes: append([]string{"B"}, row.axes...), Row: row.shape, DType: npy.Float32,
		Origin: c.origin(), Inputs: len(c.data.Items), Payload: row.file,
		ChunkInputs: chunkOf(max(c.mode.values(), artefact.Product(row.shape))),
	}
	if o.Half {
		plan.DType, rowBytes = npy.Float16, rowBytes/2
	}
	if artefact.IsDense(o.SavePath) {
		plan.Payload = ""
	}
	lo, hi, err := o.Shard.RestrictPlan(&plan)
	if err != nil {
		return nil, err
	}
	c.items, c.sizes = c.data.Items[lo:hi], c.sizes[lo:hi]
	result := &Result{Path: o.SavePath, Kind: plan.Kind, Skipped: []source.Skipped{}}
	w, err := o.Store.OpenChunks(o.SavePath, plan, o.Restart)
	if errors.Is(err, cache.ErrComplete) {
		if err := c.addFeatures(ctx, plan); err != nil {
			return nil, err
		}
		return c.complete(result)
	}
	if err != nil {
		return nil, c.namingImages(ctx, err)
	}
	defer w.Close()
	w.Kernel = c.family()
	source.SayOpened(o.SavePath, w, c.say)
	features, err := c.openFeatures(plan)
	if err != nil {
		return nil, err
	}
	defer features.Close()
	if err := c.room(rowBytes, w.Rows()); err != nil {
		return nil, err
	}
	if w.Done() > 0 {
		if err := artefact.CheckFamilies(o.SavePath, w.Families(), c.family(), o.Strict, c.say.Warn); err != nil {
			return nil, err
		}
		c.say.Note("%s: resuming after %d of %d images", o.SavePath, min(w.Done()*plan.ChunkInputs, plan.Inputs), plan.Inputs)
	}
	if err := c.unchangedWith(ctx, w.InputSums(), features); err != nil {
		return nil, err
	}
	collect := func(ctx context.Context, w *cache.ChunkWriter, plan cache.Plan) error {
		return c.collect(ctx, w, features, plan)
	}
	if o.StatsOnly {
		collect = c.summarise
	}
	if err := collect(ctx, w, plan); err != nil {
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
	if err := c.finishFeatures(features); err != nil {
		return nil, err
	}
	result.Images, result.Skipped = w.Rows(), append(result.Skipped, w.Skipped()...)
	result.Shape = append([]int{w.Rows()}, row.shape...)
	if _, err := w.Finish(); err != nil {
		return nil, err
	}
	if o.StatsOnly {
		err = c.state("", origin.Origin{}).Remove()
	}
	return result, err
}

// unreadable is the error of a collection without a single row.
func (c *collector) unreadable() error {
	err := fmt.Errorf("%s: none of %s could be read", c.data.Root, ui.Images.Count(int64(len(c.items))))
	return hint.With(err, "when they can be, discard what is there with {restart}")
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

// recall names the images that were skipped when the artefact was made.
func (c *collector) recall(skipped []source.Skipped) error {
	return source.Recall(c.options.SavePath, skipped, c.options.Strict, c.say)
}
