package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/ui"
)

// PictureOptions says which pictures to evaluate, and where what the model says
// about them comes from: what Collect wrote, or the model itself.
type PictureOptions struct {
	Artefacts  artefact.Reader
	ScoresPath string // a folder of scores, or a dense .dat or .npy
	Shape      []int  // of a dense file that has no manifest

	Model     string // instead of ScoresPath
	BatchSize int
	Images    imageprep.Options
	Strict    bool
	Precision kernel.Precision // of the products in the tower

	// Data are the pictures, or what collected ones have their labels from;
	// without a path these have none.
	Data   dataset.Options
	Stride int // every Stride-th picture
}

// A batch is what a source says about a run of pictures. The next one may
// overwrite it.
type batch struct {
	names  []string
	labels []int     // dataset.Unlabelled where there is none
	scores []float32 // [B,H,C]
	dense  []float32 // instead of scores, of one picture: [H,C,O] or [C,O]

	attention, tokens []float32 // [B,H,T] and [B,T,C], of a model only
}

// A source gives batches in the order of the pictures.
type source struct {
	images         int // those that cannot be read included
	heads, neurons int // heads is 0 of a dense file that is summed over them
	outDim         int
	labelled       bool
	origin         origin.Origin // for manifests: the model, and what was read

	artefact *cache.Artefact // of collected scores; else nil

	pool    *decomp.Pool     // nil of a dense file
	tower   *clip.ImageTower // of a model only
	items   []dataset.Item   // its pictures
	skipped []Skipped        // known after each

	each  func(ctx context.Context, do func(batch) error) error
	close func() error
}

func openSource(ctx context.Context, o PictureOptions, threads int, say ui.Reporter) (*source, error) {
	switch {
	case o.Model != "":
		return openTowerSource(ctx, o, threads, say)
	case artefact.IsDense(o.ScoresPath):
		return openDenseSource(ctx, o)
	case o.Shape != nil:
		return nil, fmt.Errorf("%s: {shape} is for dense .dat and .npy files; a folder of scores says its shape itself", o.ScoresPath)
	}
	return openScoresSource(ctx, o)
}

// batchImages is how many pictures' scores are in memory at a time: 76 MB for
// RN50x16.
const batchImages = 128

// openScoresSource opens a folder that Collect wrote.
func openScoresSource(ctx context.Context, o PictureOptions) (*source, error) {
	s, err := o.Artefacts.Scores(o.ScoresPath, nil)
	if err != nil {
		return nil, err
	}
	names, err := s.Names()
	var labels []int
	if err == nil && o.Data.Path != "" {
		labels, err = dataLabels(ctx, o.Data, names, s.Path())
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	src := &source{
		artefact: s.Artefact, images: s.Images, heads: s.Pool.Heads, neurons: s.Pool.Neurons, outDim: s.Pool.OutDim,
		labelled: labels != nil, origin: artefact.DerivedFrom(s.Artefact), pool: s.Pool, close: s.Close,
	}
	src.each = func(ctx context.Context, do func(batch) error) error {
		row := src.heads * src.neurons
		scores := make([]float32, min(batchImages, s.Images)*row)
		for lo := 0; lo < s.Images; lo += batchImages {
			if err := ctx.Err(); err != nil {
				return err
			}
			hi := min(lo+batchImages, s.Images)
			b := batch{names: names[lo:hi], scores: scores[:(hi-lo)*row]}
			if labels != nil {
				b.labels = labels[lo:hi]
			}
			if err := s.Read(b.scores, lo); err != nil {
				return err
			}
			if err := do(b); err != nil {
				return err
			}
		}
		return nil
	}
	return src, nil
}

// dataLabels returns the labels of pictures by name; nil if the data set has
// none.
func dataLabels(ctx context.Context, o dataset.Options, names []string, of string) ([]int, error) {
	data, err := dataset.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	if len(data.Classes) == 0 {
		return nil, nil
	}
	byName := make(map[string]int, len(data.Items))
	for _, item := range data.Items {
		byName[item.Name] = item.Label
	}
	labels := make([]int, len(names))
	for i, name := range names {
		label, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("%s: picture %s is not in %s", of, name, o.Path)
		}
		labels[i] = label
	}
	return labels, nil
}

// openDenseSource opens contributions that are written out, [B,H,C,O] or [B,C,O].
func openDenseSource(ctx context.Context, o PictureOptions) (*source, error) {
	d, err := o.Artefacts.Dense(o.ScoresPath, o.Shape, nil)
	if err != nil {
		return nil, err
	}
	shape := d.Shape
	src := &source{
		images: shape[0], neurons: shape[len(shape)-2], outDim: shape[len(shape)-1],
		origin: artefact.DerivedFrom(d.Artefact), close: d.Close,
	}
	if len(shape) == 4 {
		src.heads = shape[1]
	}
	names := make([]string, src.images)
	for i := range names {
		names[i] = fmt.Sprintf("image %d", i)
	}
	var labels []int
	if o.Data.Path != "" {
		names, labels, err = denseLabels(ctx, o, d)
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	src.labelled = labels != nil
	src.each = func(ctx context.Context, do func(batch) error) error {
		row := make([]float32, artefact.Product(shape[1:]))
		for i := range src.images {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := d.ReadImage(row, i); err != nil {
				return err
			}
			b := batch{names: names[i : i+1], dense: row}
			if labels != nil {
				b.labels = labels[i : i+1]
			}
			if err := do(b); err != nil {
				return err
			}
		}
		return nil
	}
	return src, nil
}

// denseLabels returns the names and labels of a dense file's rows, which are
// the data set's pictures in their order, but for those that were skipped.
func denseLabels(ctx context.Context, o PictureOptions, d *artefact.Dense) (names []string, labels []int, err error) {
	data, err := dataset.Open(ctx, o.Data)
	if err != nil {
		return nil, nil, err
	}
	stride, gone := o.Stride, map[string]bool{}
	if d.Artefact != nil {
		m := d.Artefact.Manifest
		if m.Origin.Images != nil {
			stride = m.Origin.Images.Stride
		}
		for _, s := range m.Skipped {
			gone[s.Name] = true
		}
	}
	data = data.Stride(max(stride, 1))
	if d.Artefact != nil {
		// Rows have no names, so that only the very same images will do.
		if err := o.Artefacts.Check(d.Artefact, artefact.Facts{}.Images(data.Fingerprint())); err != nil {
			return nil, nil, err
		}
	}
	for _, item := range data.Items {
		if !gone[item.Name] {
			names, labels = append(names, item.Name), append(labels, item.Label)
		}
	}
	if len(names) != d.Images() {
		return nil, nil, fmt.Errorf("%s: %d rows, but %s has %d pictures (every %d-th)", d.Path, d.Images(), o.Data.Path, len(names), stride)
	}
	if len(data.Classes) == 0 {
		labels = nil
	}
	return names, labels, nil
}

// openTowerSource makes a source of a model and pictures.
func openTowerSource(ctx context.Context, o PictureOptions, threads int, say ui.Reporter) (*source, error) {
	data, err := openPictures(ctx, o.Data, o.Strict, say)
	if err != nil {
		return nil, err
	}
	data = data.Stride(o.Stride)
	m, err := openModel(ctx, o.Model)
	if err != nil {
		return nil, err
	}
	// Planned for more than one picture, whatever the batch: its size never
	// changes a result.
	tower, err := clip.NewImageTower(m.Checkpoint, clip.ImageOptions{Batch: max(o.BatchSize, 2), Threads: threads, Precision: o.Precision})
	if err != nil {
		m.Close()
		return nil, err
	}
	c := tower.Config()
	src := &source{
		images: len(data.Items), heads: c.Heads(), neurons: c.Neurons(), outDim: c.OutDim, labelled: len(data.Classes) > 0,
		origin: origin.Origin{
			Model: c.Name(), Weights: m.sha256, Block: origin.LastBlock, Precision: precisionOf(o.Precision),
			Images: imagesOrigin(data.Kind, data.Fingerprint(), o.Stride, o.Images),
		},
		pool: tower.Pool(), tower: tower, items: data.Items, close: m.Close,
	}
	src.each = func(ctx context.Context, do func(batch) error) error {
		return src.runTower(ctx, o, src.items, threads, say, do)
	}
	return src, nil
}

// runTower sends pictures through the tower, batch by batch.
func (s *source) runTower(ctx context.Context, o PictureOptions, items []dataset.Item, threads int, say ui.Reporter, do func(batch) error) error {
	c, n := s.tower.Config(), o.BatchSize
	pixels := make([]float32, 0, n*s.tower.PictureLen())
	out := clip.Output{
		Scores:    make([]float32, n*c.Heads()*c.Neurons()),
		Attention: make([]float32, n*c.Heads()*c.Tokens()),
		Tokens:    make([]float32, n*c.Tokens()*c.Neurons()),
	}
	var b batch
	flush := func() error {
		n := len(b.names)
		if n == 0 {
			return nil
		}
		full := out
		full.Scores, full.Attention, full.Tokens = out.Scores[:n*c.Heads()*c.Neurons()], out.Attention[:n*c.Heads()*c.Tokens()], out.Tokens[:n*c.Tokens()*c.Neurons()]
		if err := s.tower.Run(pixels, full); err != nil {
			return err
		}
		b.scores, b.attention, b.tokens = full.Scores, full.Attention, full.Tokens
		if err := do(b); err != nil {
			return err
		}
		b.names, b.labels, pixels = b.names[:0], b.labels[:0], pixels[:0]
		return nil
	}
	pictures := newDecoder(ctx, items, c.ImageSize, threads, 2*n, o.Images)
	defer pictures.close()
	for range items {
		p, ok := pictures.next()
		if err := ctx.Err(); err != nil {
			return err
		}
		if !ok {
			return errors.New("the pictures ended early")
		}
		if p.err == nil {
			pixels = append(pixels, p.pixels...)
			b.names, b.labels = append(b.names, p.item.Name), append(b.labels, p.item.Label)
		}
		pictures.release(p)
		if p.err != nil {
			if o.Strict {
				return p.err
			}
			say.Warn("skipped: %v", p.err)
			s.skipped = append(s.skipped, Skipped{Name: p.item.Name, Reason: reason(p.err, p.item.Path)})
		}
		if len(b.names) == n {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// imagesOrigin says which images were sent through a tower, and how they were
// prepared.
func imagesOrigin(dataset, fingerprint string, stride int, o imageprep.Options) *origin.Images {
	return &origin.Images{
		Dataset: dataset, SHA256: fingerprint, Stride: stride, Preprocessing: imageprep.Version, EXIF: o.EXIF, MaxPixels: o.MaxPixels,
	}
}

// precisionOf names the precision of products in a tower.
func precisionOf(p kernel.Precision) string {
	if p == kernel.BFloat16 {
		return origin.BFloat16
	}
	return origin.Float32
}

// recall names the pictures that were skipped when what is at path was made. To a
// strict run those that could not be read are an error, as they would have been
// then.
func recall(path string, skipped []Skipped, strict bool, say ui.Reporter) error {
	for _, s := range skipped {
		if strict && s.Reason != Missing {
			err := fmt.Errorf("%s: made without %s: %s", path, s.Name, s.Reason)
			return hint.With(err, "when it can be read, discard what is there with {restart}")
		}
		say.Warn("skipped: %s: %s", s.Name, s.Reason)
	}
	return nil
}

// Missing is why an image that a data set lists and lacks is skipped. Not even a
// strict run fails on it.
const Missing = "missing"

// reason is an error without the path that it begins with, so that artefacts
// do not depend on where the pictures lie.
func reason(err error, path string) string {
	return strings.ReplaceAll(strings.TrimPrefix(err.Error(), path+": "), path, filepath.Base(path))
}

// Skipped is a picture that could not be read, and why.
type Skipped = cache.Skipped
