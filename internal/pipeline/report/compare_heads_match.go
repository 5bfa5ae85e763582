package report

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/clipnh/clipnh/internal/cka"
	"github.com/clipnh/clipnh/internal/report"
)

// This file finds, for heads of one architecture, those of another that are most alike.

const (
	// alikeHeads is the similarity below which a head has no counterpart: alikeLeast, squared, as
	// the alignment of outputs of one dimension is the square of their correlation.
	alikeHeads = alikeLeast * alikeLeast

	// sumBytes bounds the sums of heads with all heads of the other side that are in memory at a
	// time; more take more readings.
	sumBytes = 256 << 20

	// chanceImages is how many shared images leave nothing to chance.
	chanceImages = 1000
	chanceLevel  = 0.95
)

// match compares each head that is alive with the one on the other side that is most alike.
func (c *headComparison) match(ctx context.Context, m *report.MovedHeads) error {
	a, b := c.here, c.there
	here, there := cka.Each(a.layout, a.layout), cka.Each(b.layout, b.layout)
	err := c.each(ctx, nil, func(x, y []float32, n int) {
		here.Add(x, x, n, c.team)
		there.Add(y, y, n, c.team)
	})
	if err != nil {
		return err
	}
	all, err := c.allWithAll(ctx, nil, here, there)
	if err != nil {
		return err
	}
	if len(c.shared) < chanceImages {
		if m.Chance, err = c.chance(ctx, here, there); err != nil {
			return err
		}
	}
	H := len(b.norm)
	forward, backward := c.best(all)
	for h, at := range forward {
		switch s := c.shift(h, at); {
		case a.norm[h] < a.threshold:
		case at != report.None && all[h*H+at] >= alikeHeads:
			if s.Similarity = all[h*H+at]; c.isSame(s) {
				m.Same++
				continue
			}
			m.Moved = append(m.Moved, s)
		default:
			s = c.shift(h, report.None)
			if at != report.None {
				s.Similarity = all[h*H+at]
			}
			m.Died = append(m.Died, s)
		}
	}
	for h, at := range backward {
		if b.norm[h] < b.threshold || at != report.None && all[at*H+h] >= alikeHeads {
			continue
		}
		s := c.shift(report.None, h)
		if at != report.None {
			s.Similarity = all[at*H+h]
		}
		m.Appeared = append(m.Appeared, s)
	}
	c.finish(m, func(s report.HeadShift) float64 { return -s.Similarity })
	return nil
}

// allWithAll are the alignments of all heads here with all there, [heads here, heads there], of
// which there are sums with themselves; those there with their images in another order where one is
// given.
func (c *headComparison) allWithAll(ctx context.Context, order []int, here, there *cka.Sums) ([]float64, error) {
	a, b := c.here.layout, c.there.layout
	H := b.Parts()
	all := make([]float64, a.Parts()*H)
	for first := 0; first < a.Parts(); {
		last, bytes := first, 0
		for last < a.Parts() && (last == first || bytes+cka.Bytes(a, b, last) <= sumBytes) {
			bytes += cka.Bytes(a, b, last)
			last++
		}
		if c.sums == nil {
			c.sums = cka.All(a, b, first, last)
		} else {
			c.sums.Turn(first, last)
		}
		both := c.sums
		if err := c.each(ctx, order, func(x, y []float32, n int) { both.Add(x, y, n, c.team) }); err != nil {
			return nil, err
		}
		c.team.For(last-first, func(lo, hi, _ int) {
			for h := first + lo; h < first+hi; h++ {
				for k := range H {
					all[h*H+k] = cka.Of(both.HSIC(h, k), here.HSIC(h, h), there.HSIC(k, k))
				}
			}
		})
		first = last
	}
	return all, nil
}

// best finds, for each head of each side, the one that is alive on the other side and most alike,
// the first of equals.
func (c *headComparison) best(all []float64) (forward, backward []int) {
	a, b, H := c.here, c.there, len(c.there.norm)
	forward, backward = make([]int, len(a.norm)), make([]int, H)
	for h := range forward {
		forward[h] = report.None
		for k := range H {
			if b.norm[k] >= b.threshold && (forward[h] == report.None || all[h*H+k] > all[h*H+forward[h]]) {
				forward[h] = k
			}
		}
	}
	for k := range backward {
		backward[k] = report.None
		for h := range a.norm {
			if a.norm[h] >= a.threshold && (backward[k] == report.None || all[h*H+k] > all[backward[k]*H+k]) {
				backward[k] = h
			}
		}
	}
	return forward, backward
}

// chance is how alike a head finds one where images have nothing to do with each other: the 95th
// percentile over the heads here that are alive, with the images there in a random order.
func (c *headComparison) chance(ctx context.Context, here, there *cka.Sums) (*float64, error) {
	order := rand.New(rand.NewPCG(c.Seed, 0)).Perm(len(c.shared))
	all, err := c.allWithAll(ctx, order, here, there)
	if err != nil {
		return nil, err
	}
	forward, _ := c.best(all)
	var found []float64
	for h, at := range forward {
		if c.here.norm[h] >= c.here.threshold && at != report.None {
			found = append(found, all[h*len(c.there.norm)+at])
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	slices.Sort(found)
	return &found[int(math.Ceil(chanceLevel*float64(len(found))))-1], nil
}
