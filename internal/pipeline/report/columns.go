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
	b     *builder
	name  func(unit int) string
	spans []span
	selector
	norms []float32 // [B]
	far   []float32 // [B]
	top   []int32   // images of largest distance from the mean
	sums  []float64 // by label
}

func (b *builder) newRanker(c *columns, name func(unit int) string) *ranker {
	r := &ranker{columns: c, b: b, name: name, spans: c.spans(), norms: make([]float32, c.images), far: make([]float32, c.images)}
	r.top = make([]int32, min(strengthImages, c.images))
	if c.labels != nil {
		r.sums = make([]float64, len(b.labelNames))
	}
	return r
}

// add takes the values [B] of a unit, and norms, which are float32 as everywhere that
// images are ranked by them. The values of a neuron are its norms. It fails where a norm is not
// finite.
func (r *ranker) add(u int, values, norms []float32) error {
	r.norm[u], r.value[u] = spread(norms), spread(values)
	if err := r.finite(u, "norm", r.norm[u].Largest); err != nil {
		return err
	}
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
	r.choose(norms, float32(r.norm[u].Smallest), float32(r.norm[u].Largest), r.spans, pieces)
	for i, image := range strong {
		strongValues[i] = values[image]
	}
	for i, image := range weak {
		weakValues[i] = values[image]
	}
	for i, image := range middle {
		middleValues[i] = values[image]
	}
	r.histogram(u, values)
	if r.labels != nil {
		r.labels.add(u, r.sums, values, r.b.labels)
	}
	return nil
}

// finite returns an error unless the largest of what images are ranked by is finite: a
// selector has no place for others.
func (r *ranker) finite(u int, what string, most float64) error {
	if most-most == 0 {
		return nil
	}
	return fmt.Errorf("%s: a %s of %s is %g, want finite ones", r.b.ScoresPath, what, r.name(u), most)
}

// spread is the summary of numbers, without the median.
func spread(x []float32) report.Summary {
	low, high := x[0], x[0]
	var sums [4]float64 // chains, which do not wait for each other
	whole := len(x) &^ 3
	for i := 0; i < whole; i += 4 {
		y := x[i : i+4 : i+4]
		sums[0] += float64(y[0])
		sums[1] += float64(y[1])
		sums[2] += float64(y[2])
		sums[3] += float64(y[3])
		low, high = min(low, min(y[0], y[1]), min(y[2], y[3])), max(high, max(y[0], y[1]), max(y[2], y[3]))
	}
	for _, v := range x[whole:] {
		sums[0] += float64(v)
		low, high = min(low, v), max(high, v)
	}
	s := report.Summary{Mean: (sums[0] + sums[1] + (sums[2] + sums[3])) / float64(len(x)), Smallest: float64(low), Largest: float64(high)}
	sums = [4]float64{}
	for i := 0; i < whole; i += 4 {
		y := x[i : i+4 : i+4]
		a, b, c, d := float64(y[0])-s.Mean, float64(y[1])-s.Mean, float64(y[2])-s.Mean, float64(y[3])-s.Mean
		sums[0] += a * a
		sums[1] += b * b
		sums[2] += c * c
		sums[3] += d * d
	}
	for _, v := range x[whole:] {
		sums[0] += (float64(v) - s.Mean) * (float64(v) - s.Mean)
	}
	s.Deviation = math.Sqrt((sums[0] + sums[1] + (sums[2] + sums[3])) / float64(len(x)))
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

// mostScores is how many scores a report has at most, of all pairs on all images: some 8 MB.
const mostScores = 4 << 20

// newPairColumns makes room for what readColumns finds.
func (b *builder) newPairColumns() {
	b.pairsOf = newColumns(b.pairs(), b.scores.Images)
	if b.whole {
		b.pairsOf.spreadOf(b.pairs())
	}
	if b.pairs()*b.scores.Images <= mostScores {
		b.pairsOf.scores = make([]float32, b.pairs()*b.scores.Images)
	}
	if b.labels != nil {
		b.pairsOf.labels = newLabelMeans(b.pairs(), b.labels, len(b.labelNames))
	}
}

// readColumns reads what the scores of a pair say over all images, some pairs of a head
// at a time.
func (b *builder) readColumns(ctx context.Context) error {
	ov, B := b.scores.OV, b.scores.Images
	C, O, pairs := ov.Neurons, ov.OutDim, b.pairs()
	team := b.team()
	c := b.pairsOf
	workers := make([]*ranker, team.Size())
	for w := range workers {
		workers[w] = b.newRanker(c, b.units.Name)
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
					if failed[w] = r.add(u, values, r.norms); failed[w] == nil {
						failed[w] = r.addFarness(u, values, math.Sqrt(square))
					}
					if failed[w] != nil {
						return
					}
					if c.scores != nil {
						copy(c.scores[u*B:(u+1)*B], values)
					}
				}
			})
			if err := cmp.Or(failed...); err != nil {
				return err
			}
			progress.Add(int64(n))
		}
	}
	return nil
}

// readNeurons ranks images by the norms of neurons' contributions.
func (b *builder) readNeurons() error {
	B, C := b.scores.Images, b.scores.OV.Neurons
	team := b.team()
	workers, failed := make([]*ranker, team.Size()), make([]error, team.Size())
	team.For(C, func(lo, hi, w int) {
		if workers[w] == nil {
			workers[w] = b.newRanker(b.neurons, b.units.Layers.Neuron)
		}
		for n := lo; n < hi; n++ {
			norms := b.neuronNorms[n*B : (n+1)*B]
			if failed[w] = workers[w].add(n, norms, norms); failed[w] != nil {
				return
			}
			sorted := slices.Clone(norms)
			slices.Sort(sorted)
			b.neurons.norm[n].Median = float64(sorted[(B-1)/2])/2 + float64(sorted[B/2])/2
		}
	})
	b.neuronNorms = nil
	return cmp.Or(failed...)
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
