package audit

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/trend"
)

// follow computes exactly, one by one, how found pairs go with every contrast, and
// orders them.
func (a *auditor) follow(ctx context.Context, found []survivor) error {
	r := &a.result
	r.Pairs, r.Contrasts = []Pair{}, append([]Contrast{}, r.Contrasts...)
	seen := map[int]bool{}
	for _, s := range found {
		if seen[s.pair] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		seen[s.pair] = true
		if r.Found++; len(r.Pairs) == maxPairs {
			continue
		}
		p, err := a.pair(s.pair)
		if err != nil {
			return err
		}
		if p.P <= a.Level {
			r.Pairs = append(r.Pairs, *p)
		} else {
			r.Found--
		}
	}
	if r.Found > len(r.Pairs) {
		a.say.Note("%s go with groups; %d, the most significant, %s followed up", quantity.Of(r.Found, a.subject.noun()), len(r.Pairs), quantity.Is(len(r.Pairs)))
	}
	slices.SortStableFunc(r.Pairs, func(x, y Pair) int {
		return cmp.Or(cmp.Compare(y.Effect, x.Effect), cmp.Compare(x.index, y.index))
	})
	return a.describePairs(ctx)
}

// describePairs fills in the words of pairs.
func (a *auditor) describePairs(ctx context.Context) error {
	pairs := a.result.Pairs
	indices := make([]int, len(pairs))
	for i, p := range pairs {
		indices[i] = p.index
	}
	if err := a.words.Code(ctx, indices, nil); err != nil {
		return err
	}
	for i := range pairs {
		pairs[i].Words = append([]artefact.Term{}, a.words.Pair(pairs[i].index)...)
		if a.spans != nil {
			texts := a.spans[pairs[i].index]
			pairs[i].Texts = texts[:min(len(texts), a.Components)]
		}
	}
	return nil
}

// pair describes a pair, its words aside.
func (a *auditor) pair(u int) (*Pair, error) {
	p := &Pair{Unit: a.subject.name(u), Index: u, index: u, P: math.Inf(1)}
	count := 0.0
	for _, c := range a.contrasts {
		shares, err := a.subject.shareOf(u, c.samples)
		if err != nil {
			return nil, err
		}
		for at, ahead := range c.indicate {
			fit := Fit{Label: a.Options.Classes[c.label], Group: c.groupAhead(at), P: 1}
			if r := trend.PointBiserial(shares, ahead); !math.IsNaN(r.R) {
				fit.R, fit.P = r.R, a.family.P(r.R, r.N)
			}
			sums, n := [2]float64{}, [2]float64{}
			for i, yes := range ahead {
				side := 0
				if yes {
					side = 1
				}
				sums[side] += shares[i]
				n[side]++
			}
			fit.Effect = sums[1]/n[1] - sums[0]/n[0]
			p.Effect += fit.Effect
			count++
			if fit.P < p.P || fit.P == p.P && math.Abs(fit.R) > math.Abs(p.R) {
				p.R, p.P, p.Label, p.Group = fit.R, fit.P, fit.Label, fit.Group
			}
			p.Fits = append(p.Fits, fit)
		}
	}
	p.Effect /= count
	p.Widens = p.Effect > 0
	v := a.subject.direction(u)
	length := decomp.Norm(v)
	for m, concept := range a.Options.Concepts {
		if length > 0 {
			p.Concepts = append(p.Concepts, Closeness{concept, dot(v, a.concepts[m*len(v):(m+1)*len(v)]) / length})
		}
	}
	return p, a.top(p)
}

// top fills in the images in which a pair is strongest; of equal ones the first.
func (a *auditor) top(p *Pair) error {
	rows := make([]int, len(a.images))
	for i, image := range a.images {
		rows[i] = image.row
	}
	scores, err := a.subject.strengths(p.index, rows)
	if err != nil {
		return err
	}
	order := make([]int, len(rows))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		return cmp.Compare(math.Abs(float64(scores[j])), math.Abs(float64(scores[i])))
	})
	p.Top = []Top{}
	for _, i := range order[:min(a.TopImages, len(order))] {
		image := a.images[i]
		p.Top = append(p.Top, Top{image.name, a.Options.Classes[image.label], image.group, float64(scores[i])})
	}
	return nil
}
