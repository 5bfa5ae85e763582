package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

// RepairOptions say what a damaged collection is computed again with.
type RepairOptions struct {
	Model              string
	DataKind, DataPath string // DataKind may be empty, for that of the collection
	BatchSize          int
	Threads            int
}

// Repair computes what is damaged in a collection again. Nothing is written but
// the bytes that were there; see cache.Repair.
func Repair(ctx context.Context, a *cache.Artefact, v RepairOptions, say ui.Reporter) error {
	if v.Model == "" || v.DataPath == "" {
		return fmt.Errorf("%s: to compute it again, want {model} and {data-path}", a.Path())
	}
	o, err := v.collectOptions(a.Path(), a.Manifest)
	if err != nil {
		return err
	}
	c, err := openCollector(ctx, o, say)
	if err != nil {
		return err
	}
	defer c.model.Close()
	from := c.origin()
	from.Shard = a.Manifest.Origin.Shard // which the options restrict the images to
	if err := a.IsOf(a.Manifest.Kind, from); err != nil {
		return hint.With(err, "repair with the model and the images that it was made from")
	}
	lo, hi, err := o.Shard.Bounds(len(c.data.Items), a.Manifest.ChunkInputs)
	if err != nil {
		return err
	}
	c.items, c.sizes = c.data.Items[lo:hi], c.sizes[lo:hi]
	r, err := cache.OpenRepair(ctx, a.Path(), nil)
	if err != nil {
		return err
	}
	defer r.Close()
	// Values that are not finite were written so; and another repair may have been
	// faster.
	if r.Damaged() {
		if err := (&repair{c, r}).run(ctx); err != nil {
			return err
		}
	}
	return r.Close()
}

// collectOptions are those that the collection at path, of manifest m, was made
// with.
func (v RepairOptions) collectOptions(path string, m cache.Manifest) (Options, error) {
	from, images, collect := m.Origin, origin.Images{}, origin.Collect{}
	if from.Images != nil {
		images = *from.Images
	}
	if from.Collect != nil {
		collect = *from.Collect
	}
	o := Options{
		Model: v.Model, Data: dataset.Options{Kind: images.Dataset, Path: v.DataPath}, Stride: max(images.Stride, 1),
		BatchSize: v.BatchSize, Threads: v.Threads, Mode: from.Mode, Mean: collect.Mean,
		StatsOnly: artefact.WholeKind(m.Kind) == artefact.KindStatistics, TopK: collect.TopK, SavePath: path, Half: m.DType == npy.Float16.String(),
		Expand: collect.Expand, Images: imageprep.Options{EXIF: images.EXIF, MaxPixels: images.MaxPixels},
	}
	var err error
	if o.Images.Order, err = imageprep.ParseOrder(images.Preprocess); err != nil {
		return o, fmt.Errorf("%s: preprocess %w", path, err)
	}
	if from.Block != origin.LastBlock && from.Mode == ModeLens {
		if o.Lens, err = strconv.Atoi(from.Block); err != nil {
			return o, fmt.Errorf("%s: block %.20q, want a number", path, from.Block)
		}
	}
	if t := from.Transformer; t != nil {
		o.Details = model.Details{Heads: t.Heads, Activation: t.Activation}
		if t.NeuronLayer >= 0 {
			o.NeuronLayer = &t.NeuronLayer
		}
	}
	if v.DataKind != "" {
		o.Data.Kind = v.DataKind
	}
	if sh := from.Shard; sh != nil {
		o.Shard = shard.Shard{Number: sh.Number, Of: sh.Of}
		if err := o.Shard.Check(); err != nil {
			return o, fmt.Errorf("%s: shard %w", path, err)
		}
	}
	if collect.Batch == "1" {
		o.BatchSize = 1
	}
	if from.Precision == origin.BFloat16 {
		o.Precision = kernel.BFloat16
		if !kernel.HasBFloat16() {
			return o, fmt.Errorf("%s: made with bf16 products, which this processor does not have", path)
		}
	}
	return o, nil
}

// repair is a repair under way.
type repair struct {
	*collector
	*cache.Repair
}

func (r *repair) run(ctx context.Context) error {
	m := r.Manifest
	var err error
	switch {
	case r.options.Mean:
		err = r.mean(ctx)
	case r.statistics():
		err = r.everything(ctx)
	default:
		err = r.rows(ctx, slices.Clone(r.Chunks))
	}
	if err != nil {
		return err
	}
	if m.Payloads[0].File != "" {
		if err := r.addFiles(r, m.Skipped); err != nil {
			return err
		}
	}
	if r.Header {
		if err := r.RestoreHeader(); err != nil {
			return err
		}
	}
	if r.Damaged() {
		return fmt.Errorf("%s: chunks %v and files %q cannot be computed again", r.Path(), r.Chunks, r.Files)
	}
	return nil
}

// statistics reports whether sums or extremes are damaged, to which every image
// has added something.
func (r *repair) statistics() bool { return slices.ContainsFunc(r.Files, artefact.IsStatistics) }

// rows computes chunks again.
func (r *repair) rows(ctx context.Context, chunks []int) error {
	return r.each(ctx, chunks, func(collected) {})
}

// everything computes all chunks again, and the statistics of all images.
func (r *repair) everything(ctx context.Context) error {
	config := r.model.Config
	e := lowrank.NewExtremes(config.Heads()*config.Neurons(), keptScores(r.options.TopK, len(r.items)))
	all := make([]int, len(r.Manifest.Payloads[0].Chunks))
	for i := range all {
		all[i] = i
	}
	sum := extremeSums{e, par.NewTeam(r.options.Threads)}
	if err := r.each(ctx, all, func(chunk collected) { sum.add(chunk.values) }); err != nil {
		return err
	}
	return artefact.AddStatistics(r, e, config.Heads(), config.Neurons())
}

// each computes chunks again, writes those that are damaged, and hands over what
// they gave.
func (r *repair) each(ctx context.Context, chunks []int, also func(collected)) error {
	rows, err := r.collector.rows()
	if err != nil {
		return err
	}
	m := r.Manifest
	var numbers []int
	for _, c := range chunks {
		for i := c * m.ChunkInputs; i < min((c+1)*m.ChunkInputs, len(r.items)); i++ {
			numbers = append(numbers, i)
		}
	}
	return r.collector.run(ctx, numbers, m.ChunkInputs, func(chunk collected) error {
		number := chunks[0]
		chunks = chunks[1:]
		for i, was := range m.Payloads[0].Chunks[number].InputSums() {
			if now := chunk.sums[i]; now != was {
				return source.Changed(r.items[number*m.ChunkInputs+i], was, now)
			}
		}
		also(chunk)
		if !slices.Contains(r.Chunks, number) {
			return nil
		}
		return r.RestoreChunk(number, rows(chunk))
	})
}

// mean computes a mean again, unless only files beside it are damaged that come
// from the model alone.
func (r *repair) mean(ctx context.Context) error {
	single := r.Manifest.Payloads[0].File == ""
	if len(r.Chunks) == 0 && !single && !slices.Contains(r.Files, artefact.ImagesFile) {
		return nil
	}
	sum, state := make(valueSums, r.mode.values()), &sumState{}
	err := r.collector.run(ctx, r.from(0), chunkOf(r.mode.values()), func(chunk collected) error {
		sum.add(chunk.values)
		state.add(chunk)
		return nil
	})
	if err != nil {
		return err
	}
	if state.Images == 0 {
		return r.unreadable()
	}
	mean, err := r.expandMean(sum.mean(state.Images))
	if err != nil {
		return err
	}
	if single {
		return r.AddFile("", r.meanFile(mean))
	}
	if len(r.Chunks) > 0 {
		err = r.RestoreChunk(0, func(put func([]float32) error) error { return put(mean) })
	}
	return errors.Join(err, addNames(r, r.items, state.Skipped))
}
