package mislead

import (
	"context"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
)

// Images are those that show the class, on which words are measured.
type Images struct {
	Path   string  `json:"path"` // of the collection
	Images int     `json:"images"`
	Margin float64 `json:"mean_margin"` // mean of 100 f·d/|f|: above 0 they are taken for the other class
	Taken  int     `json:"taken"`       // for the other class
}

// Moved is what goes with a word in the images: those whose features are closer to it than the
// median of them are compared with the others.
type Moved struct {
	Near      int     `json:"near"`        // images that are closer
	NearMean  float64 `json:"near_margin"` // their mean margin
	NearTaken int     `json:"near_taken"`  // those of them that are taken for the other class
	FarMean   float64 `json:"far_margin"`  // of the others
	FarTaken  int     `json:"far_taken"`
	Above     float64 `json:"above"` // the share of all words of the list, 0 to 1, whose two means differ less
}

// leastImages is how many images are compared at least.
const leastImages = 4

// openLabels finds out which images show the class: by a table, or by the label that it has in
// the data set.
func (m *misleader) openLabels(ctx context.Context) error {
	class := dataset.PlainName(m.From)
	if m.TablePath != "" {
		labels, err := source.GroupsOf(dataset.TableOptions{Path: m.TablePath, Image: "image", Group: "label"}, m.src.Names, m.say)
		if err != nil {
			return err
		}
		m.labels = make([]bool, len(labels))
		for i, label := range labels {
			m.labels[i] = dataset.PlainName(label) == class
		}
		if !slices.Contains(m.labels, true) {
			return fmt.Errorf("%s: no image of %s has the label %s", m.TablePath, m.Images.ScoresPath, foreign.Quote(m.From))
		}
		return nil
	}
	classes, err := dataset.ClassesOf(ctx, m.Images.Data)
	if err != nil {
		return err
	}
	if classes == nil {
		return fmt.Errorf("%s: read as %s, it has no labels", m.Images.Data.Shown(), m.Images.Data.Kind)
	}
	m.label = slices.IndexFunc(classes.Names, func(name string) bool { return dataset.PlainName(name) == class })
	if m.label < 0 {
		err := fmt.Errorf("%s: none of its %s is called %s", classes.Path, quantity.Of(len(classes.Names), "class"), foreign.Quote(m.From))
		return hint.With(err, "give the images' labels by other names with {labels-csv} in place of {data-path}")
	}
	return nil
}

// shows reports whether the i-th image of a batch shows the class, which is number at of all.
func (m *misleader) shows(b source.Batch, i, at int) bool {
	if m.labels != nil {
		return m.labels[at]
	}
	return b.Labels[i] == m.label
}

// measure compares the images of the class by the words.
func (m *misleader) measure(ctx context.Context, r *Result) error {
	words := m.words
	O := words.OutDim
	var features []float32 // of images that show the class, unit vectors
	var margins []float64
	next := 0
	batch := []float32{}
	err := m.src.Each(ctx, func(b source.Batch) error {
		n := len(b.Names)
		batch = slices.Grow(batch[:0], n*O)[:n*O]
		b.Features(batch, m.team)
		for i := range n {
			if next++; !m.shows(b, i, next-1) {
				continue
			}
			feature := batch[i*O : (i+1)*O]
			factor, ok := attribution.Factor(feature)
			if !ok {
				return fmt.Errorf("%s: the image's feature has no direction (zero or not finite)", foreign.Name(b.Names[i]))
			}
			margin := make([]float64, 1)
			attribution.Logits(margin, feature, m.toward, factor)
			margins = append(margins, margin[0])
			for _, x := range feature {
				features = append(features, float32(float64(x)*factor/attribution.Scale))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if n := len(margins); n < leastImages {
		return fmt.Errorf("%s: %s with the label %s, want %d or more", m.Images.ScoresPath, quantity.Of(n, "image"), foreign.Quote(m.From), leastImages)
	}
	r.Images = &Images{Path: m.Images.ScoresPath, Images: len(margins)}
	r.Images.Margin, r.Images.Taken = summed(margins)
	// The difference of every word of the list, for what a difference means.
	moved := make([]Moved, words.Texts)
	n := len(margins)
	for lo := 0; lo < words.Texts; lo += wordsAtATime {
		if err := ctx.Err(); err != nil {
			return err
		}
		hi := min(lo+wordsAtATime, words.Texts)
		products := make([]float32, (hi-lo)*n)
		kernel.Sgemm(1, kernel.Dense(words.Rows[lo*O:], hi-lo, O), kernel.Dense(features, n, O).T(), 0, kernel.Dense(products, hi-lo, n), m.team)
		m.team.For(hi-lo, func(first, last, _ int) {
			for w := first; w < last; w++ {
				moved[lo+w] = compared(products[w*n:(w+1)*n], margins)
			}
		})
	}
	for _, list := range [][]Word{r.Words, r.LeftOut} {
		for i := range list {
			of := moved[list[i].Index]
			smaller := 0
			for _, other := range moved {
				if other.difference() < of.difference() {
					smaller++
				}
			}
			of.Above = float64(smaller) / float64(words.Texts)
			list[i].Moved = &of
		}
	}
	return nil
}

// wordsAtATime bounds the products in memory.
const wordsAtATime = 256

func (m *Moved) difference() float64 { return m.NearMean - m.FarMean }

// compared compares the margins of images whose products with a word are above the median with
// those of the others.
func compared(products []float32, margins []float64) Moved {
	sorted := slices.Clone(products)
	slices.Sort(sorted)
	median := sorted[(len(sorted)-1)/2]
	var near, far []float64
	for i, margin := range margins {
		if products[i] > median {
			near = append(near, margin)
		} else {
			far = append(far, margin)
		}
	}
	m := Moved{Near: len(near)}
	m.FarMean, m.FarTaken = summed(far)
	if m.NearMean, m.NearTaken = summed(near); len(near) == 0 { // all are as close
		m.NearMean = m.FarMean
	}
	return m
}

// summed returns the mean of margins, 0 of none, and how many are above 0.
func summed(margins []float64) (mean float64, above int) {
	for _, x := range margins {
		mean += x / float64(len(margins))
		if x > 0 {
			above++
		}
	}
	return mean, above
}
