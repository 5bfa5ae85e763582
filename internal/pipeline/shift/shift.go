// Package shift follows concepts through groups of images, such as years, and watches
// which concepts and pairs moved between two collections; see package trend for the
// maths.
package shift

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/plot"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/trend"
	"github.com/clipnh/clipnh/internal/ui"
)

// Options say which concepts to follow through which images.
type Options struct {
	source.Options
	ConceptOptions

	// Questions are the label that each concept is compared with; empty where there
	// is none.
	Questions []string
	// ReadLabels reads the labels of images; nil: all images, without labels.
	ReadLabels func(context.Context) (*dataset.Labels, error)

	// Collected is where the images of the scores may be, whose files are compared with what
	// they were when they were collected; without a path none are.
	Collected dataset.Options

	SavePath string // JSON; may be empty
	PlotPath string // .png or .svg; may be empty
	Threads  int
	Store    *cache.Store

	// Shard measures only a part of a model's images, to a path of its own. What
	// it takes from the whole's is not JSON for people; Merge makes that of all.
	Shard   shard.Shard
	Restart bool // discard what is at the shard's path
}

// Result is how concepts run through groups of images, such as years.
type Result struct {
	Images   int              `json:"images"` // that have a ratio
	K        int              `json:"k"`      // pairs, or neurons, that stand for a concept
	Grouping string           `json:"grouping,omitempty"`
	Concepts []ConceptResult  `json:"concepts"`
	Skipped  []source.Skipped `json:"skipped"`
	Rounding *source.Rounding `json:"precision_error,omitempty"` // of a model in reduced precision
	Changed  []string         `json:"changed,omitempty"`         // images that were other ones when the scores were collected, or the complete shard measured
	Path     string           `json:"path,omitempty"`
	Plot     string           `json:"plot,omitempty"`
	Complete bool             `json:"already_complete,omitempty"` // of a shard

	images []shiftImage
}

// ConceptResult is a concept's ratio beside its label. Correlations are left out
// where there is no label, and null where they are not defined, as of labels that
// are all the same.
type ConceptResult struct {
	Concept   string            `json:"concept"`
	Pairs     []artefact.Pair   `json:"pairs"`
	Neurons   []artefact.Neuron `json:"neurons,omitempty"` // whose pairs these are, where neurons stand for it
	Label     string            `json:"label,omitempty"`   // it is compared with; empty: none
	Images    int               `json:"images"`            // with a label, or of all where there is none
	MeanRatio float64           `json:"mean_ratio"`
	Measured  *Correlation      `json:"correlation,omitempty"`
	Groups    []Group           `json:"groups,omitempty"`
}

// Correlation is that of ratio and label, by image (point-biserial) and of
// the groups' means and shares.
type Correlation struct {
	Positive int      `json:"positive"` // images with the label
	R        *float64 `json:"point_biserial"`
	P        *float64 `json:"p_value"` // two-sided; 0 where it is below 1e-323
	Log10P   *float64 `json:"log10_p_value"`
	Groups   *float64 `json:"groups_pearson"`
}

// Group is the images of a group.
type Group struct {
	Group     string   `json:"group"`
	Images    int      `json:"images"`
	MeanRatio float64  `json:"mean_ratio"`
	Fraction  *float64 `json:"fraction,omitempty"` // share with the label, 0 to 1
}

// shiftImage is an image with its ratios [concepts] and what is known of it.
type shiftImage struct {
	name    string
	ratios  []float64
	group   string
	answers []dataset.Answer // [concepts]
}

// Run measures the ratio of every concept in every image, averages it by
// group, and correlates it with the label, where there is one. A result that comes with
// an error is whole, and lacks only the paths of what could not be written.
func Run(ctx context.Context, o Options, say ui.Reporter) (*Result, error) {
	if err := fitsFigure(o.PlotPath, len(o.Concepts)); err != nil {
		return nil, err
	}
	if err := artefact.MakeFolders(o.SavePath, o.PlotPath); err != nil {
		return nil, err
	}
	if err := canWrite(o.SavePath, o.PlotPath); err != nil {
		return nil, err
	}
	var labels *dataset.Labels
	if o.ReadLabels != nil {
		var err error
		if labels, err = o.ReadLabels(ctx); err != nil {
			return nil, err
		}
	}
	o.LayerFrom = []string{o.PCsPath}
	if !o.Shard.Whole() {
		o.Part = o.part
	}
	src, err := source.Open(ctx, o.Options, o.Threads, say)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	if src.Heads == 0 {
		return nil, fmt.Errorf("%s: contributions summed over heads, want those of pairs, [B,H,C,O]", o.ScoresPath)
	}
	concepts, err := openConcepts(ctx, o.ConceptOptions, src, o.Threads, say)
	if err != nil {
		return nil, err
	}
	result := &Result{K: unitsOf(concepts), Path: o.SavePath, Plot: o.PlotPath}
	if result.Changed, err = o.compareCollected(ctx, src, say); err != nil {
		return nil, err
	}
	if !o.Shard.Whole() {
		err := result.shard(ctx, o, src, concepts, labels, say)
		result.Skipped, result.Rounding = append(result.Skipped, src.Unlisted...), src.Rounding
		if err != nil {
			return nil, err
		}
		return result, nil
	}
	if result.images, err = conceptRatios(ctx, src, concepts, o.Threads, say, nil); err != nil {
		return nil, err
	}
	if len(result.images) == 0 {
		return nil, errNoneRead
	}
	result.Skipped = append(append([]source.Skipped{}, src.Skipped...), src.Unlisted...)
	result.Rounding = src.Rounding
	asked := make([]string, len(concepts))
	if labels != nil {
		result.Grouping = labels.Grouping
		if asked, err = result.join(labels, o, say); err != nil {
			return nil, err
		}
	}
	result.sumUp(concepts, asked)
	result.warnSmallGroups(say)
	return result, result.write(o)
}

// compareCollected names the images that changed since their scores were collected, as far
// as their files are there: labels may come from a folder without them.
func (o *Options) compareCollected(ctx context.Context, src *source.Source, say ui.Reporter) ([]string, error) {
	a := src.Collection()
	if o.Collected.Path == "" || a == nil {
		return nil, nil
	}
	data, err := source.OpenAs(ctx, o.Collected, a)
	if err != nil && (o.Strict || ctx.Err() != nil) {
		return nil, err
	}
	if err != nil {
		say.Note("%s: its images are not compared with files: %v", o.ScoresPath, err)
		return nil, nil
	}
	recorded, err := source.RecordedImages(a, o.ScoresPath, data, o.Strict)
	if err != nil {
		return nil, err
	}
	if err := recorded.CompareFiles(ctx, data.Items, o.Threads, say.Progress()); err != nil {
		return nil, err
	}
	return recorded.Tell(say), nil
}

// sumUp sums up the images, by concepts and the labels that they have.
func (r *Result) sumUp(concepts []concept, labels []string) {
	r.Images = len(r.images)
	for i, c := range concepts {
		r.Concepts = append(r.Concepts, r.concept(i, c, labels[i]))
	}
}

var errNoneRead = errors.New("none of the images could be read")

// conceptRatios measures all images of a source. It calls kept, if it is not nil,
// with those measured so far.
func conceptRatios(ctx context.Context, src *source.Source, concepts []concept, threads int, say ui.Reporter, kept func([]shiftImage) error) ([]shiftImage, error) {
	meter := newRatioMeter(src, concepts, threads)
	progress := say.Progress()
	progress.Start(int64(src.Images), ui.Images, "shift")
	defer progress.Done()
	var images []shiftImage
	err := src.Each(ctx, func(b source.Batch) error {
		all := make([]float64, len(b.Names)*len(concepts))
		if err := meter.measure(all, b); err != nil {
			return err
		}
		for i, name := range b.Names {
			images = append(images, shiftImage{name: name, ratios: all[i*len(concepts) : (i+1)*len(concepts)]})
		}
		progress.Add(int64(len(b.Names)))
		if kept == nil {
			return nil
		}
		return kept(images)
	})
	return images, err
}

// join keeps the images that labels tell of, and what they tell. It returns the
// label of each concept, empty where there is none.
func (r *Result) join(labels *dataset.Labels, o Options, say ui.Reporter) ([]string, error) {
	asked, at := make([]string, len(o.Concepts)), make([]int, len(o.Concepts))
	var without []string
	for i, question := range o.Questions {
		if at[i] = slices.Index(labels.Names, question); at[i] >= 0 && question != "" {
			asked[i] = question
		} else {
			without = append(without, fmt.Sprintf("%q", o.Concepts[i]))
		}
	}
	const shown = 5
	if more := len(without) - shown; more > 0 {
		without = append(without[:shown], fmt.Sprintf("%d more", more))
	}
	if len(without) > 0 {
		say.Warn("%s: no label for %s: ratios and means only", labels.Path, strings.Join(without, ", "))
	}
	names := make([]string, len(r.images))
	for i, image := range r.images {
		names[i] = image.name
	}
	known, err := labels.Join(names)
	if err != nil {
		return nil, err
	}
	kept := []shiftImage{}
	for i, image := range r.images {
		if known[i] < 0 {
			continue
		}
		k := labels.Known[known[i]]
		image.group, image.answers = k.Group, make([]dataset.Answer, len(asked))
		for c := range asked {
			image.answers[c] = dataset.Unknown
			if asked[c] != "" {
				image.answers[c] = k.Answers[at[c]]
			}
		}
		kept = append(kept, image)
	}
	if !o.Shard.Whole() {
		r.images = kept
		return asked, nil
	}
	if len(kept) == 0 {
		return nil, labels.NoneOf(names)
	}
	if n := len(names) - len(kept); n > 0 {
		say.Note("%s: %s of %d without a row, left out", labels.Path, ui.Images.Count(int64(n)), len(names))
	}
	source.NoteUnused(labels, known, say)
	if labels.Grouping != "" {
		groups := make([]string, len(kept))
		for i, image := range kept {
			groups[i] = image.group
		}
		source.NoteUngrouped(labels, groups, say)
	}
	if labels.Differing > 0 {
		say.Warn("%s: the class of %s differs from the devkit; the table's is used", labels.Path, ui.Images.Count(int64(labels.Differing)))
	}
	r.images = kept
	return asked, nil
}

// concept sums up concept number i.
func (r *Result) concept(i int, of concept, label string) ConceptResult {
	c := ConceptResult{Concept: of.text, Pairs: of.pairs, Neurons: of.neurons, Label: label}
	var ratios []float64
	var shown []bool
	positive := 0
	var groups []string
	for _, image := range r.images {
		if label != "" && image.answers[i] == dataset.Unknown {
			continue
		}
		ratios, groups = append(ratios, image.ratios[i]), append(groups, image.group)
		shown = append(shown, label != "" && image.answers[i] == dataset.Yes)
		if shown[len(shown)-1] {
			positive++
		}
	}
	c.Images, c.MeanRatio = len(ratios), average(ratios)
	if r.Grouping != "" {
		for _, g := range trend.ByGroup(groups, ratios, shown) {
			group := Group{Group: g.Name, Images: g.N, MeanRatio: g.Mean}
			if label != "" {
				group.Fraction = &g.Share
			}
			c.Groups = append(c.Groups, group)
		}
	}
	if label == "" {
		return c
	}
	whole := trend.PointBiserial(ratios, shown)
	var means, shares []float64
	for _, g := range c.Groups {
		means, shares = append(means, g.MeanRatio), append(shares, *g.Fraction)
	}
	c.Measured = &Correlation{positive, defined(whole.R), defined(whole.P), defined(whole.Log10P), defined(trend.Pearson(means, shares))}
	return c
}

// defined is x, or nil where it is no number that JSON has.
func defined(x float64) *float64 {
	if x-x != 0 {
		return nil
	}
	return &x
}

// average is the mean, 0 of none.
func average(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / max(float64(len(x)), 1)
}

// fewImages is how many images make a group's mean unreliable.
const fewImages = 10

// warnSmallGroups says what is to be kept in mind about the result.
func (r *Result) warnSmallGroups(say ui.Reporter) {
	few := map[string]bool{}
	groups := 0
	for _, c := range r.Concepts {
		groups = max(groups, len(c.Groups))
		for _, g := range c.Groups {
			if g.Images < fewImages {
				few[g.Group] = true
			}
		}
		if c.Label != "" && c.Measured.R == nil {
			say.Warn("%q: no correlation: %s, %d with the label", c.Concept, ui.Images.Count(int64(c.Images)), c.Measured.Positive)
		}
	}
	if len(few) > 0 {
		say.Note("%d of %s by %s %s fewer than %d images: their means are rough", len(few), quantity.Of(groups, "group"), r.Grouping, quantity.Has(len(few)), fewImages)
	}
}

// write writes what was asked for, and takes back the path of what it cannot write.
func (r *Result) write(o Options) error {
	var saved, drawn error
	if o.SavePath != "" {
		if saved = o.Store.WriteFile(o.SavePath, r.writeJSON); saved != nil {
			r.Path = ""
		}
	}
	if o.PlotPath != "" {
		drawn = figure.DrawFigure(o.Store, o.PlotPath, "shift", func(w io.Writer, format plot.Format) error { return plot.WritePanels(w, r.figure(), format) })
		if drawn != nil {
			r.Plot = ""
		}
	}
	return errors.Join(saved, drawn)
}
