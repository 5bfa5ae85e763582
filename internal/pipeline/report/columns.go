package report

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/ui"
)

func newColumns(units, images int) *columns {
	quantile := min(report.QuantileImages, images)
	return &columns{
		images: images, square: make([]float32, units), cross: make([]float32, units),
		norm: make([]report.Summary, units), value: make([]report.Summary, units),
		low: make([]float32, units), high: make([]float32, units), counts: make([]int32, units*report.Bins),
		strongest: newHits(units, min(report.StrongestImages, images)), weakest: newHits(units, min(report.WeakestImages, images)),
		quantiles: newHits(units, len(report.Quantiles)*quantile),
	}
}

// spans are the ranks, by descending norm, of the images that are listed.
func (c *columns) spans() []span {
	B := c.images
	spans := []span{{0, c.strongest.each}, {B - c.weakest.each, B}}
	k := c.quantiles.each / len(report.Quantiles)
	for _, q := range report.Quantiles {
		lo := int((1-q)*float64(B-k) + 1e-9)
		spans = append(spans, span{lo, lo + k})
	}
	return spans
}

// A ranker fills in the columns of units, one after the other; each worker has its own.
type ranker struct {
	*columns
	b         *builder
	spans     []span
	byNorm    selector[float32]
	byFarness selector[float64]
	norms     []float32 // [B]
	far       []float64 // [B]
	top       []int32   // images of largest distance from the mean
	mean      []float64 // [O]
	sums      []float64 // by label
	right     []float64 // by label
}

func (b *builder) newRanker(c *columns) *ranker {
	r := &ranker{columns: c, b: b, spans: c.spans(), norms: make([]float32, c.images), far: make([]float64, c.images)}
	r.top, r.mean = make([]int32, min(strengthImages, c.images)), make([]float64, b.scores.OV.OutDim)
	if c.labels != nil {
		r.right = make([]float64, len(b.labelNames))
		r.sums = make([]float64, len(b.labelNames))
	}
	return r
}

// add takes the values [B] of a unit, and norms, which are float32 as everywhere that
// images are ranked by them. The values of a neuron are its norms.
func (r *ranker) add(u int, values, norms []float32) {
	pieces := make([][]int32, len(r.spans))
	strong, strongValues := r.strongest.of(u)
	weak, weakValues := r.weakest.of(u)
	middle, middleValues := r.quantiles.of(u)
	pieces[0], pieces[1] = strong, weak
	at := 0
	for i, p := range r.spans[2:] {
		pieces[2+i] = middle[at : at+p.hi-p.lo]
		at += p.hi - p.lo
	}
	r.byNorm.choose(norms, r.spans, pieces)
	for i, image := range strong {
		strongValues[i] = values[image]
	}
	for i, image := range weak {
		weakValues[i] = values[image]
	}
	for i, image := range middle {
		middleValues[i] = values[image]
	}
	r.norm[u], r.value[u] = spread(norms), spread(values)
	r.histogram(u, values)
	if r.labels != nil {
		r.labels.add(u, r.sums, values, r.b.labels)
	}
}

// spread is the summary of numbers, without the median.
func spread(x []float32) report.Summary {
	s := report.Summary{Smallest: float64(x[0]), Largest: float64(x[0])}
	for _, v := range x {
		s.Mean += float64(v)
		s.Smallest, s.Largest = math.Min(s.Smallest, float64(v)), math.Max(s.Largest, float64(v))
	}
	s.Mean /= float64(len(x))
	for _, v := range x {
		s.Deviation += (float64(v) - s.Mean) * (float64(v) - s.Mean)
	}
	s.Deviation = math.Sqrt(s.Deviation / float64(len(x)))
	return s
}

// histogram counts values in bins of equal width from the smallest to the largest.
func (r *ranker) histogram(u int, values []float32) {
	low, high := r.value[u].Smallest, r.value[u].Largest
	r.low[u], r.high[u] = float32(low), float32(high)
	counts := r.counts[u*report.Bins : (u+1)*report.Bins]
	scale := 0.0
	if high > low {
		scale = report.Bins / (high - low)
	}
	for _, v := range values {
		counts[min(int((float64(v)-low)*scale), report.Bins-1)]++
	}
}

// stripBytes bounds the scores of some pairs on all images that are in memory, of which
// there are two copies.
const stripBytes = 256 << 20

// readColumns reads what the scores of a pair say over all images, some pairs of a head
// at a time, and then what the norms of neurons say.
func (b *builder) readColumns(ctx context.Context) error {
	ov, B := b.scores.OV, b.scores.Images
	C, O, pairs := ov.Neurons, ov.OutDim, b.pairs()
	team := b.team()
	c := newColumns(pairs, B)
	b.pairsOf = c
	if b.whole {
		c.inertia, c.strength = make([]float32, pairs), make([]float32, pairs)
	}
	if b.labels != nil {
		c.labels = newLabelMeans(pairs, b.labels, len(b.labelNames))
	}
	b.effects = b.newEffects()
	workers := make([]*ranker, team.Size())
	for w := range workers {
		workers[w] = b.newRanker(c)
	}
	progress := b.say.Progress()
	progress.Start(int64(pairs), ui.Pairs, "report: pairs")
	defer progress.Done()
	width := max(1, min(C, stripBytes/(4*B)))
	read, strip := make([]float32, width*B), make([]float32, width*B)
	v := make([]float32, width*O)
	for h := range ov.Heads {
		bias := ov.Bias[h*O : (h+1)*O]
		constant := dot(bias, bias)
		for first := 0; first < C; first += width {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := min(width, C-first)
			if err := b.readStrip(read, strip, h, first, n); err != nil {
				return err
			}
			ov.Directions(v[:n*O], h, first, first+n, team)
			var products stripProducts
			if b.effects != nil {
				products = b.effects.of(b, v[:n*O], n)
			}
			failed := make([]error, team.Size())
			team.For(n, func(lo, hi, w int) {
				r := workers[w]
				for i := lo; i < hi; i++ {
					u, values, own := h*C+first+i, strip[i*B:(i+1)*B], v[i*O:(i+1)*O]
					square, cross := dot(own, own), dot(own, bias)
					c.square[u], c.cross[u] = float32(square), float32(cross)
					for at, s := range values {
						x := float64(s)
						r.norms[at] = float32(math.Sqrt(max(x*x*square+2*x*cross+constant, 0)))
					}
					if norm := slices.Max(r.norms); norm-norm != 0 {
						failed[w] = fmt.Errorf("%s: a norm of %s is %g, want finite ones", b.ScoresPath, b.units.Name(u), norm)
						return
					}
					r.add(u, values, r.norms)
					r.addFarness(u, values, math.Sqrt(square))
					if b.effects != nil {
						b.effects.add(b, u, i, products, values, r.sums, r.right)
					}
				}
			})
			if err := cmp.Or(failed...); err != nil {
				return err
			}
			progress.Add(int64(n))
		}
	}
	b.readNeurons()
	return nil
}

// readNeurons ranks images by the norms of neurons' contributions.
func (b *builder) readNeurons() {
	B, C := b.scores.Images, b.scores.OV.Neurons
	b.neurons = newColumns(C, B)
	team := b.team()
	workers := make([]*ranker, team.Size())
	team.For(C, func(lo, hi, w int) {
		if workers[w] == nil {
			workers[w] = b.newRanker(b.neurons)
		}
		for n := lo; n < hi; n++ {
			norms := b.neuronNorms[n*B : (n+1)*B]
			workers[w].add(n, norms, norms)
			sorted := slices.Sorted(slices.Values(norms))
			b.neurons.norm[n].Median = float64(sorted[(B-1)/2])/2 + float64(sorted[B/2])/2
		}
	})
	b.neuronNorms = nil
}

// readStrip fills strip [n,B] with the scores of n pairs of a head, of the neurons from
// first on.
func (b *builder) readStrip(read, strip []float32, head, first, n int) error {
	B, team := b.scores.Images, b.team()
	failed := make([]error, team.Size())
	team.For(B, func(lo, hi, w int) { failed[w] = b.scores.ReadPart(read[lo*n:hi*n], lo, head, first, n) })
	if err := cmp.Or(failed...); err != nil {
		return err
	}
	kernel.Transpose(strip[:n*B], read[:n*B], B, n)
	return nil
}
