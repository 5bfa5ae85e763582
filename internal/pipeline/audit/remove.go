package audit

import "context"

// remove measures accuracy as 1, 2, 5, 10, 20, 50, ... of the pairs that widen
// differences are mean-ablated, and chooses how many by the worst group of the choosing half: of equal ones by mean
// accuracy, then fewer pairs.
func (a *auditor) remove(ctx context.Context) error {
	r := &a.result
	half := func(h int) func(*audited) bool { return func(i *audited) bool { return i.half == h } }
	seen := map[*audited]sight{}
	features := make([][]float64, len(a.images))
	rows := make([]int, len(a.images))
	for i, image := range a.images {
		seen[image], features[i], rows[i] = image.sight, append([]float64(nil), image.feature...), image.row
	}
	now := func(i *audited) sight { return seen[i] }
	r.Untouched = a.accuracies(half(measuring), now)
	r.After = r.Untouched
	measure := func(removed int) {
		chosen, held := a.accuracies(half(choosing), now), a.accuracies(half(measuring), now)
		p := Point{Removed: removed, Worst: held.Worst, Mean: held.Mean, Choosing: Share{chosen.Worst, chosen.Mean}}
		if len(r.Curve) > 0 {
			best := r.Curve[r.chosenPoint].Choosing
			if p.Choosing.Worst > best.Worst || p.Choosing.Worst == best.Worst && p.Choosing.Mean > best.Mean {
				r.chosenPoint, r.Chosen, r.After = len(r.Curve), removed, held
			}
		}
		r.Curve = append(r.Curve, p)
	}
	measure(0)
	widening := 0
	for widening < len(r.Pairs) && r.Pairs[widening].Widens {
		widening++
	}
	for at, next := 0, 0; at < widening; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if next <= at {
			next = min(nextCount(at), widening)
		}
		if err := a.subject.ablate(r.Pairs[at].index, rows, features); err != nil {
			return err
		}
		if at++; at == next {
			a.seeAll(features, seen)
			measure(at)
		}
	}
	return nil
}

// nextCount is the first of 1, 2, 5, 10, 20, 50, ... above n.
func nextCount(n int) int {
	for unit := 1; ; unit *= 10 {
		for _, times := range []int{1, 2, 5} {
			if times*unit > n {
				return times * unit
			}
		}
	}
}

// seeAll says what is made of features that images have now.
func (a *auditor) seeAll(features [][]float64, seen map[*audited]sight) {
	all := make([]sight, len(features))
	a.team.For(len(features), func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			all[i] = a.see(features[i], a.images[i].label)
		}
	})
	for i, image := range a.images {
		seen[image] = all[i]
	}
}
