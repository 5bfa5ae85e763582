package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/ui"
)

// CompareOptions say which collections to compare. Each is a folder of scores, a report of
// one, or a summary; or both are of heads.
type CompareOptions struct {
	Artefacts   artefact.Reader
	Here, There string
	List        int  // pairs, or heads, of each kind
	Match       bool // by what they do, of one architecture too
	Seed        uint64
	Threads     int
}

// Listed is how many pairs of each kind are listed, where nothing else is asked for.
const Listed = 200

const (
	// deadShare is the share of the largest mean norm below which a pair is dead: it adds
	// next to nothing to any image.
	deadShare = 0.01

	// alikeLeast is the similarity below which a pair has no counterpart.
	alikeLeast = 0.5
)

// Compare says which pairs differ between two collections.
func Compare(ctx context.Context, o CompareOptions, say ui.Reporter) (*report.Moved, error) {
	here, err := o.open(o.Here)
	if err != nil {
		return nil, err
	}
	there, err := o.open(o.There)
	if err != nil {
		return nil, errors.Join(err, here.close())
	}
	c := &comparison{CompareOptions: o, here: here, there: there, team: par.NewTeam(o.Threads), say: say}
	moved, err := c.run(ctx)
	if err = errors.Join(err, here.close(), there.close()); err != nil {
		return nil, err
	}
	return moved, nil
}

// comparison is a Compare under way.
type comparison struct {
	CompareOptions
	here, there *side
	team        par.Team
	say         ui.Reporter
	shared      [][2]int // rows of images that both have
	otherFiles  int      // images of one name whose files differ
}

func (c *comparison) run(ctx context.Context) (*report.Moved, error) {
	c.shared, c.otherFiles = sharedImages(c.here.names, c.there.names, c.here.sums, c.there.sums)
	source.WarnWhereUnlike(c.here.from, c.there.from, c.Here, c.There, c.say)
	for _, s := range []*side{c.here, c.there} {
		if err := c.measure(ctx, s); err != nil {
			return nil, err
		}
	}
	if c.here.summary != nil || c.there.summary != nil {
		c.say.Note("norms are root mean squares, which summaries have, in place of means")
		c.here.rootMeanSquares()
		c.there.rootMeanSquares()
	}
	a, b := c.here.ov, c.there.ov
	same := !c.Match && a.Heads == b.Heads && a.Neurons == b.Neurons && a.OutDim == b.OutDim
	if same { // one measure for both, so that one pair that grows does not kill others
		c.there.threshold = c.here.threshold
	}
	m := &report.Moved{
		Here: c.here.title, There: c.there.title, HereNames: c.here.pairNames(), ThereNames: c.there.pairNames(), Shared: len(c.shared), OtherFiles: c.otherFiles,
		HerePairs: len(c.here.norm), HereAlive: c.here.countAlive(), TherePairs: len(c.there.norm), ThereAlive: c.there.countAlive(),
	}
	var err error
	switch {
	case same:
		m.By = report.ByPair
		err = c.byPair(ctx, m)
	case len(c.shared) >= report.SharedLeast:
		m.By = report.ByScores
		err = c.byScores(ctx, m)
	case a.OutDim == b.OutDim:
		m.By = report.ByDirection
		c.match(m, c.directions(c.here), c.directions(c.there), a.OutDim)
	default:
		err = fmt.Errorf("%s and %s: models of %d and %s that share %s, want %d or more, whose scores can be compared", c.here.title, c.there.title, a.OutDim, quantity.Of(b.OutDim, "dimension"), quantity.Of(len(c.shared), "image"), report.SharedLeast)
	}
	return m, err
}

// measure finds the means of the scores and norms of each pair.
func (c *comparison) measure(ctx context.Context, s *side) error {
	if s.summary != nil {
		s.measureSummary(c.team)
		return nil
	}
	U := s.scores.OV.Heads * s.scores.OV.Neurons
	s.norm, s.mean, s.sd = make([]float64, U), make([]float64, U), make([]float64, U)
	square, cross := s.lengths(c.team)
	err := eachRows(ctx, s.scores, c.team, "compare", c.say, func(_, n int, scores []float32) error {
		c.team.For(U, func(lo, hi, _ int) {
			for i := range n {
				for u := lo; u < hi; u++ {
					x := float64(scores[i*U+u])
					s.mean[u] += x
					s.sd[u] += x * x
				}
			}
		})
		c.norms(s, scores, n, square, cross)
		return nil
	})
	if err != nil {
		return err
	}
	B := float64(s.scores.Images)
	for u := range U {
		s.norm[u], s.mean[u] = s.norm[u]/B, s.mean[u]/B
		s.sd[u] = math.Sqrt(max(s.sd[u]/B-s.mean[u]*s.mean[u], 0))
	}
	s.threshold = deadShare * slices.Max(s.norm)
	return nil
}

// countAlive counts the pairs that are not dead.
func (s *side) countAlive() (alive int) {
	for _, x := range s.norm {
		if x >= s.threshold {
			alive++
		}
	}
	return alive
}

// byPair compares each pair with that of the same name.
func (c *comparison) byPair(ctx context.Context, m *report.Moved) error {
	U := len(c.here.norm)
	shifts := make([]report.Shift, U)
	similarity, err := c.correlations(ctx)
	if err != nil {
		return err
	}
	for u := range shifts {
		s := &shifts[u]
		*s = report.Shift{Here: u, There: u, Similarity: similarity[u], NormHere: c.here.norm[u], NormThere: c.there.norm[u]}
		s.Shift = c.shift(u, u)
	}
	key := func(s report.Shift) float64 { return math.Abs(s.Shift) }
	if len(c.shared) >= report.SharedLeast {
		key = func(s report.Shift) float64 { return -s.Similarity }
	}
	for _, s := range shifts {
		threshold := c.here.threshold // of both sides
		switch {
		case isGone(s.NormHere, s.NormThere, threshold):
			m.Died = append(m.Died, s)
		case isGone(s.NormThere, s.NormHere, threshold):
			m.Appeared = append(m.Appeared, s)
		case max(s.NormHere, s.NormThere) >= threshold:
			m.Moved = append(m.Moved, s)
		}
	}
	c.finish(m, key)
	return nil
}

// correlations are those of the scores of each pair on shared images, or where there are
// few the cosines of directions.
func (c *comparison) correlations(ctx context.Context) ([]float64, error) {
	U := len(c.here.norm)
	r := make([]float64, U)
	if len(c.shared) < report.SharedLeast {
		O := c.here.ov.OutDim
		here, there := c.directions(c.here), c.directions(c.there)
		for u := range r {
			r[u] = dot(here[u*O:(u+1)*O], there[u*O:(u+1)*O])
		}
		return r, nil
	}
	var sums [5][]float64 // x, y, xx, yy, xy
	for i := range sums {
		sums[i] = make([]float64, U)
	}
	x, y := make([]float32, U), make([]float32, U)
	for _, rows := range c.shared {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := errors.Join(c.here.scores.Read(x, rows[0]), c.there.scores.Read(y, rows[1])); err != nil {
			return nil, err
		}
		c.team.For(U, func(lo, hi, _ int) {
			for u := lo; u < hi; u++ {
				a, b := float64(x[u])-c.here.mean[u], float64(y[u])-c.there.mean[u]
				for i, v := range [5]float64{a, b, a * a, b * b, a * b} {
					sums[i][u] += v
				}
			}
		})
	}
	n := float64(len(c.shared))
	for u := range r {
		a, b := sums[0][u]/n, sums[1][u]/n
		x, y := max(sums[2][u]/n-a*a, 0), max(sums[3][u]/n-b*b, 0)
		switch {
		case x > 0 && y > 0:
			r[u] = min(max((sums[4][u]/n-a*b)/math.Sqrt(x*y), -1), 1)
		case x == y: // neither varies
			r[u] = 1
		}
	}
	return r, nil
}

// directions are v/|v| of all pairs, [U,O].
func (c *comparison) directions(s *side) []float32 {
	ov := s.ov
	rows := make([]float32, ov.Heads*ov.Neurons*ov.OutDim)
	ov.UnitDirections(rows, 0, c.team)
	return rows
}

// byScores matches pairs by their scores on shared images, projected where these are many.
func (c *comparison) byScores(ctx context.Context, m *report.Moved) error {
	P := min(len(c.shared), mostDimensions)
	var rows [2][]float32
	for i, s := range []*side{c.here, c.there} {
		U := len(s.norm)
		k := &sketch{dims: P, exact: P == len(c.shared), seed: c.Seed, rows: make([]float32, U*P), totals: make([]float64, P)}
		scores, sums, squares := make([]float32, U), make([]float64, U), make([]float64, U)
		for j, at := range c.shared {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := s.scores.Read(scores, at[i]); err != nil {
				return err
			}
			for u, x := range scores {
				sums[u], squares[u] = sums[u]+float64(x), squares[u]+float64(x)*float64(x)
			}
			k.add(j, 1, scores, c.team)
		}
		value := make([]report.Summary, U)
		n := float64(len(c.shared))
		for u := range value {
			value[u].Mean = sums[u] / n
			value[u].Deviation = math.Sqrt(max(squares[u]/n-value[u].Mean*value[u].Mean, 0))
		}
		k.centre(&columns{value: value}, c.team)
		rows[i] = k.rows
	}
	c.match(m, rows[0], rows[1], P)
	return nil
}

// match pairs those that are alive with what is nearest on the other side.
func (c *comparison) match(m *report.Moved, here, there []float32, dims int) {
	forward := nearestOf(c.aliveRows(c.here, here, dims), there, dims, 1, c.team)
	backward := nearestOf(c.aliveRows(c.there, there, dims), here, dims, 1, c.team)
	for u, norm := range c.here.norm {
		if norm < c.here.threshold {
			continue
		}
		s := report.Shift{Here: u, There: int(forward.units[u]), Similarity: float64(forward.values[u]), NormHere: norm}
		if s.There < 0 || s.Similarity < alikeLeast {
			s.There = report.None
			m.Died = append(m.Died, s)
			continue
		}
		s.NormThere, s.Shift = c.there.norm[s.There], c.shift(u, s.There)
		m.Moved = append(m.Moved, s)
	}
	for u, norm := range c.there.norm {
		if norm >= c.there.threshold && (backward.units[u] < 0 || backward.values[u] < alikeLeast) {
			m.Appeared = append(m.Appeared, report.Shift{Here: report.None, There: u, Similarity: float64(backward.values[u]), NormThere: norm})
		}
	}
	c.finish(m, func(s report.Shift) float64 { return -s.Similarity })
}

// aliveRows are rows with those of dead pairs zero, so that nothing is near them.
func (c *comparison) aliveRows(s *side, rows []float32, dims int) []float32 {
	kept := slices.Clone(rows)
	for u, norm := range s.norm {
		if norm < s.threshold {
			clear(kept[u*dims : (u+1)*dims])
		}
	}
	return kept
}

// finish puts the lists in their order and cuts them.
func (c *comparison) finish(m *report.Moved, key func(report.Shift) float64) {
	byKey := func(list []report.Shift, key func(report.Shift) float64) []report.Shift {
		slices.SortStableFunc(list, func(a, b report.Shift) int { return cmp.Compare(key(b), key(a)) })
		return append([]report.Shift{}, list[:min(c.List, len(list))]...)
	}
	alive := len(m.Moved)
	m.Moved = slices.DeleteFunc(m.Moved, c.isSame)
	m.Differ, m.Same = len(m.Moved), alive-len(m.Moved)
	m.Moved = byKey(m.Moved, key)
	m.Died = byKey(m.Died, func(s report.Shift) float64 { return s.NormHere })
	m.Appeared = byKey(m.Appeared, func(s report.Shift) float64 { return s.NormThere })
}
