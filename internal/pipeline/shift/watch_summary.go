package shift

import (
	"context"
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/sketch"
	"github.com/clipnh/clipnh/internal/trend"
	"github.com/clipnh/clipnh/internal/ui"
)

// shares are those of the quantiles that listed pairs have.
var shares = []float64{0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99}

// watchSummaries compares two collections of which one or both are summaries. Scores on the
// other side are summed up first, in one pass.
func watchSummaries(ctx context.Context, o WatchOptions, both [2]*watched, say ui.Reporter) (*WatchResult, error) {
	if len(o.Concepts) > 0 {
		path := o.Reference
		if both[0].summary == nil {
			path = o.Scores
		}
		return nil, artefact.NoFeatures(path, "concepts are compared by their share of the features of images; pairs are, without {concepts}")
	}
	var sketches [2]*sketch.Set
	var of [2]*trend.Moments
	for i, side := range both {
		var err error
		if sketches[i], err = side.sketched(ctx, o.Threads, say); err != nil {
			return nil, err
		}
		of[i] = momentsOf(sketches[i])
	}
	pairs, units := both[1].heads*both[1].neurons, both[1].units()
	result := newWatchResult(o, both, say)
	result.WatchedPairs, result.Intervals, result.Seed = pairs, NoIntervals, 0
	result.take(nil, ranked(of, pairs, o), units, o)
	for i := range result.Pairs {
		c := &result.Pairs[i]
		for _, share := range shares {
			c.Quantiles = append(c.Quantiles, Quantile{share, both[0].quantile(sketches[0], c.number, share), both[1].quantile(sketches[1], c.number, share)})
		}
		if o.Bootstrap > 0 {
			interval := trend.WelchInterval(of[0], of[1], c.number, confidence)
			c.Low, c.High = defined(interval.Low), defined(interval.High)
		}
	}
	if o.Bootstrap > 0 {
		result.Intervals = welchIntervals
	}
	return result, nil
}

// sketched returns the sketch of a summary, or that of all scores.
func (w *watched) sketched(ctx context.Context, threads int, say ui.Reporter) (*sketch.Set, error) {
	if w.summary != nil {
		return w.summary.Sketch, nil
	}
	s, team, units := sketch.New(w.heads*w.neurons), par.NewTeam(threads), w.units()
	progress := say.Progress()
	progress.Start(int64(w.images), ui.Images, "watch")
	defer progress.Done()
	err := w.scores.Each(ctx, func(b source.Batch) error {
		if i := sketch.OutOfRange(b.Scores); i >= 0 {
			return fmt.Errorf("%s: score of %s is %g, want less than %d in size", b.Names[i/s.Units], units.Name(i%s.Units), b.Scores[i], sketch.Limit)
		}
		s.Add(b.Scores, team)
		progress.Add(int64(len(b.Names)))
		return nil
	})
	return s, err
}

// momentsOf are the moments of the scores of all pairs.
func momentsOf(s *sketch.Set) *trend.Moments {
	means, squares, cubes := make([]float64, s.Units), make([]float64, s.Units), make([]float64, s.Units)
	for u := range means {
		means[u], squares[u], cubes[u] = s.Moments(u)
	}
	return trend.MomentsOf(s.Images, means, squares, cubes)
}

// quantile is that of a pair's scores. It is within the extremes, where they are known.
func (w *watched) quantile(s *sketch.Set, pair int, share float64) float64 {
	q := s.Quantile(pair, share)
	if w.summary == nil {
		return q
	}
	e := w.summary.Extremes
	return max(float64(e.Smallest.Scores[pair*e.Keep]), min(q, float64(e.Largest.Scores[pair*e.Keep])))
}
