package report

import (
	"math"

	"github.com/clipnh/clipnh/internal/double"
	"github.com/clipnh/clipnh/internal/report"
)

func newLabelMeans(units int, labels []int, count int) *labelMeans {
	l := &labelMeans{images: make([]int, count)}
	for _, label := range labels {
		if label >= 0 {
			l.images[label]++
		}
	}
	for label, n := range l.images {
		if n > 0 {
			l.occurred = append(l.occurred, label)
		}
	}
	l.each = min(report.Labels, len(l.occurred))
	l.high, l.low = newHits(units, l.each), newHits(units, l.each)
	return l
}

// add takes the sums of the values of a unit by label, which are each numbers apart. means is
// scratch, a number for each label.
func (l *labelMeans) add(u int, means, sums []float64, each int) {
	for _, label := range l.occurred {
		means[label] = sums[label*each] / float64(l.images[label])
	}
	l.choose(u, l.high, means, 1)
	l.choose(u, l.low, means, -1)
}

// choose finds the labels whose mean, times a sign, is largest; of equal ones the first.
func (l *labelMeans) choose(u int, h hits, means []float64, sign float64) {
	labels, values := h.of(u)
	at, least := 0, math.Inf(-1)
	for _, label := range l.occurred {
		mean := sign * means[label]
		if at == len(labels) && mean <= least {
			continue
		}
		i := min(at, len(labels)-1)
		for ; i > 0 && sign*means[labels[i-1]] < mean; i-- {
			labels[i] = labels[i-1]
		}
		labels[i] = int32(label)
		at = min(at+1, len(labels))
		least = sign * means[labels[at-1]]
	}
	for i, label := range labels {
		values[i] = float32(means[label])
	}
}

// topImages is how many images polysemanticity compares, as the command of the name does
// unless told otherwise.
const topImages = 10

// spreadOf makes room for what addFarthest finds of units.
func (c *columns) spreadOf(units int) {
	c.farthest, c.strength = make([]int32, units*min(topImages, c.images)), make([]float32, units)
}

// addFarness finds on which images a pair's score is farthest from its mean; see
// addFarthest. norm is |v|.
func (r *ranker) addFarness(u int, values []float32, norm float64) error {
	if r.farthest == nil {
		return nil
	}
	mean := r.value[u].Mean
	double.Distances(r.far, values, mean)
	most := float32(max(r.value[u].Largest-mean, mean-r.value[u].Smallest))
	return r.addFarthest(u, r.far, most, norm)
}

// addFarthest takes how far a unit's contribution to each image is from its mean, in units of
// norm, and the largest of these. It finds the images on which it is farthest, and the unit's strength, the mean of its
// largest distances. It fails where one of them is not finite.
func (r *ranker) addFarthest(u int, far []float32, most float32, norm float64) error {
	if err := r.finite(u, "distance from the mean", float64(most)); err != nil {
		return err
	}
	r.first(far, 0, most, r.top)
	each := min(topImages, len(r.top))
	copy(r.farthest[u*each:], r.top[:each])
	sum := 0.0
	for _, image := range r.top {
		sum += float64(far[image]) * norm
	}
	r.strength[u] = float32(sum / float64(len(r.top)))
	return nil
}

// compareFarthest finds how unlike each other the images are on which units are farthest
// from their means.
func (b *builder) compareFarthest(c *columns) {
	if c.farthest == nil {
		return
	}
	units := len(c.strength)
	each := len(c.farthest) / units
	c.inertia = make([]float32, units)
	b.team().For(units, func(lo, hi, _ int) {
		mean := make([]float64, b.scores.OV.OutDim)
		for u := lo; u < hi; u++ {
			c.inertia[u] = float32(b.inertia(c.farthest[u*each:(u+1)*each], mean))
		}
	})
}

// inertia is, with some images' unit embeddings e and the mean m of these, the sum of
// |e - m|²; it takes the memory of mean.
func (b *builder) inertia(images []int32, mean []float64) float64 {
	O := len(mean)
	clear(mean)
	for _, image := range images {
		scale := 1 / b.lengths[image]
		for o, x := range b.features[int(image)*O:][:O] {
			mean[o] += float64(x) * scale
		}
	}
	for o := range mean {
		mean[o] /= float64(len(images))
	}
	sum := 0.0
	for _, image := range images {
		scale := 1 / b.lengths[image]
		for o, x := range b.features[int(image)*O:][:O] {
			d := float64(x)*scale - mean[o]
			sum += d * d
		}
	}
	return sum
}
