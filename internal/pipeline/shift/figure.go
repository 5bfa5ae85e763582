package shift

import (
	"fmt"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/plot"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/trend"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// mostPanels is how many concepts a figure has room for.
const mostPanels = 12

// fitsFigure returns an error if there are too many concepts for the figure, if one
// is to be drawn.
func fitsFigure(path string, concepts int) error {
	if path != "" && concepts > mostPanels {
		return usage.Errorf("%s: %s, want at most %d in a figure", path, quantity.Of(concepts, "concept"), mostPanels)
	}
	return nil
}

// figure draws two panels for each concept: its mean ratio by group, and below it the true
// share of its label.
func (r *Result) figure() plot.Panels {
	var keys []string
	for _, c := range r.Concepts {
		for _, g := range c.Groups {
			keys = append(keys, g.Group)
		}
	}
	keys, numbers := trend.SortGroups(keys)
	f := plot.Panels{
		Title: "Concepts by " + r.Grouping, X: r.Grouping, At: numbers,
		Caption: []string{
			"mean ratio: norm of the sum of the concept's pairs over the norm of the feature, mean of the images of a " + r.Grouping,
			"true share: of these images, those that have the label",
		},
		NoteMeaning: fmt.Sprintf("small figures: images, where fewer than %d", fewImages),
	}
	if numbers == nil {
		f.Names = keys
		for i := range keys {
			f.At = append(f.At, float64(i))
		}
	}
	for _, c := range r.Concepts {
		p := plot.Panel{Title: c.title(), Y: "mean ratio", Values: gaps(len(keys)), Notes: make([]string, len(keys))}
		truth := plot.Panel{Y: "true share (%)", Values: gaps(len(keys)), Style: 1}
		for _, g := range c.Groups {
			at := slices.Index(keys, g.Group)
			p.Values[at] = g.MeanRatio
			if c.Label != "" {
				truth.Values[at] = 100 * *g.Fraction
			}
			if g.Images < fewImages {
				p.Notes[at] = fmt.Sprint(g.Images)
			}
		}
		f.Panels = append(f.Panels, p)
		if c.Label != "" {
			f.Panels = append(f.Panels, truth)
		}
	}
	return f
}

// title says in short what a panel shows.
func (c ConceptResult) title() string {
	if c.Measured == nil || c.Measured.R == nil {
		return fmt.Sprintf("%s: %s", c.Concept, ui.Images.Count(int64(c.Images)))
	}
	return fmt.Sprintf("%s: r = %.2f over %s", c.Concept, *c.Measured.R, ui.Images.Count(int64(c.Images)))
}

func gaps(n int) []float64 { return slices.Repeat([]float64{math.NaN()}, n) }
