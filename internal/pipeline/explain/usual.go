package explain

import (
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
)

// usual says which scores are usual: by nothing, by means, or by a collection, which
// ranks scores too.
type usual struct {
	path   string
	means  []float64            // of scores, [H,C]; nil: not known
	images int                  // of a collection
	scores *artefact.Scores     // of a collection with all scores
	stats  *artefact.Statistics // of one with the extreme ones
	column func(ctx context.Context, pair int) ([]float32, error)
}

// openUsual reads the means of scores, which must be of the model and the block that
// from says. Images are then prepared as those of the collection were.
func (o *Options) openUsual(ctx context.Context, from origin.Origin, ov *decomp.OV, team par.Team) (*usual, error) {
	switch {
	case o.ScoresPath != "":
		u := &usual{path: o.ScoresPath, means: make([]float64, ov.Heads*ov.Neurons), column: o.Column}
		if err := u.openCollection(ctx, o, from, ov, team); err != nil {
			u.close()
			return nil, err
		}
		return u, nil
	case o.MeansPath != "":
		means, err := o.readMeans(from, ov, team)
		return &usual{path: o.MeansPath, means: means}, err
	}
	return &usual{}, nil
}

// prepareBeside has images prepared as those of a collection, or of its means, were; nil does
// not say how.
func (o *Options) prepareBeside(a *cache.Artefact) error {
	if err := source.PrepareBeside(&o.Images, o.Asked, o.Artefacts, a); err != nil || a == nil {
		return err
	}
	return o.model.PreparesAs(a.Path(), a.Manifest.Origin)
}

func (u *usual) openCollection(ctx context.Context, o *Options, from origin.Origin, ov *decomp.OV, team par.Team) error {
	a, err := o.Artefacts.Collection(u.path, artefact.Of(from), artefact.KindScores, artefact.KindStatistics, artefact.KindSummary)
	if err != nil {
		return err
	}
	if err := o.prepareBeside(a); err != nil {
		return err
	}
	var theirs *decomp.OV
	if artefact.HasStatistics(a) {
		if u.stats, err = artefact.StatisticsOf(a); err != nil {
			return err
		}
		u.images, theirs = u.stats.Images, u.stats.OV
	} else {
		if u.scores, err = artefact.ScoresOf(a); err != nil {
			return err
		}
		u.images, theirs = u.scores.Images, u.scores.OV
	}
	pairs := len(u.means)
	if theirs.Heads != ov.Heads || theirs.Neurons != ov.Neurons {
		return fmt.Errorf("%s: %s and %s, want the model's %d and %d", u.path, quantity.Of(theirs.Heads, "head"), quantity.Of(theirs.Neurons, "neuron"), ov.Heads, ov.Neurons)
	}
	if u.images < 1 {
		return fmt.Errorf("%s: no images, want one or more", u.path)
	}
	if o.Means != nil {
		copy(u.means, o.Means)
		return nil
	}
	sums := lowrank.NewSums(pairs)
	if u.stats != nil {
		sums = u.stats.Sum
	} else {
		err := u.scores.EachRows(ctx, team, func(_ int, rows []float32) error {
			team.For(pairs, func(lo, hi, _ int) {
				for row := range slices.Chunk(rows, pairs) {
					for i := lo; i < hi; i++ {
						sums.Add(i, row[i])
					}
				}
			})
			return nil
		})
		if err != nil {
			return err
		}
	}
	for i := range u.means {
		u.means[i] = sums.Of(i) / float64(u.images)
	}
	return nil
}

// readMeans returns the mean scores that mean contributions r of pairs come from,
//
//	m = (r - b)·v / |v|²
//
// and zero for pairs whose direction v is zero.
func (o *Options) readMeans(from origin.Origin, ov *decomp.OV, team par.Team) ([]float64, error) {
	t, err := o.Artefacts.Tensor(o.MeansPath, artefact.Of(from).Form(from), artefact.KindMeans)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	H, C, O := ov.Heads, ov.Neurons, ov.OutDim
	if err := t.WantShape([]int{H, C, O}, ", means of the model's pairs"); err != nil {
		return nil, err
	}
	if err := o.prepareBeside(t.Artefact); err != nil {
		return nil, err
	}
	means := make([]float64, H*C)
	v, rows := make([]float32, C*O), make([]float32, C*O)
	for h := range H {
		if err := t.Read(rows, h*C*O); err != nil {
			return nil, err
		}
		ov.Directions(v, h, 0, C, team)
		b := ov.Bias[h*O : (h+1)*O]
		team.For(C, func(lo, hi, _ int) {
			for n := lo; n < hi; n++ {
				along, square := 0.0, 0.0
				for o, x := range v[n*O : (n+1)*O] {
					along += (float64(rows[n*O+o]) - float64(b[o])) * float64(x)
					square += float64(x) * float64(x)
				}
				if square > 0 {
					means[h*C+n] = along / square
				}
			}
		})
	}
	return means, nil
}

// said is what the setup says.
func (u *usual) said() *Collection {
	if u.path == "" {
		return nil
	}
	return &Collection{Path: u.path, Images: u.images}
}

// A rankedPart is a part whose rank is wanted.
type rankedPart struct {
	pair  int
	score float32
	part  *Part
}

// rank fills in ranks: 1 and the number of collected images whose score of the pair is
// larger. Statistics know it for extreme scores only.
func (u *usual) rank(ctx context.Context, wanted []rankedPart, team par.Team) error {
	if u.stats != nil {
		for _, w := range wanted {
			w.part.Rank = rankAmongExtremes(u.stats.Extremes, w.pair, w.score)
		}
		return nil
	}
	if u.scores == nil || len(wanted) == 0 {
		return nil
	}
	if u.column != nil {
		return u.rankByColumns(ctx, wanted)
	}
	larger, pairs := make([]int, len(wanted)), len(u.means)
	err := u.scores.EachRows(ctx, team, func(_ int, rows []float32) error {
		team.For(len(wanted), func(lo, hi, _ int) {
			for i := lo; i < hi; i++ {
				for at := wanted[i].pair; at < len(rows); at += pairs {
					if rows[at] > wanted[i].score {
						larger[i]++
					}
				}
			}
		})
		return nil
	})
	for i, w := range wanted {
		rank := larger[i] + 1
		w.part.Rank = &rank
	}
	return err
}

// rankByColumns is rank where a pair's scores are at hand.
func (u *usual) rankByColumns(ctx context.Context, wanted []rankedPart) error {
	for _, w := range wanted {
		scores, err := u.column(ctx, w.pair)
		if err != nil {
			return err
		}
		rank := 1
		for _, s := range scores {
			if s > w.score {
				rank++
			}
		}
		w.part.Rank = &rank
	}
	return nil
}

// rankAmongExtremes returns the rank of a score, nil where neither the largest nor the
// smallest scores that were kept tell it.
func rankAmongExtremes(e *lowrank.Extremes, pair int, score float32) *int {
	kept := min(e.Keep, e.Images)
	largest := e.Largest.Scores[pair*e.Keep:][:kept] // descending
	larger := sort.Search(kept, func(i int) bool { return largest[i] <= score })
	if larger == kept && kept < e.Images {
		smallest := e.Smallest.Scores[pair*e.Keep:][:kept] // ascending
		rest := sort.Search(kept, func(i int) bool { return smallest[i] > score })
		if rest == kept {
			return nil
		}
		larger = e.Images - rest
	}
	rank := larger + 1
	return &rank
}

func (u *usual) close() {
	if u != nil && u.scores != nil {
		u.scores.Close()
	}
}
