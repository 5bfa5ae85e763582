package source

import (
	"context"
	"errors"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/ui"
)

// towerReader sends images through a model's tower.
type towerReader struct {
	model   *model.Model
	images  *ImageSet // of which the source's are a part
	tower   clip.ImageTower
	pairs   *clip.Pairs       // nil: only features are asked for
	how     clip.ImageOptions // of the tower
	options Options
	threads int
	say     ui.Reporter
}

// OpenTower makes a source of a model and images.
func OpenTower(ctx context.Context, o Options, threads int, say ui.Reporter) (*Source, error) {
	set, items, sizes, err := openPart(ctx, o, say)
	if err != nil {
		return nil, err
	}
	m, err := model.OpenWith(ctx, o.Model, o.Details)
	if err != nil {
		return nil, errors.Join(err, set.Close())
	}
	m.Tell(say)
	r, src, err := newTower(o, m, len(items), threads, say)
	if err != nil {
		return nil, errors.Join(err, m.Close(), set.Close())
	}
	r.images = set
	src.Images, src.Labelled, src.Items, src.Names, src.sizes = len(items), len(set.Data.Classes) > 0, items, (&dataset.Dataset{Items: items}).Names(), sizes
	src.Inputs, src.Ends = set.Count, set.Ends
	src.Origin.Images = ImagesOrigin(set.Data.Kind, set.Names, set.Fingerprint, o.Stride, o.Images, m.Config.Form)
	src.Origin.Images.LabelKey = set.Data.LabelKey
	src.Unlisted, src.reader = Unlisted(set.Data.Skipped), r
	return src, nil
}

// newTower packs the tower of a model, and returns what is the same for all its images.
func newTower(o Options, m *model.Model, images, threads int, say ui.Reporter) (*towerReader, *Source, error) {
	// Planned for more than one image, whatever the batch: its size never
	// changes a result.
	options := clip.ImageOptions{Batch: max(min(o.BatchSize, images), 2), Threads: threads, Precision: o.Precision}
	c := m.Config
	o.NeuronLayer = m.LayerOf(o.NeuronLayer, o.LayerFrom...)
	src := &Source{OutDim: c.OutDim, Model: m, Origin: m.PairsOrigin(o.NeuronLayer, PrecisionOf(o.Precision))}
	r := &towerReader{model: m, options: o, threads: threads, say: say}
	pairs, err := m.Pairs(o.NeuronLayer)
	switch {
	case err == nil:
		pairs.Want(&options)
		options.PairTokens = options.Pairs && o.PairTokens
		src.Heads, src.Neurons, r.pairs = pairs.Heads, pairs.Neurons, &pairs
	case !o.FeaturesOnly || o.NeuronLayer != nil:
		return nil, nil, err
	}
	if r.tower, err = clip.NewImageTower(m.Checkpoint, options); err != nil {
		return nil, nil, err
	}
	if t, ok := r.tower.(*clip.ResNetTower); ok {
		src.OV = t.OV()
	} else if r.pairs != nil {
		if src.OV, err = pairs.OV(); err != nil {
			return nil, nil, err
		}
	}
	src.Tower, r.how = r.tower, options
	return r, src, nil
}

// outputs returns memory for what the tower says of n images: of pairs in an attention pool
// with what it attends to.
func (r *towerReader) outputs(n int) clip.Output {
	c := r.tower.Config()
	switch {
	case r.pairs == nil:
		return clip.Output{Features: make([]float32, n*c.OutDim)}
	case !r.pairs.Whole():
		out := clip.Output{Features: make([]float32, n*c.OutDim), Scores: make([]float32, n*r.pairs.Heads*r.pairs.Neurons)}
		if r.how.PairTokens {
			out.Weights, out.Neurons = make([]float32, n*r.pairs.Heads*c.Tokens()), make([]float32, n*c.Tokens()*r.pairs.Neurons)
			out.Statistics = make([]float32, 2*n)
		}
		return out
	}
	return clip.Output{
		Scores: make([]float32, n*c.Heads()*c.Neurons()), Attention: make([]float32, n*c.Heads()*c.Tokens()), Tokens: make([]float32, n*c.Tokens()*c.Neurons()),
	}
}

// contributions are those of what the tower said of n images; rows is for all calls.
func (r *towerReader) contributions(rows *factored, run clip.Output, n int) Contributions {
	switch {
	case r.pairs == nil:
		return featuresAlone{run.Features}
	case !r.pairs.Whole():
		return rows.of(run.Scores, n).within(run.Features)
	}
	return rows.of(run.Scores, n)
}

func (r *towerReader) each(ctx context.Context, src *Source, do func(Batch) error) error {
	c, n := r.tower.Config(), max(min(r.options.BatchSize, len(src.Items)), 1)
	images, out := n, r.outputs(n)
	rows := &factored{ov: src.OV}
	feed := NewFeed(ctx, src.Items, FeedOptions{
		Input: c.Input(), Batch: n, Threads: r.threads, Images: r.options.Images, Strict: r.options.Strict,
		First: MeasureRounding(r.model.Checkpoint, r.tower, r.how, func(found *Rounding) { src.Rounding = found }),
	}, r.say)
	defer feed.Close()
	var b Batch
	read := 0
	return feed.Next(ctx, len(src.Items), Visitor{
		Read: func(p Image) error {
			if err := p.AsListed(src.sizes[read], RestoreHint); err != nil {
				return err
			}
			read++
			if src.Read != nil {
				src.Read(p.Sum)
			}
			return nil
		},
		Skip: func(s Skipped) { src.Skipped = append(src.Skipped, s) },
		Batch: func(items []dataset.Item, pixels []float32) error {
			n := len(items)
			b.Names, b.Labels = b.Names[:0], b.Labels[:0]
			for _, item := range items {
				b.Names, b.Labels = append(b.Names, item.Name), append(b.Labels, item.Label)
			}
			run := out.First(n, images)
			if err := r.tower.Run(pixels, run); err != nil {
				return err
			}
			b.Pixels, b.Scores, b.Attention, b.Tokens, b.Contributions = pixels, run.Scores, run.Attention, run.Tokens, r.contributions(rows, run, n)
			if run.Weights != nil {
				b.Attention, b.Tokens, b.Statistics = run.Weights, run.Neurons, run.Statistics
			}
			return do(b)
		},
	})
}

// Others returns a source of other images, those of files, seen by the model of s and prepared
// as its images are; one that cannot be read is an error. It is closed with s.
func (s *Source) Others(ctx context.Context, paths []string, say ui.Reporter) (*Source, error) {
	data, err := ListImages(ctx, paths, dataset.Options{}, 1, true, say)
	if err != nil {
		return nil, err
	}
	sizes, err := data.Sizes()
	if err != nil {
		return nil, err
	}
	r := *s.reader.(*towerReader)
	r.options.Strict, r.options.BatchSize = true, r.how.Batch
	return &Source{
		Images: len(data.Items), Heads: s.Heads, Neurons: s.Neurons, OutDim: s.OutDim, Origin: s.Origin, OV: s.OV, Model: s.Model, Tower: s.Tower,
		Items: data.Items, Names: data.Names(), sizes: sizes, reader: &r,
	}, nil
}

func (r *towerReader) close() error { return errors.Join(r.model.Close(), r.images.Close()) }

// openPart returns the images that a model is to see, their files' sizes when they were listed,
// and the set that they are of. Of a kept list only a part is read and compared with the sizes
// in it, unless all are asked for.
func openPart(ctx context.Context, o Options, say ui.Reporter) (set *ImageSet, items []dataset.Item, sizes []int64, err error) {
	if o.Part != nil && len(o.Paths) == 0 {
		set, err = OpenImageSet(ctx, o.Data, o.Stride, o.Strict, say)
	} else {
		var data *dataset.Dataset
		if data, err = ListImages(ctx, o.Paths, o.Data, o.Stride, o.Strict, say); err == nil {
			set, err = newImageSet(data)
		}
	}
	if err != nil {
		return nil, nil, nil, err
	}
	lo, hi := 0, set.Count
	if o.Part != nil {
		lo, hi, err = o.Part(set.Count, set.Ends)
	}
	if err == nil {
		items, sizes, err = set.Part(ctx, lo, hi)
	}
	if err != nil {
		return nil, nil, nil, errors.Join(err, set.Close())
	}
	return set, items, sizes, nil
}
