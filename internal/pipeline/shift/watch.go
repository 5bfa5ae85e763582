package shift

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/plot"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/trend"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// maxBootstrapValues bounds what all replicates give, which is in memory at once:
// 800 MB.
const maxBootstrapValues = 100_000_000

// Watch compares a collection with a reference: the ratio of every concept and the
// score of every pair, each by the difference of its means in standard deviations.
// Concepts, and pairs, have changed if they are discoveries at FalseDiscovery among all
// of their kind. Concepts and the pairs that have changed are listed, each with a
// bootstrap interval of its own. Both folders
// are read image by image, twice, so that memory does not grow with their
// size but for the values of what is listed. Where one of them is a summary there are no
// concepts, intervals are Welch's, and listed pairs have quantiles. A result that comes
// with an error is whole, and could not be written.
func Watch(ctx context.Context, o WatchOptions, say ui.Reporter) (*WatchResult, error) {
	if err := o.canWrite(); err != nil {
		return nil, err
	}
	both, err := openBoth(o, say)
	if err != nil {
		return nil, err
	}
	defer both[0].close()
	defer both[1].close()
	watch := watchScores
	if both[0].summary != nil || both[1].summary != nil {
		watch = watchSummaries
	}
	result, err := watch(ctx, o, both, say)
	if err != nil {
		return nil, err
	}
	result.cut(o)
	return result, result.write(o)
}

// write writes the files of a result, and takes back the paths of those that it could not.
func (r *WatchResult) write(o WatchOptions) error {
	var saved, drawn error
	if o.SavePath != "" {
		kept := *r
		kept.Path, kept.Plot, kept.JUnit, kept.Metrics = "", "", "", "" // the same work elsewhere has the same bytes
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
		drawn = figure.DrawFigure(o.Store, o.PlotPath, "watch", func(w io.Writer, format plot.Format) error { return plot.WriteIntervals(w, r.figure(), format) })
		if drawn != nil {
			r.Plot = ""
		}
	}
	return errors.Join(saved, drawn, r.writeReports(o))
}

// watchScores compares two folders of scores.
func watchScores(ctx context.Context, o WatchOptions, both [2]*watched, say ui.Reporter) (*WatchResult, error) {
	ref, now := both[0].scores, both[1].scores
	var concepts []concept
	if len(o.Concepts) > 0 {
		var err error
		if concepts, err = openConcepts(ctx, o.ConceptOptions, now, o.Threads, say); err != nil {
			return nil, err
		}
	}
	w := &watcher{o: o, concepts: concepts, pairs: now.Heads * now.Neurons, units: now.Units(), team: par.NewTeam(o.Threads)}
	if listed := min(o.measured(), len(concepts)) + min(o.List, w.pairs); listed*o.Bootstrap*trend.ValuesPerReplicate > maxBootstrapValues {
		return nil, usage.Errorf("{list} %d and {bootstrap} %d: intervals of %s take %s, want at most %d: list fewer, or take fewer replicates",
			o.List, o.Bootstrap, quantity.Of(listed, "unit"), quantity.Of(listed*o.Bootstrap*trend.ValuesPerReplicate, "value"), maxBootstrapValues)
	}
	sources := []*source.Source{ref, now}
	if err := w.pass(ctx, sources, "watch", say, w.sum); err != nil {
		return nil, err
	}
	result := newWatchResult(o, both, say)
	result.Bootstrap, result.WatchedConcepts, result.WatchedPairs = o.Bootstrap, len(concepts), w.pairs
	if result.K = min(o.K, w.pairs); len(concepts) > 0 {
		result.K = unitsOf(concepts)
	}
	all := ranked(w.ofConcepts, len(concepts), o)
	w.nameConcepts(all)
	result.allConcepts = all
	pairs := ranked(w.ofPairs, w.pairs, o)
	result.take(all, pairs, w.units, o)
	w.listed = [2][]int{numbersOf(result.Concepts), numbersOf(result.Pairs)}
	if result.Intervals = NoIntervals; o.Bootstrap > 0 {
		result.Intervals = bootstrapIntervals
		if err := w.pass(ctx, sources, "watch, for intervals", say, w.gather); err != nil {
			return nil, err
		}
		if err := w.bound(ctx, result); err != nil {
			return nil, err
		}
	}
	return result, nil
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
		if len(concepts) > 0 {
			if err := meter.measure(ratios, b); err != nil {
				return err
			}
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

// nameConcepts names the changes of all concepts.
func (w *watcher) nameConcepts(all []Change) {
	for i := range all {
		all[i].Name, all[i].Pairs, all[i].Neurons = w.concepts[i].text, w.concepts[i].pairs, w.concepts[i].neurons
	}
}
