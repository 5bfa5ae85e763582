package shift

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/plot"
	"github.com/clipnh/clipnh/internal/trend"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// WatchOptions say which collections to compare, in which concepts.
type WatchOptions struct {
	ConceptOptions
	Reference, Scores string  // folders of scores, of the same model
	List              int     // concepts, and pairs, to name at most, those that moved most
	FalseDiscovery    float64 // rate of false discoveries among what has changed, 0 to 1
	Bootstrap         int     // replicates; 0: no intervals
	Seed              uint64
	SavePath          string // JSON; may be empty
	PlotPath          string // .png or .svg; may be empty
	Store             *cache.Store
	Threads           int
}

// measured is how many concepts to measure intervals of: those that are listed, or drawn.
func (o WatchOptions) measured() int {
	if o.PlotPath == "" {
		return o.List
	}
	return max(o.List, mostDrawn)
}

// minImages is how many images a collection must have: means of fewer are no matter for
// intervals. Below reliableImages tests and intervals are called approximate.
const (
	minImages      = 20
	reliableImages = 50
)

// maxBootstrapValues bounds what all replicates give, which is in memory at once:
// 800 MB.
const maxBootstrapValues = 100_000_000

// confidence is that of the intervals.
const confidence = 0.95

// WatchResult is what moved between two collections, most first.
type WatchResult struct {
	Reference       string  `json:"reference"`
	ReferenceImages int     `json:"reference_images"`
	Scores          string  `json:"scores"`
	Images          int     `json:"images"`
	K               int     `json:"k"` // pairs that stand for a concept
	Bootstrap       int     `json:"bootstrap"`
	Seed            uint64  `json:"seed"`
	Confidence      float64 `json:"confidence"`

	FalseDiscovery  float64  `json:"false_discovery_rate"`
	WatchedConcepts int      `json:"watched_concepts"`
	WatchedPairs    int      `json:"watched_pairs"`
	ChangedConcepts int      `json:"changed_concepts"`
	ChangedPairs    int      `json:"changed_pairs"`
	Concepts        []Change `json:"concepts"` // at most List
	Pairs           []Change `json:"pairs"`    // at most List, those that have changed
	Path            string   `json:"path,omitempty"`
	Plot            string   `json:"plot,omitempty"`

	drawn []Change // concepts that a figure shows, whatever List is
}

// Change is a concept by its ratio, or a pair by its score, in two collections.
type Change struct {
	Name          string          `json:"name"`            // the concept's text, or h12n624
	Pairs         []artefact.Pair `json:"pairs,omitempty"` // of a concept
	ReferenceMean float64         `json:"reference_mean"`
	Mean          float64         `json:"mean"`
	// Difference is that of the means over the pooled standard deviation; null, for
	// infinite, of values that never vary and have moved.
	Difference *float64 `json:"difference"`
	P          float64  `json:"p"`             // of as large a difference of two parts of one collection
	Q          float64  `json:"q"`             // the least rate of false discoveries at which it has changed
	Changed    bool     `json:"changed"`       // Q is at most the rate asked for
	Low        *float64 `json:"low,omitempty"` // of the interval
	High       *float64 `json:"high,omitempty"`

	size float64 // |difference|, perhaps infinite
}

// Size is how far it has moved either way, perhaps infinitely.
func (m Change) Size() float64 { return m.size }

// Watch compares a collection with a reference: the ratio of every concept and the
// score of every pair, each by the difference of its means in standard deviations.
// Concepts, and pairs, have changed if they are discoveries at FalseDiscovery among all
// of their kind. Concepts and the pairs that have changed are listed, each with a
// bootstrap interval of its own. Both folders
// are read image by image, twice, so that memory does not grow with their
// size but for the values of what is listed. A result that comes with an error is
// whole, and could not be written.
func Watch(ctx context.Context, o WatchOptions, say ui.Reporter) (*WatchResult, error) {
	if err := artefact.MakeFolders(o.SavePath, o.PlotPath); err != nil {
		return nil, err
	}
	isWatch := func(first, second string) bool { return first == "reference" && second == "" }
	if err := figure.CanWriteJSON(o.SavePath, "a result of watch", isWatch); err != nil {
		return nil, err
	}
	if err := figure.CanDraw(o.PlotPath); err != nil {
		return nil, err
	}
	ref, now, err := openBoth(ctx, o, say)
	if err != nil {
		return nil, err
	}
	defer ref.Close()
	defer now.Close()
	concepts, err := openConcepts(ctx, o.ConceptOptions, now, o.Threads, say)
	if err != nil {
		return nil, err
	}
	w := &watcher{o: o, concepts: concepts, pairs: now.Heads * now.Neurons, units: now.Units(), team: par.NewTeam(o.Threads)}
	if listed := min(o.measured(), len(concepts)) + min(o.List, w.pairs); listed*o.Bootstrap*trend.ValuesPerReplicate > maxBootstrapValues {
		return nil, usage.Errorf("{list} %d and {bootstrap} %d: intervals of %d units take %d values, want at most %d: list fewer, or take fewer replicates",
			o.List, o.Bootstrap, listed, listed*o.Bootstrap*trend.ValuesPerReplicate, maxBootstrapValues)
	}
	both := []*source.Source{ref, now}
	if err := w.pass(ctx, both, "watch", say, w.sum); err != nil {
		return nil, err
	}
	result := &WatchResult{
		Reference: o.Reference, ReferenceImages: ref.Images, Scores: o.Scores, Images: now.Images, K: min(o.K, w.pairs),
		Bootstrap: o.Bootstrap, Seed: o.Seed, Confidence: confidence, FalseDiscovery: o.FalseDiscovery, WatchedConcepts: len(concepts), WatchedPairs: w.pairs, Path: o.SavePath, Plot: o.PlotPath,
	}
	if n := min(ref.Images, now.Images); n < reliableImages {
		say.Warn("%d images in the smaller collection: with fewer than %d, intervals and rates of false discoveries are approximate", n, reliableImages)
	}
	result.Concepts, w.listed[0], result.ChangedConcepts = rank(w.ofConcepts, len(concepts), o.measured(), o.FalseDiscovery, false)
	result.Pairs, w.listed[1], result.ChangedPairs = rank(w.ofPairs, w.pairs, o.List, o.FalseDiscovery, true)
	if o.Bootstrap > 0 {
		if err := w.pass(ctx, both, "watch, for intervals", say, w.gather); err != nil {
			return nil, err
		}
		if err := w.bound(ctx, result); err != nil {
			return nil, err
		}
	}
	w.describe(result)
	result.drawn = result.Concepts[:min(len(result.Concepts), mostDrawn)]
	result.Concepts = result.Concepts[:min(len(result.Concepts), o.List)]
	return result, result.write(o)
}

// write writes the files of a result, and takes back the paths of those that it could not.
func (r *WatchResult) write(o WatchOptions) error {
	var saved, drawn error
	if o.SavePath != "" {
		kept := *r
		kept.Path, kept.Plot = "", "" // the same work elsewhere has the same bytes
		saved = o.Store.WriteFile(o.SavePath, func(to io.Writer) error {
			e := json.NewEncoder(to)
			e.SetEscapeHTML(false)
			e.SetIndent("", " ")
			return e.Encode(&kept)
		})
		if saved != nil {
			r.Path = ""
		}
	}
	if o.PlotPath != "" {
		drawn = figure.DrawFigure(o.Store, o.PlotPath, func(w io.Writer, format plot.Format) error { return plot.WriteIntervals(w, r.figure(), format) })
		if drawn != nil {
			r.Plot = ""
		}
	}
	return errors.Join(saved, drawn)
}

// openBoth opens the two collections, which must come from the same weights and
// the same way of preparing images.
func openBoth(ctx context.Context, o WatchOptions, say ui.Reporter) (ref, now *source.Source, err error) {
	now, err = source.OpenScores(ctx, source.Options{ScoresPath: o.Scores, Artefacts: o.Artefacts})
	if err != nil {
		return nil, nil, err
	}
	if ref, err = source.OpenScores(ctx, source.Options{ScoresPath: o.Reference, Artefacts: o.Artefacts}); err != nil {
		now.Close()
		return nil, nil, err
	}
	if err := comparable(o, ref.Artefact, now.Artefact, say); err != nil {
		ref.Close()
		now.Close()
		return nil, nil, err
	}
	switch {
	case ref.Heads != now.Heads || ref.Neurons != now.Neurons || ref.OutDim != now.OutDim:
		err = fmt.Errorf("%s: %w: %d heads and %d neurons, but %s has %d and %d", o.Reference, cache.ErrStale, ref.Heads, ref.Neurons, o.Scores, now.Heads, now.Neurons)
	case min(ref.Images, now.Images) < minImages:
		err = fmt.Errorf("%s and %s: %d and %d images, want %d or more of each", o.Reference, o.Scores, ref.Images, now.Images, minImages)
	}
	if err != nil {
		ref.Close()
		now.Close()
		return nil, nil, err
	}
	return ref, now, nil
}

// comparable returns an error unless two collections come from the same weights
// and the same way of preparing images. It warns of what may have moved scores.
func comparable(o WatchOptions, ref, now *cache.Artefact, say ui.Reporter) error {
	made, this := ref.Manifest.Origin, now.Manifest.Origin
	facts := artefact.Of(this).Mode(this.Mode)
	a, b := made.Images, this.Images
	if b != nil {
		facts = append(facts, cache.Fact{Field: "origin.images.preprocessing", Want: b.Preprocessing})
	}
	if err := o.Artefacts.Check(ref, facts); err != nil {
		return fmt.Errorf("%w (%s)", err, o.Scores)
	}
	warn := func(name string, differs bool) {
		if differs {
			say.Warn("%s was collected with another %s than %s: some of what moved may be due to that", o.Reference, name, o.Scores)
		}
	}
	if a != nil && b != nil {
		warn("order of preprocessing", a.Preprocess != b.Preprocess)
		warn("exif", a.EXIF != b.EXIF)
	}
	return nil
}

// watcher is a Watch under way. Sides are 0, the reference, and 1.
type watcher struct {
	o        WatchOptions
	concepts []concept
	pairs    int
	units    unit.Layered
	team     par.Team

	ofConcepts, ofPairs [2]*trend.Moments
	listed              [2][]int       // concepts and pairs that moved most
	values              [2][][]float32 // of what is listed, concepts first, by image
}

// pass reads both sides.
func (w *watcher) pass(ctx context.Context, both []*source.Source, label string, say ui.Reporter, read func(context.Context, int, *source.Source, ui.Progress) error) error {
	progress := say.Progress()
	progress.Start(int64(both[0].Images+both[1].Images), ui.Images, label)
	defer progress.Done()
	for side, src := range both {
		if err := read(ctx, side, src, progress); err != nil {
			return err
		}
	}
	return nil
}

// sum adds up what all images of a side have.
func (w *watcher) sum(ctx context.Context, side int, src *source.Source, progress ui.Progress) error {
	w.ofConcepts[side], w.ofPairs[side] = trend.NewMoments(len(w.concepts)), trend.NewMoments(w.pairs)
	return w.each(ctx, src, w.concepts, progress, func(scores, ratios []float32) {
		w.ofPairs[side].Add(scores, w.team)
		w.ofConcepts[side].Add(ratios, w.team)
	})
}

// each hands over the scores [B,H*C] and the ratios [B,concepts] of the images
// of a source, batch by batch.
func (w *watcher) each(ctx context.Context, src *source.Source, concepts []concept, progress ui.Progress, do func(scores, ratios []float32)) error {
	meter := newRatioMeter(src, concepts, w.o.Threads)
	var ratios []float64
	var rounded []float32
	return src.Each(ctx, func(b source.Batch) error {
		for i, x := range b.Scores {
			if x-x != 0 {
				return fmt.Errorf("%s: score of %s is %g, want a finite one", b.Names[i/w.pairs], w.units.Name(i%w.pairs), x)
			}
		}
		ratios = slices.Grow(ratios[:0], len(b.Names)*len(concepts))[:len(b.Names)*len(concepts)]
		if err := meter.measure(ratios, b); err != nil {
			return err
		}
		rounded = rounded[:0]
		for _, x := range ratios {
			rounded = append(rounded, float32(x))
		}
		do(b.Scores, rounded)
		progress.Add(int64(len(b.Names)))
		return nil
	})
}

// rank returns the quantities, of n, that moved most, and their numbers, at most some; of
// equal ones the first comes first. With changed, they are among those that have changed at
// a rate of false discoveries, which it counts.
func rank(of [2]*trend.Moments, n, most int, rate float64, changed bool) (moved []Change, order []int, count int) {
	all, p := make([]Change, n), make([]float64, n)
	for i := range all {
		d := trend.Difference(of[0], of[1], i)
		p[i] = trend.PValue(of[0], of[1], i)
		all[i] = Change{ReferenceMean: of[0].Mean(i), Mean: of[1].Mean(i), Difference: defined(d), P: p[i], size: math.Abs(d)}
	}
	for i, q := range trend.FalseDiscovery(p) {
		all[i].Q, all[i].Changed = q, q <= rate
		if all[i].Changed {
			count++
		}
		if all[i].Changed || !changed {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(all[b].size, all[a].size) })
	order = order[:min(len(order), most)]
	moved = make([]Change, len(order))
	for i, at := range order {
		moved[i] = all[at]
	}
	return moved, order, count
}

// gather keeps the values that the listed concepts and pairs have on a side.
func (w *watcher) gather(ctx context.Context, side int, src *source.Source, progress ui.Progress) error {
	concepts := make([]concept, len(w.listed[0]))
	for i, c := range w.listed[0] {
		concepts[i] = w.concepts[c]
	}
	values := make([][]float32, len(concepts)+len(w.listed[1]))
	err := w.each(ctx, src, concepts, progress, func(scores, ratios []float32) {
		for b := range len(scores) / w.pairs {
			for i := range concepts {
				values[i] = append(values[i], ratios[b*len(concepts)+i])
			}
			for i, p := range w.listed[1] {
				at := len(concepts) + i
				values[at] = append(values[at], scores[b*w.pairs+p])
			}
		}
	})
	w.values[side] = values
	return err
}

// bound adds the intervals.
func (w *watcher) bound(ctx context.Context, r *WatchResult) error {
	o := trend.BootstrapOptions{Replicates: w.o.Bootstrap, Seed: w.o.Seed, Confidence: confidence}
	intervals, err := trend.Bootstrap(ctx, w.values[0], w.values[1], o, w.team)
	if err != nil {
		return err
	}
	for i, interval := range intervals {
		m := &r.Pairs
		if i < len(r.Concepts) {
			m = &r.Concepts
		} else {
			i -= len(r.Concepts)
		}
		(*m)[i].Low, (*m)[i].High = defined(interval.Low), defined(interval.High)
	}
	return nil
}

// describe names what is listed.
func (w *watcher) describe(r *WatchResult) {
	for i, c := range w.listed[0] {
		r.Concepts[i].Name, r.Concepts[i].Pairs = w.concepts[c].text, w.concepts[c].pairs
	}
	for i, p := range w.listed[1] {
		r.Pairs[i].Name = w.units.Name(p)
	}
}
