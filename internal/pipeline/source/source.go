// Package source says something about images: by scores that were collected, by
// contributions that another program wrote out, or by sending the images through
// a model.
//
// A Source hands over Batches in the order of the images. A Feed is the one loop
// by which images reach a tower; what cannot be decoded is skipped and named.
package source

import (
	"context"
	"fmt"
	"path"
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
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// Options says which images to evaluate, and where what the model says about
// them comes from: what a collection wrote, or the model itself.
type Options struct {
	Artefacts  artefact.Reader
	ScoresPath string // a folder of scores, or a dense .dat or .npy
	Shape      []int  // of a dense file that has no manifest

	// FirstOrder is for what looks at features taken apart by heads: those are at ScoresPath,
	// and other parts of the features, MLPs and class tokens, at Parts.
	FirstOrder bool
	Parts      []string

	Model   string        // instead of ScoresPath
	Details model.Details // of the model
	// NeuronLayer is the layer of a vision transformer whose neurons' pairs are looked at,
	// nil for a ResNet. FeaturesOnly is for what looks at image features and no pairs: it
	// needs no layer then, and takes a folder of features at ScoresPath too.
	NeuronLayer  *int
	LayerFrom    []string // artefacts that know it, where NeuronLayer is nil
	FeaturesOnly bool
	// PairTokens has batches of a vision transformer carry what scores are made of, which
	// those of an attention pool always do.
	PairTokens bool
	BatchSize  int
	Images     imageprep.Options
	Asked      Asked // of Images
	Strict     bool
	Precision  kernel.Precision // of the products in the tower

	// Data are the images, or what collected ones have their labels from; without
	// a path these have none.
	Data   dataset.Options
	Stride int      // every Stride-th image of Data
	Paths  []string // instead of Data, of a model only: files, and folders of images

	// Part says which images of a number of them a model is to see, lo to hi; nil: all.
	Part func(images int, ends []int) (lo, hi int, err error)
}

// A Batch is what a source says about a run of images. The next one may overwrite
// it.
type Batch struct {
	Contributions
	Names  []string
	Labels []int     // dataset.Unlabelled where there is none
	Scores []float32 // [B,H,C]
	Dense  []float32 // instead of scores, of one image: [H,C,O] or [C,O]

	// Of a model only: the images [B,3,S,S], and the weights [B,H,T] of the heads and the
	// tokens [B,T,C] that scores are the products of, which are attention and what enters
	// the pool in an attention pool; see clip.Output.
	Pixels, Attention, Tokens []float32
	Statistics                []float32 // [B,2], where pairs are a part of the features

	Parts *Parts // of Options.FirstOrder only
}

// Contributions are those of a batch of images, factored or written out.
type Contributions interface {
	// Features writes the image features, [B,O].
	Features(dst []float32, team par.Team)
	// AddRest adds to features that were put together from pairs, [B,O], what is left of
	// the image features without these: nothing where pairs sum to them.
	AddRest(dst []float32)
	// Ablated writes the features with the contributions of the units that a does
	// not keep replaced by their means, [B,O].
	Ablated(dst []float32, a *decomp.Ablation, team par.Team)
}

// A Source gives batches in the order of the images.
type Source struct {
	Images         int // those that cannot be read included
	Heads, Neurons int // heads is 0 of a dense file that is summed over them
	OutDim         int
	Labelled       bool
	Rounding       *Rounding     // of a model in reduced precision, once a batch was handed over
	Origin         origin.Origin // for manifests: the model, and what was read

	Artefact *cache.Artefact // of collected scores or features; else nil

	FirstOrder *artefact.FirstOrder // of Options.FirstOrder only

	Names   []string        // of all images, those that cannot be read included
	OV      *decomp.OV      // nil of a dense file
	Model   *model.Model    // of a model only
	Tower   clip.ImageTower // of a model only
	Items   []dataset.Item  // its images
	Inputs  int             // how many images a model has in all, of which Items may be a part
	Ends    []int           // of these, those before which another archive begins
	sizes   []int64         // of the files of Items when they were listed
	Skipped []Skipped       // known after Each

	// Read is called for each of Items that was read, skipped ones included, in
	// their order and before the batch that it is in, with the checksum of its
	// file; may be nil.
	Read func(sum uint32)

	// Unlisted is what the listing of the images left out. It is part of results,
	// and not of manifests, which count images that have a place among the rows.
	Unlisted []Skipped

	reader reader
}

// A reader reads what a source says: collected scores, a dense file, or a model.
type reader interface {
	each(ctx context.Context, src *Source, do func(Batch) error) error
	close() error
}

// Units are the pairs, or, of what is summed over heads, the neurons.
func (s *Source) Units() unit.Layered {
	shape := unit.Shape{s.Neurons}
	if s.Heads > 0 {
		shape = unit.Shape{s.Heads, s.Neurons}
	}
	return unit.Layered{Shape: shape, Layers: artefact.OriginLayers(s.Origin)}
}

// NeuronUnits are the neurons.
func (s *Source) NeuronUnits() unit.Layered {
	return unit.Layered{Shape: unit.Shape{s.Neurons}, Layers: artefact.OriginLayers(s.Origin)}
}

// ResNetTower is the tower of a model with an attention pool, whose tokens a stage works on.
func (s *Source) ResNetTower() (*clip.ResNetTower, error) {
	if t, ok := s.Tower.(*clip.ResNetTower); ok {
		return t, nil
	}
	return nil, s.Model.Require(clip.AttentionPool)
}

// PairTower is the tower of a model that says where in images the scores of its pairs come
// from. It may be the source's own.
func (s *Source) PairTower() (clip.PairTower, error) {
	r := s.reader.(*towerReader)
	if t, ok := s.Tower.(*clip.ResNetTower); ok {
		return clip.NewPoolTower(*r.pairs, t), nil
	}
	return clip.NewPairTower(*r.pairs, r.how)
}

// EditedNeurons returns what computes image features with the activations of neurons that gone
// [C] says replaced by means [C], the same at every token and for every image, of a model in
// whose weights that can be done; ok is false of another. It packs an image tower.
func (s *Source) EditedNeurons(gone []bool, means []float64) (features func(dst []float32, b Batch, team par.Team) error, ok bool, err error) {
	r, isTower := s.reader.(*towerReader)
	if !isTower || r.pairs == nil || r.pairs.Weights().Means() != clip.ActivationMeans {
		return nil, false, nil
	}
	factors := make([]float64, r.pairs.Heads*r.pairs.Neurons)
	for u := range factors {
		if !gone[u%r.pairs.Neurons] {
			factors[u] = 1
		}
	}
	edit, err := r.pairs.Weights().Edit(factors, means)
	if err != nil {
		return nil, true, err
	}
	after, err := edit.Edited(clip.ImageOptions{Batch: r.how.Batch, Threads: r.how.Threads, Precision: r.how.Precision})
	return func(dst []float32, b Batch, team par.Team) error {
		return after.Features(dst, clip.Seen{Images: len(b.Names), Pixels: b.Pixels}, team)
	}, true, err
}

// Listed are checksums of a model's images as they were listed.
func (s *Source) Listed() []uint32 { return ListedAll(s.Items, s.sizes) }

// AllNames returns the names of all images of a model, of which Items may be a part.
func (s *Source) AllNames(ctx context.Context) ([]string, error) {
	return s.reader.(*towerReader).images.AllNames(ctx)
}

// Restrict leaves only items lo to hi of a model's images.
func (s *Source) Restrict(lo, hi int) {
	s.Items, s.sizes, s.Names = s.Items[lo:hi], s.sizes[lo:hi], s.Names[lo:hi]
	s.Images = hi - lo
}

// Collection is what was collected, scores, heads or a dense file; nil of a model, and of another
// program's file.
func (s *Source) Collection() *cache.Artefact {
	switch r := s.reader.(type) {
	case *denseReader:
		return r.Dense.Artefact
	case *partsReader:
		return r.Heads.Artefact
	}
	return s.Artefact
}

// Each hands over all batches.
func (s *Source) Each(ctx context.Context, do func(Batch) error) error {
	return s.reader.each(ctx, s, do)
}

// Close closes the file or the model.
func (s *Source) Close() error { return s.reader.close() }

// Open opens what o names.
func Open(ctx context.Context, o Options, threads int, say ui.Reporter) (*Source, error) {
	switch {
	case o.Model != "":
		return OpenTower(ctx, o, threads, say)
	case o.FirstOrder:
		return noted(o.ScoresPath, say)(openParts(ctx, o, threads, say))
	case artefact.IsDense(o.ScoresPath):
		return noted(o.ScoresPath, say)(openDense(ctx, o))
	case o.Shape != nil:
		return nil, usage.Errorf("%s: {shape} is for dense .dat and .npy files; a folder of scores says its shape itself", o.ScoresPath)
	case o.FeaturesOnly:
		return noted(o.ScoresPath, say)(openFeatures(ctx, o, say))
	}
	return noted(o.ScoresPath, say)(OpenScores(ctx, o, say))
}

// noted says of what was collected with reduced precision that it was.
func noted(path string, say ui.Reporter) func(*Source, error) (*Source, error) {
	return func(src *Source, err error) (*Source, error) {
		if err == nil && src.Origin.Precision == origin.BFloat16 {
			say.Note("%s: collected with bf16 products; its error was printed then", path)
		}
		return src, err
	}
}

// ImagesOrigin says which images of a kind of data set were sent through a tower, by the
// hash of their names and the fingerprint, and how they were prepared for a model.
func ImagesOrigin(dataset, names, fingerprint string, stride int, o imageprep.Options, form imageprep.Form) *origin.Images {
	return &origin.Images{
		Dataset: dataset, SHA256: fingerprint, Names: names, Stride: stride, Preprocessing: imageprep.Version,
		Preprocess: o.Order.String(), EXIF: o.EXIF, MaxPixels: o.MaxPixels, Form: model.FormOrigin(form),
	}
}

// PrecisionOf names the precision of products in a tower.
func PrecisionOf(p kernel.Precision) string {
	if p == kernel.BFloat16 {
		return origin.BFloat16
	}
	return origin.Float32
}

// Recall names the images that were skipped when what is at the path of was made. To a
// strict run those that could not be read are an error, as they would have been
// then.
func Recall(of string, skipped []Skipped, strict bool, say ui.Reporter) error {
	for _, s := range skipped {
		if strict && s.Reason != Missing {
			err := fmt.Errorf("%s: made without an image: %s", of, Passed(s))
			return hint.With(err, "to include it once it can be read, discard what is there with {restart}")
		}
		say.Warn("skipped: %s", Passed(s))
	}
	return nil
}

// Passed says of an image that was skipped which it is, and why, as the run that skipped it
// did: most reasons name the file themselves.
func Passed(s Skipped) string {
	file := path.Base(s.Name) + ": "
	if before, after, named := strings.Cut(s.Reason, file); named && (before == "" || strings.HasSuffix(before, ": ")) {
		return before + s.Name + ": " + after
	}
	return s.Name + ": " + s.Reason
}

// Missing is why an image that a data set lists and lacks is skipped. Not even a
// strict run fails on it.
const Missing = "missing"

// Reason is an error without the path that it begins with, so that artefacts
// do not depend on where the images lie.
func Reason(err error, path string) string {
	return strings.ReplaceAll(strings.TrimPrefix(err.Error(), path+": "), path, filepath.Base(path))
}

// Skipped is an image that could not be read, and why.
type Skipped = cache.Skipped
