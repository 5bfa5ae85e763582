package report

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/clipnh/clipnh/internal/double"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
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
	b     *base
	name  func(unit int) string
	spans []span
	selector
	norms []float32 // [B]
	far   []float32 // [B]
	bins  []uint16  // of a histogram, [B]
	top   []int32   // images of largest distance from the mean
	sums  []float64 // by label
}

func (b *base) newRanker(c *columns, name func(unit int) string) *ranker {
	r := &ranker{
		columns: c, b: b, name: name, spans: c.spans(), norms: make([]float32, c.images), far: make([]float32, c.images), bins: make([]uint16, c.images),
	}
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
	sum, low, high := double.Sum(x)
	mean := sum / float64(len(x))
	return report.Summary{
		Mean: mean, Deviation: math.Sqrt(double.Squares(x, mean) / float64(len(x))), Smallest: float64(low), Largest: float64(high),
	}
}

// histogram counts values in bins of equal width from the smallest to the largest.
func (r *ranker) histogram(u int, values []float32) {
	low, high := r.value[u].Smallest, r.value[u].Largest
	r.low[u], r.high[u] = float32(low), float32(high)
	scale := 0.0
	if high > low {
		scale = report.Bins / (high - low)
	}
	double.Bins(r.bins, values, low, scale)
	const places = 2 * report.Bins // the largest value is beyond the last bin
	var counts [4][places]int32    // in turn, as in a selector
	for bins := r.bins; len(bins) > 0; bins = bins[4:] {
		if len(bins) < 4 {
			for _, at := range bins {
				counts[0][at%places]++
			}
			break
		}
		counts[0][bins[0]%places]++
		counts[1][bins[1]%places]++
		counts[2][bins[2]%places]++
		counts[3][bins[3]%places]++
	}
	of := r.counts[u*report.Bins : (u+1)*report.Bins]
	for i := range places {
		of[min(i, report.Bins-1)] += counts[0][i] + counts[1][i] + counts[2][i] + counts[3][i]
	}
}

// median is that of numbers whose least and largest a summary says.
func (r *ranker) median(values []float32, of report.Summary) float64 {
	at, middle := span{(len(values) - 1) / 2, len(values)/2 + 1}, []int32{0, 0} // of ascending and of descending ranks the same
	r.choose(values, float32(of.Smallest), float32(of.Largest), []span{at}, [][]int32{middle})
	return float64(values[middle[0]])/2 + float64(values[middle[at.hi-at.lo-1]])/2
}

// stripBytes bounds the scores of some pairs on all images that are in memory, of all workers
// together.
const stripBytes = 448 << 20

// Scores of tileImages images are read before they are put in columns, tilePairs pairs at a time.
const (
	tileImages = 64
	tilePairs  = 64
)

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

// readColumns reads what the scores of a pair say over all images. Each worker has some pairs
// of a head at a time.
func (b *builder) readColumns(ctx context.Context) error {
	ov, B := b.scores.OV, b.scores.Images
	team := b.team()
	width := max(1, min(ov.Neurons, stripBytes/(4*B*team.Size())))
	width = min(width, max(tilePairs, b.pairs()/(4*team.Size()))) // some strips for each worker
	perHead := (ov.Neurons + width - 1) / width
	workers := make([]*strip, team.Size())
	progress := b.say.Progress()
	progress.Start(int64(b.pairs()), ui.Pairs, "report: pairs")
	defer progress.Done()
	failed := make([]error, ov.Heads*perHead)
	var over atomic.Bool // strips are taken in order: one that is not begun comes after one that failed
	team.Each(len(failed), func(i, w int) {
		if over.Load() {
			return
		}
		if workers[w] == nil {
			workers[w] = b.newStrip(width)
		}
		h, at := i/perHead, i%perHead
		first, end := ov.Neurons*at/perHead, ov.Neurons*(at+1)/perHead
		if failed[i] = cmp.Or(ctx.Err(), workers[w].read(h, first, end-first)); failed[i] != nil {
			over.Store(true)
		}
		progress.Add(int64(end - first))
	})
	return cmp.Or(failed...)
}

// A strip is the scores of some pairs of a head on all images, and what ranks them.
type strip struct {
	b          *builder
	ranker     *ranker
	tile       []float32 // as they are read, [tileImages,n]
	scores     []float32 // [n,B]
	directions []float32 // v, [n,O]
	sums       []float64 // by label, [K,n]; nil: no labels
}

func (b *builder) newStrip(width int) *strip {
	s := &strip{
		b: b, ranker: b.newRanker(b.pairsOf, b.units.Name), tile: kernel.Alloc(tileImages * width), scores: kernel.Alloc(width * b.scores.Images),
		directions: make([]float32, width*b.scores.OV.OutDim),
	}
	if b.labels != nil {
		s.sums = make([]float64, len(b.labelNames)*width)
	}
	return s
}

// read fills in the columns of n pairs of a head, of the neurons from first on.
func (s *strip) read(h, first, n int) error {
	b := s.b
	ov, B, c := b.scores.OV, b.scores.Images, b.pairsOf
	clear(s.sums)
	for lo := 0; lo < B; lo += tileImages {
		count := min(tileImages, B-lo)
		tile := s.tile[:count*n]
		if err := b.scores.ReadPart(tile, lo, h, first, n); err != nil {
			return err
		}
		for at := 0; at < n; at += tilePairs {
			kernel.TransposePart(s.scores[at*B+lo:], tile[at:], B, n, count, min(tilePairs, n-at))
		}
		if s.sums == nil {
			continue
		}
		for i, label := range b.labels[lo : lo+count] {
			if label >= 0 {
				double.Add(s.sums[label*n:(label+1)*n], tile[i*n:(i+1)*n])
			}
		}
	}
	O := ov.OutDim
	ov.Directions(s.directions[:n*O], h, first, first+n, par.Team{})
	bias := ov.Bias[h*O : (h+1)*O]
	constant := dot(bias, bias)
	for i := range n {
		u, values, v := h*ov.Neurons+first+i, s.scores[i*B:(i+1)*B], s.directions[i*O:(i+1)*O]
		square, cross := dot(v, v), dot(v, bias)
		c.square[u], c.cross[u] = float32(square), float32(cross)
		double.Norms(s.ranker.norms, values, square, cross, constant)
		if err := s.ranker.add(u, values, s.ranker.norms); err != nil {
			return err
		}
		if err := s.ranker.addFarness(u, values, math.Sqrt(square)); err != nil {
			return err
		}
		if c.labels != nil {
			c.labels.add(u, s.ranker.sums, s.sums[i:], n)
		}
		if c.scores != nil {
			copy(c.scores[u*B:(u+1)*B], values)
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
			b.neurons.norm[n].Median = workers[w].median(norms, b.neurons.norm[n])
		}
	})
	b.neuronNorms = nil
	return cmp.Or(failed...)
}
