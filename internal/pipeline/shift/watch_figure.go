package shift

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/plot"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// figure draws the changes of the concepts that changed most, or of pairs where there are no
// concepts, with their intervals.
func (r *WatchResult) figure() plot.Intervals {
	watched, of := r.WatchedConcepts, "ratio"
	if watched == 0 {
		watched, of = r.WatchedPairs, "score"
	}
	f := plot.Intervals{
		Title: fmt.Sprintf("%d of %s: %s, reference of %d", len(r.drawn), quantity.Of(watched, r.Judges()), ui.Images.Count(int64(r.Images)), r.ReferenceImages),
		X:     "change of the mean " + of + ", in standard deviations (filled: changed)",
	}
	for _, c := range r.drawn {
		row := plot.Interval{Name: c.Name, Filled: c.Changed}
		if c.Difference == nil {
			row.Name += " (infinite)" // there is no place for it on the axis
		} else {
			row.At = *c.Difference
		}
		if c.Low != nil && c.High != nil {
			row.Ends = &[2]float64{*c.Low, *c.High}
		}
		f.Rows = append(f.Rows, row)
	}
	return f
}
