package source

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/internal/pipeline/model"

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

// Options says which pictures to evaluate, and where what the model says
// about them comes from: what Collect wrote, or the model itself.
type Options struct {
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

// A Batch is what a source says about a run of pictures. The next one may
// overwrite it.
type Batch struct {
	Names  []string
	Labels []int     // dataset.Unlabelled where there is none
	Scores []float32 // [B,H,C]
	Dense  []float32 // instead of scores, of one picture: [H,C,O] or [C,O]

	Attention, Tokens []float32 // [B,H,T] and [B,T,C], of a model only
}

// A Source gives batches in the order of the pictures.
type Source struct {
	Images         int // those that cannot be read included
	Heads, Neurons int // heads is 0 of a dense file that is summed over them
	OutDim         int
	Labelled       bool
	Origin         origin.Origin // for manifests: the model, and what was read

	Artefact *cache.Artefact // of collected scores; else nil

	Pool    *decomp.Pool     // nil of a dense file
	Tower   *clip.ImageTower // of a model only
	Items   []dataset.Item   // its pictures
	Skipped []Skipped        // known after each

	Each  func(ctx context.Context, do func(Batch) error) error
	Close func() error
}

func Open(ctx context.Context, o Options, threads int, say ui.Reporter) (*Source, error) {
	switch {
	case o.Model != "":
		return OpenTower(ctx, o, threads, say)
	case artefact.IsDense(o.ScoresPath):
		return openDenseSource(ctx, o)
	case o.Shape != nil:
		return nil, fmt.Errorf("%s: {shape} is for dense .dat and .npy files; a folder of scores says its shape itself", o.ScoresPath)
	}
	return OpenScores(ctx, o)
}

// batchImages is how many pictures' scores are in memory at a time: 76 MB for
// RN50x16.
const batchImages = 128

// OpenScores opens a folder that Collect wrote.
func OpenScores(ctx context.Context, o Options) (*Source, error) {
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
	src := &Source{
		Artefact: s.Artefact, Images: s.Images, Heads: s.Pool.Heads, Neurons: s.Pool.Neurons, OutDim: s.Pool.OutDim,
		Labelled: labels != nil, Origin: artefact.DerivedFrom(s.Artefact), Pool: s.Pool, Close: s.Close,
	}
	src.Each = func(ctx context.Context, do func(Batch) error) error {
		row := src.Heads * src.Neurons
		scores := make([]float32, min(batchImages, s.Images)*row)
		for lo := 0; lo < s.Images; lo += batchImages {
			if err := ctx.Err(); err != nil {
				return err
			}
			hi := min(lo+batchImages, s.Images)
			b := Batch{Names: names[lo:hi], Scores: scores[:(hi-lo)*row]}
			if labels != nil {
				b.Labels = labels[lo:hi]
			}
			if err := s.Read(b.Scores, lo); err != nil {
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
func openDenseSource(ctx context.Context, o Options) (*Source, error) {
	d, err := o.Artefacts.Dense(o.ScoresPath, o.Shape, nil)
	if err != nil {
		return nil, err
	}
	shape := d.Shape
	src := &Source{
		Images: shape[0], Neurons: shape[len(shape)-2], OutDim: shape[len(shape)-1],
		Origin: artefact.DerivedFrom(d.Artefact), Close: d.Close,
	}
	if len(shape) == 4 {
		src.Heads = shape[1]
	}
	names := make([]string, src.Images)
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
	src.Labelled = labels != nil
	src.Each = func(ctx context.Context, do func(Batch) error) error {
		row := make([]float32, artefact.Product(shape[1:]))
		for i := range src.Images {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := d.ReadImage(row, i); err != nil {
				return err
			}
			b := Batch{Names: names[i : i+1], Dense: row}
			if labels != nil {
				b.Labels = labels[i : i+1]
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
func denseLabels(ctx context.Context, o Options, d *artefact.Dense) (names []string, labels []int, err error) {
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

// OpenTower makes a source of a model and pictures.
func OpenTower(ctx context.Context, o Options, threads int, say ui.Reporter) (*Source, error) {
	data, err := OpenImages(ctx, o.Data, o.Strict, say)
	if err != nil {
		return nil, err
	}
	data = data.Stride(o.Stride)
	m, err := model.Open(ctx, o.Model)
	if err != nil {
		return nil, err
	}
	// Planned for more than one picture, whatever the batch: its size never
	// changes a result.
	tower, err := clip.NewImageTower(m.Checkpoint, clip.ImageOptions{Batch: max(min(o.BatchSize, len(data.Items)), 2), Threads: threads, Precision: o.Precision})
	if err != nil {
		m.Close()
		return nil, err
	}
	c := tower.Config()
	src := &Source{
		Images: len(data.Items), Heads: c.Heads(), Neurons: c.Neurons(), OutDim: c.OutDim, Labelled: len(data.Classes) > 0,
		Origin: origin.Origin{
			Model: c.Name(), Weights: m.Hash, Block: origin.LastBlock, Precision: PrecisionOf(o.Precision),
			Images: ImagesOrigin(data.Kind, data.Fingerprint(), o.Stride, o.Images),
		},
		Pool: tower.Pool(), Tower: tower, Items: data.Items, Close: m.Close,
	}
	src.Each = func(ctx context.Context, do func(Batch) error) error {
		return src.runTower(ctx, o, src.Items, threads, say, do)
	}
	return src, nil
}

// runTower sends pictures through the tower, batch by batch.
func (s *Source) runTower(ctx context.Context, o Options, items []dataset.Item, threads int, say ui.Reporter, do func(Batch) error) error {
	c, n := s.Tower.Config(), max(min(o.BatchSize, len(items)), 1)
	pixels := make([]float32, 0, n*s.Tower.PictureLen())
	out := clip.Output{
		Scores:    make([]float32, n*c.Heads()*c.Neurons()),
		Attention: make([]float32, n*c.Heads()*c.Tokens()),
		Tokens:    make([]float32, n*c.Tokens()*c.Neurons()),
	}
	var b Batch
	flush := func() error {
		n := len(b.Names)
		if n == 0 {
			return nil
		}
		full := out
		full.Scores, full.Attention, full.Tokens = out.Scores[:n*c.Heads()*c.Neurons()], out.Attention[:n*c.Heads()*c.Tokens()], out.Tokens[:n*c.Tokens()*c.Neurons()]
		if err := s.Tower.Run(pixels, full); err != nil {
			return err
		}
		b.Scores, b.Attention, b.Tokens = full.Scores, full.Attention, full.Tokens
		if err := do(b); err != nil {
			return err
		}
		b.Names, b.Labels, pixels = b.Names[:0], b.Labels[:0], pixels[:0]
		return nil
	}
	pictures := NewDecoder(ctx, items, c.ImageSize, threads, 2*n, o.Images)
	defer pictures.Close()
	for range items {
		p, ok := pictures.Next()
		if err := ctx.Err(); err != nil {
			return err
		}
		if !ok {
			return errors.New("the pictures ended early")
		}
		if p.Err == nil {
			pixels = append(pixels, p.Pixels...)
			b.Names, b.Labels = append(b.Names, p.Item.Name), append(b.Labels, p.Item.Label)
		}
		pictures.Release(p)
		if p.Err != nil {
			if o.Strict {
				return p.Err
			}
			say.Warn("skipped: %v", p.Err)
			s.Skipped = append(s.Skipped, Skipped{Name: p.Item.Name, Reason: Reason(p.Err, p.Item.Path)})
		}
		if len(b.Names) == n {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// ImagesOrigin says which images were sent through a tower, and how they were
// prepared.
func ImagesOrigin(dataset, fingerprint string, stride int, o imageprep.Options) *origin.Images {
	return &origin.Images{
		Dataset: dataset, SHA256: fingerprint, Stride: stride, Preprocessing: imageprep.Version, EXIF: o.EXIF, MaxPixels: o.MaxPixels,
	}
}

// PrecisionOf names the precision of products in a tower.
func PrecisionOf(p kernel.Precision) string {
	if p == kernel.BFloat16 {
		return origin.BFloat16
	}
	return origin.Float32
}

// Recall names the pictures that were skipped when what is at path was made. To a
// strict run those that could not be read are an error, as they would have been
// then.
func Recall(path string, skipped []Skipped, strict bool, say ui.Reporter) error {
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

// Reason is an error without the path that it begins with, so that artefacts
// do not depend on where the pictures lie.
func Reason(err error, path string) string {
	return strings.ReplaceAll(strings.TrimPrefix(err.Error(), path+": "), path, filepath.Base(path))
}

// Skipped is a picture that could not be read, and why.
type Skipped = cache.Skipped
