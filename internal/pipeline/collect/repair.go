package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/kernel/cpu"
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
	Store              *cache.Store
}

// Repair computes what is damaged in a collection again. Nothing is written but
// the bytes that were there; see cache.Repair.
func Repair(ctx context.Context, a *cache.Artefact, v RepairOptions, say ui.Reporter) error {
	if v.Model == "" || v.DataPath == "" {
		return fmt.Errorf("%s: to compute it again, want {model} and {data-path}", a.Path())
	}
	if d := a.Manifest.Origin.Device; d != nil {
		return fmt.Errorf("%s: it was computed on the device %s (%s), which repairs do not use", a.Path(), d.Name, d.Runtime)
	}
	o, err := v.collectOptions(a.Path(), a.Manifest)
	if err != nil {
		return err
	}
	c, err := openCollector(ctx, o, say)
	if err != nil {
		return err
	}
	defer c.close()
	from := c.origin()
	from.Shard = a.Manifest.Origin.Shard // which the options restrict the images to
	if err := a.IsOf(a.Manifest.Kind, from); err != nil {
		return hint.With(err, "repair with the model and the images that it was made from")
	}
	lo, hi := 0, c.listed.Count
	if !o.Shard.Whole() {
		if lo, hi, err = shard.RangeOf(a.Manifest); err != nil {
			return err
		}
	}
	if hi > c.listed.Count {
		return fmt.Errorf("%s: %w: it is of images %d to %d, of which there are %d", a.Path(), cache.ErrDamaged, lo+1, hi, c.listed.Count)
	}
	if err := c.take(ctx, lo, hi); err != nil {
		return err
	}
	r, err := v.Store.OpenRepair(ctx, a.Path(), nil)
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
		Model: v.Model, Data: dataset.Options{Kind: cmp.Or(v.DataKind, images.Dataset), Path: v.DataPath}, Stride: max(images.Stride, 1),
		BatchSize: v.BatchSize, Threads: v.Threads, Mode: from.Mode, Mean: collect.Mean,
		StatsOnly: slices.Contains([]string{artefact.KindStatistics, artefact.KindSummary}, artefact.WholeKind(m.Kind)), TopK: collect.TopK, FitTopK: true,
		NoFeatures: artefact.WholeKind(m.Kind) == artefact.KindSummary, SavePath: path, DType: npy.Float32,
		WrittenOut: !artefact.IsFactored(m),
		Expand:     collect.Expand, Published: collect.Form == origin.Published, Images: imageprep.Options{EXIF: images.EXIF, MaxPixels: images.MaxPixels},
	}
	if m.DType == npy.Float16.String() {
		o.DType = npy.Float16
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
		o.Details, o.NeuronLayer = model.Details{Heads: t.Heads, Activation: t.Activation}, from.PairsLayer()
		o.Published = o.Published || t.Form == origin.Published
	}
	form, err := model.FormOf(images.Form)
	if err != nil {
		return o, fmt.Errorf("%s: %w", path, err)
	}
	mean, std := form.Numbers()
	o.Details.Mean, o.Details.Std, o.Details.Fit = &mean, &std, &form.Fit
	o.Data = o.Data.WithKeyOf(images.Dataset, images.LabelKey)
	if sh := from.Shard; sh != nil {
		o.Shard = shard.Recorded(sh)
		if err := o.Shard.Check(); err != nil {
			return o, fmt.Errorf("%s: shard %w", path, err)
		}
	}
	if collect.Batch == "1" {
		o.BatchSize = 1
	}
	if from.Precision == origin.BFloat16 {
		o.Precision = kernel.BFloat16
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
	case r.options.NoFeatures:
		err = r.summaryAgain(ctx)
	case r.statistics():
		err = r.everything(ctx)
	default:
		err = r.rows(ctx, r.Chunks)
	}
	if err != nil {
		return err
	}
	if m.Payloads[0].File != "" {
		if err := r.files(); err != nil {
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

// rows computes chunks again, each with the kernels that computed it.
func (r *repair) rows(ctx context.Context, chunks []int) error {
	by := map[string][]int{}
	for _, c := range chunks {
		kernel := r.Manifest.Payloads[0].Chunks[c].Kernel
		by[kernel] = append(by[kernel], c)
	}
	for _, kernel := range slices.Sorted(maps.Keys(by)) {
		what := fmt.Sprintf("chunk %d", by[kernel][0])
		err := r.computed(kernel, what, func() error { return r.each(ctx, by[kernel], func(collected) {}) })
		if err != nil {
			return err
		}
	}
	return nil
}

// files makes the files again that lie beside the rows, each with the kernels that
// computed it. Those that depend on the images are made already.
func (r *repair) files() error {
	kernels := map[string]bool{}
	for _, name := range r.Files {
		kernels[r.FileKernel(name)] = true
	}
	for _, kernel := range slices.Sorted(maps.Keys(kernels)) {
		restore := func() {}
		// Names and weights are the same with any, so where it is not to be had, try.
		if level, ok := cpu.Named(kernel); ok {
			restore = cpu.Force(level)
		}
		err := r.addFiles(madeBy{r, kernel}, r.Manifest.Skipped)
		restore()
		if err != nil {
			return err
		}
	}
	return nil
}

// madeBy adds the files that a family of kernels has computed.
type madeBy struct {
	*repair
	kernel string
}

func (m madeBy) AddFile(name string, write func(io.Writer) error) error {
	if m.FileKernel(name) != m.kernel {
		return nil
	}
	return m.repair.AddFile(name, write)
}

// computed calls work with the family of kernels which computed what is to be computed
// again. Where that is not known it is this process's.
func (r *repair) computed(kernel, what string, work func() error) error {
	switch families := cache.Families(kernel); len(families) {
	case 0:
	case 1:
		level, ok := cpu.Named(kernel)
		if !ok {
			return hint.With(
				fmt.Errorf("%s: %s: computed with %s kernels, which this processor or build does not have: its bytes cannot be made again here", r.Path(), what, kernel),
				"repair on a processor like that it was made on, or make it again with {restart}",
			)
		}
		defer cpu.Force(level)()
	default:
		return hint.With(
			fmt.Errorf("%s: %s: computed with %s kernels, by a run that was resumed on another kind of processor: its bytes cannot be made again", r.Path(), what, strings.Join(families, " and ")),
			"make it again with {restart}",
		)
	}
	return work()
}

// everything computes all chunks again, and the statistics of all images.
func (r *repair) everything(ctx context.Context) error {
	kernel, others := r.FileKernel(artefact.SumsFile), []int(nil)
	for _, c := range r.Chunks {
		if r.Manifest.Payloads[0].Chunks[c].Kernel != kernel {
			others = append(others, c)
		}
	}
	if err := r.rows(ctx, others); err != nil {
		return err
	}
	return r.computed(kernel, artefact.SumsFile, func() error { return r.statisticsAgain(ctx) })
}

// statisticsAgain sums up all images again, and writes the chunks on the way that are
// damaged.
func (r *repair) statisticsAgain(ctx context.Context) error {
	pairs := r.mode.(statisticsMode).pairs
	e := lowrank.NewExtremes(pairs.Heads*pairs.Neurons, keptScores(r.options.TopK, len(r.items)))
	all := make([]int, len(r.Manifest.Payloads[0].Chunks))
	for i := range all {
		all[i] = i
	}
	sum := extremeSums{e, par.NewTeam(r.options.Threads)}
	if err := r.each(ctx, all, func(chunk collected) { sum.add(chunk.values) }); err != nil {
		return err
	}
	return artefact.AddStatistics(r, e, pairs.Heads, pairs.Neurons)
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
	cut := m.Chunking()
	for _, c := range chunks {
		for i := cut.First(c); i < min(cut.First(c+1), len(r.items)); i++ {
			numbers = append(numbers, i)
		}
	}
	chunks = slices.Clone(chunks)
	return r.collector.run(ctx, numbers, cut, func(chunk collected) error {
		number := chunks[0]
		chunks = chunks[1:]
		for i, was := range m.Payloads[0].Chunks[number].InputSums() {
			if now := chunk.sums[i]; now != was {
				return source.Changed(r.items[cut.First(number)+i].Path)
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
	kernel, what := r.FileKernel(artefact.ImagesFile), artefact.ImagesFile
	switch {
	case single:
		kernel, what = r.FileKernel(""), "the mean"
	case len(r.Chunks) > 0:
		kernel, what = r.Manifest.Payloads[0].Chunks[0].Kernel, "the mean"
	}
	return r.computed(kernel, what, func() error { return r.meanAgain(ctx) })
}

func (r *repair) meanAgain(ctx context.Context) error {
	single := r.Manifest.Payloads[0].File == ""
	sum, state := make(valueSums, r.mode.values()), &sumState{}
	err := r.collector.run(ctx, r.from(0), r.inSteps(), func(chunk collected) error {
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
