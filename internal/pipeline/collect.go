package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ui"
)

// The quantities that can be collected.
const (
	ModePairs   = "neurons+heads" // contributions of neuron-head pairs
	ModeNeurons = "neurons"       // the same summed over heads
)

// CollectOptions says what to collect from which pictures.
type CollectOptions struct {
	Model     string
	Data      dataset.Options
	Stride    int // every Stride-th picture
	BatchSize int
	Threads   int
	Mode      string
	Mean      bool   // only the mean over the pictures
	SavePath  string // .dat or .npy: dense; else a folder of scores
	Half      bool   // scores as float16
	Expand    bool   // directions beside the weight slices
	Strict    bool   // stop at a picture that cannot be read
	Restart   bool   // do away with what lies at SavePath
	Images    imageprep.Options
}

// CollectResult is what Collect wrote.
type CollectResult struct {
	Path     string    `json:"path"`
	Kind     string    `json:"kind"`
	Shape    []int     `json:"shape"`
	Images   int       `json:"images"` // with a row
	Skipped  []Skipped `json:"skipped"`
	Complete bool      `json:"already_complete"` // nothing was left to do
}

// Skipped is a picture that could not be read, and why.
type Skipped = cache.Skipped

// chunkImages is how many pictures are kept or lost together. A larger chunk
// would make Ctrl-C wait longer, a smaller one would sync the disk more often.
const chunkImages = 32

// chunkBytes bounds a chunk of dense contributions, whose rows can be large.
const chunkBytes = 256 << 20

// IsDense reports whether a path asks for the reference's dense tensors.
func IsDense(path string) bool {
	ext := filepath.Ext(path)
	return ext == ".dat" || ext == ".npy"
}

// Collect sends a dataset's pictures through the image tower and keeps, for
// each, the scores of all neuron-head pairs (or their contributions written
// out). It can be interrupted, killed and started again: what is finished is
// kept, and the bytes in the end are those of an undisturbed run.
func Collect(ctx context.Context, o CollectOptions, say Reporter) (*CollectResult, error) {
	data, err := dataset.Open(ctx, o.Data)
	if err != nil {
		return nil, err
	}
	data = data.Stride(o.Stride)
	m, err := openModel(ctx, o.Model)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if err := makeFolders(filepath.Clean(o.SavePath)); err != nil {
		return nil, err
	}
	c := &collector{options: o, say: say, data: data, model: m}
	if o.Mean {
		return c.mean(ctx)
	}
	return c.chunks(ctx)
}

// collector is a Collect under way.
type collector struct {
	options CollectOptions
	say     Reporter
	data    *dataset.Dataset
	model   *model
	tower   *clip.ImageTower // once there is something to do
	batch   []float32        // pictures of a run of the tower
}

// origin says what the collection is made from.
func (c *collector) origin() cache.Origin {
	return cache.Origin{
		Model: c.model.Config.Name(), Weights: c.model.sha256,
		Dataset: c.data.Kind, Images: c.data.Fingerprint(), Stride: c.options.Stride,
		Preprocessing: imageprep.Version, Mode: c.options.Mode,
		Parameters: map[string]any{"exif": c.options.Images.EXIF, "batch": c.plannedAs()},
	}
}

// plannedAs names what the batch size changes in the last bits; see
// clip.ImageOptions.
func (c *collector) plannedAs() string {
	if c.options.BatchSize == 1 {
		return "single"
	}
	return "many"
}

// row is the shape of what is kept of a picture, and its axes.
func (c *collector) row() (axes []string, shape []int) {
	heads, neurons, out := c.model.Config.Heads(), c.model.Config.Neurons(), c.model.Config.OutDim
	switch {
	case !IsDense(c.options.SavePath):
		return []string{"H", "C"}, []int{heads, neurons}
	case c.options.Mode == ModeNeurons:
		return []string{"C", "O"}, []int{neurons, out}
	}
	return []string{"H", "C", "O"}, []int{heads, neurons, out}
}

// chunks collects a row per picture.
func (c *collector) chunks(ctx context.Context) (*CollectResult, error) {
	o := c.options
	axes, row := c.row()
	bytes := int64(4)
	for _, n := range row {
		bytes *= int64(n)
	}
	plan := cache.Plan{
		Kind: kindScores, Axes: append([]string{"B"}, axes...), Row: row, DType: npy.Float32,
		Origin: c.origin(), Inputs: len(c.data.Items), ChunkInputs: chunkImages, Payload: scoresFile,
	}
	if o.Half {
		plan.DType = npy.Float16
	}
	if o.Expand {
		plan.Origin.Parameters["expand"] = true
	}
	if IsDense(o.SavePath) {
		plan.Kind, plan.Payload = kindDense, ""
		plan.ChunkInputs = int(max(1, min(chunkImages, chunkBytes/bytes)))
	}
	result := &CollectResult{Path: o.SavePath, Kind: plan.Kind, Skipped: []Skipped{}}
	w, err := cache.OpenChunks(o.SavePath, plan, o.Restart)
	if errors.Is(err, cache.ErrComplete) {
		return c.complete(result)
	}
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if IsDense(o.SavePath) {
		if err := c.room(bytes, w.Rows()); err != nil {
			return nil, err
		}
	}
	if w.Done() > 0 {
		c.say.Note("%s: going on after %d of %d images", o.SavePath, min(w.Done()*plan.ChunkInputs, plan.Inputs), plan.Inputs)
	}
	if err := c.collect(ctx, w, plan); err != nil {
		return nil, err
	}
	if w.Rows() == 0 {
		return nil, c.unreadable()
	}
	pool, err := c.model.Pool()
	if err != nil {
		return nil, err
	}
	if !IsDense(o.SavePath) {
		if err := addPool(w, pool, o.Expand, par.NewTeam(o.Threads)); err != nil {
			return nil, err
		}
		if err := addNames(w, c.data.Items, w.Skipped()); err != nil {
			return nil, err
		}
	}
	result.Images, result.Skipped = w.Rows(), append(result.Skipped, w.Skipped()...)
	result.Shape = append([]int{w.Rows()}, row...)
	_, err = w.Finish()
	return result, err
}

// unreadable is the error of a collection without a single row.
func (c *collector) unreadable() error {
	err := fmt.Errorf("%s: none of %s could be read", c.data.Root, ui.Images.Count(int64(len(c.data.Items))))
	return hinted{err, "when they can be, start over with --restart"}
}

// complete describes the artefact that is already there.
func (c *collector) complete(result *CollectResult) (*CollectResult, error) {
	a, err := cache.Open(c.options.SavePath)
	if err != nil {
		return nil, err
	}
	result.Complete = true
	result.Shape, result.Images = a.Manifest.Shape, a.Manifest.Shape[0]
	result.Skipped = append(result.Skipped, a.Manifest.Skipped...)
	return result, nil
}

// room says how large a dense tensor will be, and fails when the disk has no
// room for what is left of it.
func (c *collector) room(rowBytes int64, rows int) error {
	total := rowBytes * int64(len(c.data.Items))
	c.say.Note("%s: the dense tensor of %d images takes %s", c.options.SavePath, len(c.data.Items), ui.FormatBytes(total))
	free, err := cache.Free(filepath.Dir(c.options.SavePath))
	if err != nil {
		return err
	}
	if left := total - rowBytes*int64(rows); uint64(left) > free {
		return fmt.Errorf("%s: %s are still to be written, the disk has room for %s (scores alone, a path without .dat or .npy, take %d times less)",
			c.options.SavePath, ui.FormatBytes(left), ui.FormatBytes(int64(free)), c.model.Config.OutDim)
	}
	return nil
}

// collect appends the chunks that are missing. An interrupt lets the chunk in
// hand finish.
func (c *collector) collect(ctx context.Context, w *cache.ChunkWriter, plan cache.Plan) error {
	items := c.data.Items[min(w.Done()*plan.ChunkInputs, len(c.data.Items)):]
	put, err := c.expander()
	if err != nil {
		return err
	}
	return c.run(ctx, items, plan.ChunkInputs, func(scores []float32, _ int, skipped []Skipped) error {
		return w.AppendFunc(skipped, func(write func([]float32) error) error { return put(scores, write) })
	})
}

// expander returns what turns a chunk's scores into the values that are kept.
func (c *collector) expander() (func(scores []float32, write func([]float32) error) error, error) {
	if !IsDense(c.options.SavePath) {
		return func(scores []float32, write func([]float32) error) error { return write(scores) }, nil
	}
	pool, err := c.model.Pool()
	if err != nil {
		return nil, err
	}
	team := par.NewTeam(c.options.Threads)
	directions := pool.AllDirections(team)
	each := pool.Heads * pool.Neurons
	expand, n := pool.Contributions, each*pool.OutDim
	if c.options.Mode == ModeNeurons {
		expand, n = pool.NeuronContributions, pool.Neurons*pool.OutDim
	}
	row := make([]float32, n)
	return func(scores []float32, write func([]float32) error) error {
		for ; len(scores) > 0; scores = scores[each:] {
			expand(row, scores[:each], directions, team)
			if err := write(row); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// run sends pictures through the tower and hands over the scores of every
// chunk of them, with the number of pictures that have some and those that
// could not be read.
func (c *collector) run(ctx context.Context, items []dataset.Item, chunk int, done func(scores []float32, images int, skipped []Skipped) error) error {
	if len(items) == 0 {
		return nil
	}
	o := c.options
	batch := min(o.BatchSize, chunk)
	tower, err := clip.NewImageTower(c.model.Checkpoint, clip.ImageOptions{Batch: max(batch, min(o.BatchSize, 2)), Threads: o.Threads})
	if err != nil {
		return err
	}
	c.tower, c.batch = tower, make([]float32, 0, batch*tower.PictureLen())
	progress := c.say.Progress()
	progress.Start(int64(len(items)), ui.Images, "collect")
	defer progress.Done()

	// The decoder does not see the interrupt, so that a chunk can be finished.
	pictures := newDecoder(context.WithoutCancel(ctx), items, tower.Config().ImageSize, o.Threads, 2*batch, o.Images)
	defer pictures.close()
	config := tower.Config()
	scores := make([]float32, chunk*config.Heads()*config.Neurons())
	for len(items) > 0 {
		if err := ctx.Err(); err != nil {
			return hinted{err, "what is finished is kept: run the same command again to go on"}
		}
		n := min(chunk, len(items))
		images, skipped, err := c.chunk(pictures, n, scores, func() { progress.Add(1) })
		if err != nil {
			return err
		}
		if err := done(scores[:images*config.Heads()*config.Neurons()], images, skipped); err != nil {
			return err
		}
		items = items[n:]
	}
	return nil
}

// chunk fills scores with those of the next n pictures.
func (c *collector) chunk(pictures *decoder, n int, scores []float32, progress func()) (images int, skipped []Skipped, err error) {
	config := c.tower.Config()
	each := config.Heads() * config.Neurons()
	var names []string // of the pictures in the batch
	flush := func() error {
		if len(names) == 0 {
			return nil
		}
		dst := scores[images*each:][:len(names)*each]
		if err := c.tower.Run(c.batch, clip.Output{Scores: dst}); err != nil {
			return err
		}
		for i, s := range dst {
			if s-s != 0 {
				return fmt.Errorf("%s: score of %s is %g: the model overflows on this picture", names[i/each], pairName(i%each, config.Neurons()), s)
			}
		}
		images += len(names)
		names, c.batch = names[:0], c.batch[:0]
		return nil
	}
	for range n {
		p, ok := pictures.next()
		if !ok {
			return 0, nil, errors.New("the pictures ended early")
		}
		if p.err != nil {
			pictures.release(p)
			if c.options.Strict {
				return 0, nil, p.err
			}
			c.say.Warn("skipped: %v", p.err)
			skipped = append(skipped, Skipped{Name: p.item.Name, Reason: reason(p.err, p.item.Path)})
		} else {
			c.batch = append(c.batch, p.pixels...)
			pictures.release(p)
			names = append(names, p.item.Name)
			if len(c.batch) == cap(c.batch) {
				if err := flush(); err != nil {
					return 0, nil, err
				}
			}
		}
		progress()
	}
	return images, skipped, flush()
}

// reason is an error without the path that it begins with, so that artefacts
// do not depend on where the pictures lie.
func reason(err error, path string) string {
	return strings.ReplaceAll(strings.TrimPrefix(err.Error(), path+": "), path, filepath.Base(path))
}

// pairName labels pair h*C+n, such as h12n624.
func pairName(pair, neurons int) string { return fmt.Sprintf("h%dn%d", pair/neurons, pair%neurons) }

// addPool adds what contributions are made of besides scores.
func addPool(w *cache.ChunkWriter, p *decomp.Pool, expand bool, team par.Team) error {
	H, C, O := p.Heads, p.Neurons, p.OutDim
	files := []struct {
		name  string
		shape []int
		data  []float32
	}{
		{valueFile, []int{H, C / H, C}, p.Value},
		{outFile, []int{O, H, C / H}, p.Out},
		{biasFile, []int{H, O}, p.Bias},
	}
	for _, f := range files {
		if err := w.AddFile(f.name, func(to io.Writer) error { return npy.WriteFloat32(to, f.shape, f.data) }); err != nil {
			return err
		}
	}
	if !expand {
		return nil
	}
	return w.AddFile(directionsFile, func(to io.Writer) error {
		return npy.WriteFloat32(to, []int{H, C, O}, p.AllDirections(team))
	})
}

// addNames adds the names of the pictures that have a row, one a line.
func addNames(w *cache.ChunkWriter, items []dataset.Item, skipped []Skipped) error {
	gone := make(map[string]bool, len(skipped))
	for _, s := range skipped {
		gone[s.Name] = true
	}
	return w.AddFile(imagesFile, func(to io.Writer) error {
		for _, item := range items {
			if gone[item.Name] {
				continue
			}
			if _, err := io.WriteString(to, item.Name+"\n"); err != nil {
				return err
			}
		}
		return nil
	})
}
