package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cka"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/ui"
)

// OfHeads reports whether one of two collections, or reports, is of heads, which CompareHeads
// compares.
func (o CompareOptions) OfHeads() bool { return holdsHeads(o.Here) || holdsHeads(o.There) }

func holdsHeads(path string) bool {
	if mark, err := readMark(path); err == nil {
		return reportOfHeads(mark, path)
	}
	return ofHeads(path)
}

// CompareHeads says which heads differ between two collections.
func CompareHeads(ctx context.Context, o CompareOptions, say ui.Reporter) (*report.MovedHeads, error) {
	here, err := o.openHeads(o.Here)
	if err != nil {
		return nil, err
	}
	there, err := o.openHeads(o.There)
	if err != nil {
		return nil, errors.Join(err, here.close())
	}
	c := &headComparison{CompareOptions: o, here: here, there: there, team: par.NewTeam(o.Threads), say: say}
	moved, err := c.run(ctx)
	if err = errors.Join(err, here.close(), there.close()); err != nil {
		return nil, err
	}
	return moved, nil
}

// headComparison is a CompareHeads under way.
type headComparison struct {
	CompareOptions
	here, there *headSide
	team        par.Team
	say         ui.Reporter
	shared      [][2]int // rows of images that both have
	scratch     [4][]float32
	sums        *cka.Sums // of some heads with all there
}

func (c *headComparison) run(ctx context.Context) (*report.MovedHeads, error) {
	a, b := c.here, c.there
	m := &report.MovedHeads{Here: a.title, There: b.title, HereHeads: a.heads(), ThereHeads: b.heads()}
	if a.names != nil && b.names != nil {
		c.shared, m.OtherFiles = sharedImages(a.names, b.names, a.sums, b.sums)
	}
	m.Shared = len(c.shared)
	same := !c.Match && sameHeads(a.parts, b.parts)
	if !same && m.Shared < report.SharedLeast {
		err := fmt.Errorf("%s and %s: heads of two architectures on %s that both have, want %d or more", a.title, b.title, quantity.Of(m.Shared, "image"), report.SharedLeast)
		return nil, hint.With(err, "collect heads of both models from the same images, into folders")
	}
	c.warn(same)
	for i, s := range []*headSide{a, b} {
		is := make([]bool, s.parts.Images)
		for _, rows := range c.shared {
			is[rows[i]] = true
		}
		if err := s.measure(ctx, is, c.team, c.say); err != nil {
			return nil, err
		}
	}
	if same { // one measure for both, so that one head that grows does not kill others
		b.threshold = a.threshold
	}
	m.HereAlive, m.ThereAlive = a.countAlive(), b.countAlive()
	var err error
	switch {
	case !same:
		m.By = report.ByCKA
		err = c.match(ctx, m)
	case m.Shared < report.SharedLeast:
		m.By = report.ByHeadMeans
		c.byHead(m, nil)
	default:
		m.By = report.ByHead
		var alignments []float64
		if alignments, err = c.alignments(ctx); err == nil {
			c.byHead(m, alignments)
		}
	}
	return m, err
}

// sameHeads reports whether heads of the same name are at the same place of one architecture.
func sameHeads(a, b *artefact.FirstOrder) bool {
	if a.Layers != b.Layers || a.LayerHeads != b.LayerHeads || a.OutDim != b.OutDim || len(a.Heads.Shape) != len(b.Heads.Shape) {
		return false
	}
	x, y := artefact.OriginOf(a.Heads.Artefact).Model, artefact.OriginOf(b.Heads.Artefact).Model
	return x == y || x == "" || y == "" || x == clip.Custom || y == clip.Custom
}

// warn warns where something else than the heads differs.
func (c *headComparison) warn(same bool) {
	a, b := c.here.parts.Heads.Artefact, c.there.parts.Heads.Artefact
	if a == nil || b == nil {
		return
	}
	if same {
		source.WarnWhereUnlike(a, b, c.Here, c.There, c.say)
	} else {
		source.WarnWherePreparedUnlike(a, b, c.Here, c.There, c.say)
	}
	if x, y := artefact.PartsForm(a), artefact.PartsForm(b); x != y {
		c.say.Warn("%s has parts of %s, %s those of %s: some of the change is due to that", c.Here, x, c.There, y)
	}
}

// each gives the coordinates of the images that both have, centred, in blocks; those there in
// another order where one is given.
func (c *headComparison) each(ctx context.Context, order []int, add func(x, y []float32, n int)) error {
	sides := [2]*headSide{c.here, c.there}
	for i, s := range sides {
		if len(c.scratch[i]) == 0 {
			c.scratch[i] = make([]float32, min(blockImages, len(c.shared))*s.layout.Width())
			c.scratch[2+i] = make([]float32, s.block()*s.parts.Heads.StoredEach())
		}
	}
	progress := c.say.Progress()
	progress.Start(int64(len(c.shared)), ui.Images, "compare")
	defer progress.Done()
	for lo := 0; lo < len(c.shared); lo += blockImages {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(blockImages, len(c.shared)-lo)
		for i, s := range sides {
			images := make([]int, n)
			for k := range images {
				at := lo + k
				if i == 1 && order != nil {
					at = order[at]
				}
				images[k] = c.shared[at][i]
			}
			if err := s.centred(c.scratch[i], c.scratch[2+i], images, c.team); err != nil {
				return err
			}
		}
		add(c.scratch[0][:n*c.here.layout.Width()], c.scratch[1][:n*c.there.layout.Width()], n)
		progress.Add(int64(n))
	}
	return nil
}

// alignments are those of heads of one name on the images that both have.
func (c *headComparison) alignments(ctx context.Context) ([]float64, error) {
	a, b := c.here.layout, c.there.layout
	both, here, there := cka.Each(a, b), cka.Each(a, a), cka.Each(b, b)
	err := c.each(ctx, nil, func(x, y []float32, n int) {
		both.Add(x, y, n, c.team)
		here.Add(x, x, n, c.team)
		there.Add(y, y, n, c.team)
	})
	if err != nil {
		return nil, err
	}
	r := make([]float64, a.Parts())
	for h := range r {
		r[h] = cka.Of(both.HSIC(h, h), here.HSIC(h, h), there.HSIC(h, h))
	}
	return r, nil
}

// byHead compares each head with that of the same name, by their alignments, or, where there are
// none, by their means.
func (c *headComparison) byHead(m *report.MovedHeads, alignments []float64) {
	a, b, O := c.here, c.there, c.here.parts.OutDim
	key := func(s report.HeadShift) float64 { return -s.Similarity }
	if alignments == nil {
		key = func(s report.HeadShift) float64 { return *s.Shift }
	}
	for h := range a.norm {
		s := c.shift(h, h)
		x, y := a.mean[h*O:(h+1)*O], b.mean[h*O:(h+1)*O]
		s.Shift = new(float64)
		if a.deviation[h] > 0 {
			*s.Shift = distance(x, y) / a.deviation[h]
		}
		if alignments != nil {
			s.Similarity = alignments[h]
		} else {
			s.Similarity = cosineOf(x, y)
		}
		threshold := a.threshold // of both sides
		switch {
		case isGone(s.NormHere, s.NormThere, threshold):
			m.Died = append(m.Died, s)
		case isGone(s.NormThere, s.NormHere, threshold):
			m.Appeared = append(m.Appeared, s)
		case max(s.NormHere, s.NormThere) >= threshold && c.isSame(s):
			m.Same++
		case max(s.NormHere, s.NormThere) >= threshold:
			m.Moved = append(m.Moved, s)
		}
	}
	c.finish(m, key)
}

// isSame reports whether a head adds the same on both sides, but for rounding.
func (c *headComparison) isSame(s report.HeadShift) bool {
	x, y := c.here.deviation[s.Here], c.there.deviation[s.There]
	return s.Similarity >= sameSimilarity && (s.Shift == nil || *s.Shift <= sameShift) && math.Abs(y-x) <= sameShift*max(x, y) &&
		math.Abs(s.NormThere-s.NormHere) <= sameShift*max(s.NormHere, s.NormThere)
}

// shift is what is said of a head here and one there, one of which may be none.
func (c *headComparison) shift(here, there int) report.HeadShift {
	s := report.HeadShift{Here: here, There: there, HereName: c.here.name(here), ThereName: c.there.name(there)}
	if here != report.None {
		s.NormHere, s.ShareHere = c.here.norm[here], c.here.share(here)
	}
	if there != report.None {
		s.NormThere, s.ShareThere = c.there.norm[there], c.there.share(there)
	}
	return s
}

// share is that of a head's norm among the norms of all.
func (s *headSide) share(head int) float64 {
	sum := 0.0
	for _, x := range s.norm {
		sum += x
	}
	if sum == 0 {
		return 0
	}
	return s.norm[head] / sum
}

// finish puts the lists in their order and cuts them.
func (c *headComparison) finish(m *report.MovedHeads, key func(report.HeadShift) float64) {
	sorted := func(list []report.HeadShift, key func(report.HeadShift) float64) []report.HeadShift {
		slices.SortStableFunc(list, func(a, b report.HeadShift) int { return cmp.Compare(key(b), key(a)) })
		return append([]report.HeadShift{}, list[:min(c.List, len(list))]...)
	}
	m.Differ = len(m.Moved)
	m.Moved = sorted(m.Moved, key)
	m.Died = sorted(m.Died, func(s report.HeadShift) float64 { return s.NormHere })
	m.Appeared = sorted(m.Appeared, func(s report.HeadShift) float64 { return s.NormThere })
}

func distance(x, y []float64) float64 {
	sum := 0.0
	for i := range x {
		sum += (x[i] - y[i]) * (x[i] - y[i])
	}
	return math.Sqrt(sum)
}

// cosineOf is that of two vectors; 1 if both are zero, 0 if one is.
func cosineOf(x, y []float64) float64 {
	xx, yy, xy := 0.0, 0.0, 0.0
	for i := range x {
		xx, yy, xy = xx+x[i]*x[i], yy+y[i]*y[i], xy+x[i]*y[i]
	}
	switch {
	case xx > 0 && yy > 0:
		return min(max(xy/math.Sqrt(xx*yy), -1), 1)
	case xx == yy:
		return 1
	}
	return 0
}
