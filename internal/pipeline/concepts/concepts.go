// Package concepts says what an image shows without being told any classes: by the words of
// those units whose effect on it is among their largest.
//
// The effect of a unit on an image is its contribution less the mean over a collection. With p
// the effect's projection on the unit's component, and c the component's code over words, an
// image's word w has the weight
//
//	Σ_u c[u,w]·p[u]
//
// over the units u to whose K largest effects on images of the collection, by their norms, that
// on the image belongs.
//
// Source: Gandelsman, Efros and Steinhardt, arXiv:2406.04341. There, norms take the place of
// projections.
package concepts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// Options says which images to describe, and by which units and words.
type Options struct {
	// Of all units: their components, and codes that are read or computed. Units are not named.
	coding.DescribeOptions

	ScoresPath string        // a folder of scores: the collection
	Model      string        // of images that are files; may be empty
	Details    model.Details // of the model
	Images     []string      // by their names in the collection, or files; none: all of the collection

	AttributesPath string // csv of what is true of images; may be empty
	TopImages      int    // K; 0: 2 % of the collection's images, and at least 1
	List           int    // words of an image
}

// Result is what the images show.
type Result struct {
	Scores    string   `json:"scores"`
	Collected int      `json:"collection_images"`
	Unit      string   `json:"unit"` // pair or neuron
	Units     int      `json:"units"`
	TopImages int      `json:"top_images"` // a unit counts for an image among so many of its strongest
	Images    []Image  `json:"images"`
	Named     []Column `json:"attributes,omitempty"`
}

// Image is the words of an image.
type Image struct {
	Name  string           `json:"name"`
	Units int              `json:"units"` // that count
	Words []coding.Weighed `json:"words"` // the heaviest first
}

// sharePerUnit is which share of the images of a collection are a unit's strongest unless their
// number is given: one in so many, 100 of 5,000 as in the paper.
const sharePerUnit = 50

// groupImages is how many images are described together, for which all scores of the collection
// are read once. Their scores and ranks take 16 bytes for each pair and image.
const groupImages = 64

// Run describes images in their order. It reads the scores of the collection twice for the
// first group of images, and once for each other.
func Run(ctx context.Context, o Options, say ui.Reporter) (*Result, error) {
	src, err := source.OpenScores(ctx, source.Options{Artefacts: o.Artefacts, ScoresPath: o.ScoresPath}, say)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	scores, err := src.Scores()
	if err != nil {
		return nil, err
	}
	d := &describer{Options: o, src: src, scores: scores, say: say, team: par.NewTeam(o.Threads), described: map[int][]artefact.Term{}, gains: map[int][]float64{}}
	if err := d.open(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	result, err := d.run(ctx)
	if err := errors.Join(err, d.close()); err != nil {
		return nil, err
	}
	return result, nil
}

// A describer is a Run under way.
type describer struct {
	Options
	src    *source.Source
	scores *artefact.Scores
	say    ui.Reporter
	team   par.Team

	pcs       *artefact.Components
	coder     *coding.Describer
	effects   *effects
	described map[int][]artefact.Term // words of units, as far as they were wanted
	gains     map[int][]float64       // of units: products of the component and the directions, of a neuron one for each head
}

// open opens components and codes, which must be those of the collection's model.
func (d *describer) open() error {
	facts := artefact.Of(artefact.OriginOf(d.src.Artefact))
	var err error
	if d.pcs, err = d.Artefacts.ComponentsBeside(d.PCsPath, facts, d.src.OV); err != nil {
		return err
	}
	described := d.DescribeOptions
	described.Opened = d.pcs
	if d.coder, err = coding.OpenDescriber(described); err != nil {
		return err
	}
	return nil
}

func (d *describer) close() error {
	var failed error
	if d.pcs != nil {
		failed = d.pcs.Close()
	}
	if d.coder != nil {
		failed = errors.Join(failed, d.coder.Close())
	}
	return failed
}

func (d *describer) run(ctx context.Context) (*Result, error) {
	if d.src.Images == 0 {
		return nil, fmt.Errorf("%s: scores of no image", d.ScoresPath)
	}
	names := d.src.Names
	if len(d.Images) > 0 {
		var err error
		if names, err = d.src.ExpandNames(d.Images); err != nil {
			return nil, err
		}
		files := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return d.src.RowOf(name) >= 0 })
		if err := d.src.CanSee(d.files(), files); err != nil {
			return nil, err
		}
	}
	var attributes []dataset.Attribute
	if d.AttributesPath != "" {
		var err error
		if attributes, err = dataset.ReadAttributes(d.AttributesPath, names); err != nil {
			return nil, err
		}
		if len(attributes) == 0 {
			return nil, fmt.Errorf("%s: no attribute of any of %s, want some that are true of them", d.AttributesPath, ui.Images.Count(int64(len(names))))
		}
	}
	top := cmp.Or(d.TopImages, max(1, d.src.Images/sharePerUnit))
	if top > d.src.Images {
		return nil, usage.Errorf("{top-images} %d: %s has %s", top, d.ScoresPath, ui.Images.Count(int64(d.src.Images)))
	}
	var err error
	if d.effects, err = newEffects(ctx, d.scores, d.pcs.Units, d.team); err != nil {
		return nil, err
	}
	r := &Result{
		Scores: d.ScoresPath, Collected: d.src.Images, Unit: d.pcs.Units.Kind(), Units: d.pcs.Units.Count(), TopImages: top, Images: make([]Image, 0, len(names)),
	}
	progress := d.say.Progress()
	progress.Start(int64(len(names)), ui.Images, "describe")
	defer progress.Done()
	for group := range slices.Chunk(names, groupImages) {
		images, err := d.group(ctx, group, top)
		if err != nil {
			return nil, err
		}
		r.Images = append(r.Images, images...)
		progress.Add(int64(len(group)))
	}
	r.Named = columns(attributes, r.Images)
	return r, nil
}

// group describes some images.
func (d *describer) group(ctx context.Context, names []string, top int) ([]Image, error) {
	rows, err := d.scoresOf(ctx, names)
	if err != nil {
		return nil, err
	}
	larger, sizes, err := d.effects.rank(ctx, d.scores, rows, d.team)
	if err != nil {
		return nil, err
	}
	// A unit without an effect has none that is large.
	counting := make([][]int, len(names))
	var wanted []int
	Q := len(names)
	for u := range d.pcs.Units.Count() {
		for q := range names {
			if at := u*Q + q; int(larger[at]) < top && sizes[at] > 0 {
				counting[q] = append(counting[q], u)
			}
		}
		if _, known := d.described[u]; !known && slices.ContainsFunc(counting, func(list []int) bool { return len(list) > 0 && list[len(list)-1] == u }) {
			wanted = append(wanted, u)
		}
	}
	if err := d.describe(ctx, wanted); err != nil {
		return nil, err
	}
	each := d.src.Heads * d.src.Neurons
	images := make([]Image, Q)
	d.team.For(Q, func(lo, hi, _ int) {
		for q := lo; q < hi; q++ {
			counting[q] = slices.DeleteFunc(counting[q], d.isNull)
			images[q] = d.words(names[q], counting[q], rows[q*each:(q+1)*each])
		}
	})
	return images, nil
}

// scoresOf returns the scores of images, [Q,H,C].
func (d *describer) scoresOf(ctx context.Context, names []string) ([]float32, error) {
	each := d.src.Heads * d.src.Neurons
	rows := make([]float32, len(names)*each)
	var files []string
	var at []int
	for q, name := range names {
		row := d.src.RowOf(name)
		if row < 0 {
			files, at = append(files, name), append(at, q)
			continue
		}
		if len(d.Images) > 0 {
			source.NoteTaken(name, d.ScoresPath, d.say)
		}
		if err := d.src.Row(rows[q*each:(q+1)*each], row); err != nil {
			return nil, err
		}
	}
	if len(files) == 0 {
		return rows, nil
	}
	err := d.src.See(ctx, d.files(), files, d.Threads, d.say, func(first int, b source.Batch) error {
		for i := range b.Names {
			copy(rows[at[first+i]*each:][:each], b.Scores[i*each:(i+1)*each])
		}
		return nil
	})
	if err == nil {
		if i := artefact.FirstNonFinite(rows); i >= 0 {
			err = fmt.Errorf("%s: a score is %g, want finite ones", names[i/each], rows[i])
		}
	}
	return rows, err
}

// files says how images that are files are seen.
func (d *describer) files() source.Options {
	return source.Options{
		Artefacts: d.Artefacts, ScoresPath: d.ScoresPath, Model: d.Model, Details: d.Details, LayerFrom: []string{d.ScoresPath}, BatchSize: fileBatch,
		Images: imageprep.Options{MaxPixels: imageprep.DefaultMaxPixels},
	}
}

// fileBatch is how many image files are sent through a tower together.
const fileBatch = 8
