package report

import (
	"cmp"
	"math"

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

// add takes the values of a unit. sums is scratch, a number for each label.
func (l *labelMeans) add(u int, sums []float64, values []float32, labels []int) {
	clear(sums)
	for i, v := range values {
		if label := labels[i]; label >= 0 {
			sums[label] += float64(v)
		}
	}
	for _, label := range l.occurred {
		sums[label] /= float64(l.images[label])
	}
	choose := func(h hits, before func(a, b float64) int) {
		labels, means := h.of(u)
		at := 0
		for _, label := range l.occurred {
			i := at
			for i > 0 && before(sums[label], sums[labels[i-1]]) < 0 {
				i--
			}
			if i == len(labels) {
				continue
			}
			at = min(at+1, len(labels))
			copy(labels[i+1:at], labels[i:])
			labels[i] = int32(label)
		}
		for i, label := range labels {
			means[i] = float32(sums[label])
		}
	}
	choose(l.high, func(a, b float64) int { return cmp.Compare(b, a) })
	choose(l.low, cmp.Compare[float64])
}

// topImages is how many images polysemanticity compares, as the command of the name does
// unless told otherwise.
const topImages = 10

// addFarness finds on which images a pair's score is farthest from its mean; see
// addFarthest. norm is |v|.
func (r *ranker) addFarness(u int, values []float32, norm float64) {
	if r.inertia == nil {
		return
	}
	for i, v := range values {
		r.far[i] = math.Abs(float64(v) - r.value[u].Mean)
	}
	r.addFarthest(u, norm)
}

// addFarthest takes, from far, how far a unit's contribution to each image is from its
// mean, in units of norm. It finds how unlike each other the images are on which it is
// farthest: with their unit embeddings e and the mean m of these, the sum of |e - m|². And
// it finds the unit's strength, the mean of its largest distances.
func (r *ranker) addFarthest(u int, norm float64) {
	r.byFarness.choose(r.far, []span{{0, len(r.top)}}, [][]int32{r.top})
	r.inertia[u] = float32(r.b.inertia(r.top[:min(topImages, len(r.top))], r.mean))
	sum := 0.0
	for _, image := range r.top {
		sum += r.far[image] * norm
	}
	r.strength[u] = float32(sum / float64(len(r.top)))
}

// inertia is the sum of squared distances of some images' unit embeddings to their mean,
// for which it takes the memory of mean.
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
