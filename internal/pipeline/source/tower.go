package source

import (
	"context"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/ui"
)

// towerReader sends images through a model's tower.
type towerReader struct {
	model   *model.Model
	tower   *clip.ResNetTower
	how     clip.ImageOptions // of the tower
	options Options
	threads int
	say     ui.Reporter
}

// OpenTower makes a source of a model and images.
func OpenTower(ctx context.Context, o Options, threads int, say ui.Reporter) (*Source, error) {
	data, err := ListImages(ctx, o.Paths, o.Data, o.Stride, o.Strict, say)
	if err != nil {
		return nil, err
	}
	sizes := data.Sizes()
	m, err := model.Open(ctx, o.Model)
	if err != nil {
		return nil, err
	}
	m.Tell(say)
	// Planned for more than one image, whatever the batch: its size never
	// changes a result.
	options := clip.ImageOptions{Batch: max(min(o.BatchSize, len(data.Items)), 2), Threads: threads, Precision: o.Precision}
	tower, err := clip.NewResNetTower(m.Checkpoint, options)
	if err != nil {
		m.Close()
		return nil, err
	}
	c := tower.Config()
	return &Source{
		Images: len(data.Items), Heads: c.Heads(), Neurons: c.Neurons(), OutDim: c.OutDim, Labelled: len(data.Classes) > 0,
		Origin: origin.Origin{
			Model: c.Name(), Weights: m.Hash, Tensors: m.Tensors, Block: origin.LastBlock, Precision: PrecisionOf(o.Precision),
			Images: ImagesOrigin(data.Kind, NamesHash(data.Items), data.FingerprintOf(sizes), o.Stride, o.Images),
		},
		OV: tower.OV(), Model: m, Tower: tower, Items: data.Items, Names: data.Names(), sizes: sizes, Unlisted: Unlisted(data.Skipped), reader: &towerReader{m, tower, options, o, threads, say},
	}, nil
}

func (r *towerReader) each(ctx context.Context, src *Source, do func(Batch) error) error {
	c, n := r.tower.Config(), max(min(r.options.BatchSize, len(src.Items)), 1)
	scores, attention, tokens := c.Heads()*c.Neurons(), c.Heads()*c.Tokens(), c.Tokens()*c.Neurons() // of an image
	out := clip.Output{
		Scores: make([]float32, n*scores), Attention: make([]float32, n*attention), Tokens: make([]float32, n*tokens),
	}
	rows := &factored{ov: src.OV}
	feed := NewFeed(ctx, src.Items, FeedOptions{
		Side: c.ImageSize, Batch: n, Threads: r.threads, Images: r.options.Images, Strict: r.options.Strict,
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
			run := clip.Output{Scores: out.Scores[:n*scores], Attention: out.Attention[:n*attention], Tokens: out.Tokens[:n*tokens]}
			if err := r.tower.Run(pixels, run); err != nil {
				return err
			}
			b.Scores, b.Attention, b.Tokens, b.Contributions = run.Scores, run.Attention, run.Tokens, rows.of(run.Scores, n)
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
	r := *s.reader.(*towerReader)
	r.options.Strict, r.options.BatchSize = true, r.how.Batch
	return &Source{
		Images: len(data.Items), Heads: s.Heads, Neurons: s.Neurons, OutDim: s.OutDim, Origin: s.Origin, OV: s.OV, Model: s.Model, Tower: s.Tower,
		Items: data.Items, Names: data.Names(), sizes: data.Sizes(), reader: &r,
	}, nil
}

func (r *towerReader) close() error { return r.model.Close() }
