package report

import (
	"cmp"
	"context"
	"math"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/ui"
)

// writeNeurons writes the files of neurons and their pairs.
func (b *builder) writeNeurons(ctx context.Context) error {
	C := b.scores.OV.Neurons
	progress := b.say.Progress()
	progress.Start(int64(C), ui.Neurons, "report: files")
	defer progress.Done()
	team := b.team()
	for first := 0; first < C; first += filesAtATime {
		if err := ctx.Err(); err != nil {
			return err
		}
		count := min(filesAtATime, C-first)
		failed := make([]error, count)
		team.For(count, func(lo, hi, _ int) {
			for i := lo; i < hi; i++ {
				if name := report.NeuronName(first + i); !b.folder.has(report.FileOf(name)) {
					failed[i] = b.folder.write(name, b.neuron(first+i))
				}
			}
		})
		if err := cmp.Or(failed...); err != nil { // a full disk fails all in the same way
			return err
		}
		progress.Add(int64(count))
	}
	return nil
}

// filesAtATime is how many files are written before an interruption is looked for.
const filesAtATime = 32

// neuron is the record of a neuron and its pairs.
func (b *builder) neuron(n int) *report.Neuron {
	c, B := b.neurons, b.scores.Images
	r := &report.Neuron{
		Neuron: n, Name: b.units.Layers.Neuron(n), Norm: c.norm[n], Words: b.terms(b.words.Neuron(n)),
		Strongest: c.strongest.file(B, n), Weakest: c.weakest.file(B, n), Quantiles: c.quantiles.file(B, n),
		Histogram: report.Histogram{Low: float64(c.low[n]), High: float64(c.high[n]), Counts: make([]int, report.Bins)},
	}
	for i, count := range c.counts[n*report.Bins : (n+1)*report.Bins] {
		r.Histogram.Counts[i] = int(count)
	}
	if c.inertia != nil {
		x := float64(c.inertia[n])
		r.Polysemanticity = &x
	}
	b.fillPairs(&r.Pairs, n)
	if b.maps != nil {
		r.Maps = b.maps.ofNeuron(n)
	}
	return r
}

// file is what a file has of some units.
func (h hits) file(images int, units ...int) report.Hits {
	var at []int32
	var values []float32
	for _, u := range units {
		i, v := h.of(u)
		at, values = append(at, i...), append(values, v...)
	}
	return report.Hits{Images: report.Indices(at, images), Values: report.Floats(values)}
}

// coarse is file with values that are quantized.
func (h hits) coarse(images int, units ...int) report.Hits {
	f := h.file(images, units...)
	var values []float32
	for _, u := range units {
		_, v := h.of(u)
		values = append(values, v...)
	}
	f.Values = report.Quantized(values)
	return f
}

// fillPairs fills in the pairs of neuron n.
func (b *builder) fillPairs(p *report.Pairs, n int) {
	H, C, B, c := b.scores.OV.Heads, b.scores.OV.Neurons, b.scores.Images, b.pairsOf
	units := make([]int, H)
	for h := range units {
		units[h] = h*C + n
	}
	of := func(value func(u int) float64) []float32 {
		all := make([]float32, H)
		for h, u := range units {
			all[h] = float32(value(u))
		}
		return all
	}
	floats := func(value func(u int) float64) report.Column { return report.Floats(of(value)) }
	p.Square = floats(func(u int) float64 { return float64(c.square[u]) })
	p.Cross = floats(func(u int) float64 { return float64(c.cross[u]) })
	p.Constant = floats(func(u int) float64 {
		bias := b.scores.OV.Bias[u/C*b.scores.OV.OutDim:][:b.scores.OV.OutDim]
		return dot(bias, bias)
	})
	p.NormMean = floats(func(u int) float64 { return c.norm[u].Mean })
	p.NormSD = floats(func(u int) float64 { return c.norm[u].Deviation })
	p.NormLargest = floats(func(u int) float64 { return c.norm[u].Largest })
	p.ScoreMean = floats(func(u int) float64 { return c.value[u].Mean })
	p.ScoreSD = floats(func(u int) float64 { return c.value[u].Deviation })
	p.Strongest, p.Weakest, p.Quantiles = c.strongest.file(B, units...), c.weakest.file(B, units...), c.quantiles.coarse(B, units...)
	p.Adds = report.Indices(b.adds(units, n), 1<<report.StrongestImages)
	if c.inertia != nil {
		p.Polysemanticity = floats(func(u int) float64 { return float64(c.inertia[u]) })
	}
	b.fillWords(p, units)
	var counts []int32
	most := int32(0)
	for _, u := range units {
		counts = append(counts, c.counts[u*report.Bins:(u+1)*report.Bins]...)
	}
	for _, x := range counts {
		most = max(most, x)
	}
	p.Histogram.Low = floats(func(u int) float64 { return float64(c.low[u]) })
	p.Histogram.High = floats(func(u int) float64 { return float64(c.high[u]) })
	p.Histogram.Counts = report.Indices(counts, int(most)+1)
	p.ByDirection, p.ByScores = b.byDirection.file(b.pairs(), units), b.byScores.file(b.pairs(), units)
	if c.scores != nil {
		var scores []float32
		for _, u := range units {
			scores = append(scores, c.scores[u*B:(u+1)*B]...)
		}
		p.Scores = report.Quantized(scores)
	}
	if e := b.effects; e != nil {
		f := e.changed.coarse(len(b.labelNames), units...)
		var right []float32
		for _, u := range units {
			right = append(right, e.right[u*e.each:(u+1)*e.each]...)
		}
		p.Ablation = report.Effect{Classes: f.Images, Logit: f.Values, Accuracy: report.Quantized(right)}
	}
	if l := c.labels; l != nil {
		high, low := l.high.coarse(len(b.labelNames), units...), l.low.coarse(len(b.labelNames), units...)
		p.LabelMeans = report.LabelMeans{Highest: high.Images, High: high.Values, Lowest: low.Images, Low: low.Values}
	}
}

// file is what a file has of some units. Cosines and correlations are in steps of less
// than 0.01.
func (n *near) file(pairs int, units []int) report.Near {
	var near []int32
	var values []float32
	for _, u := range units {
		others, v := n.of(u)
		near, values = append(near, others...), append(values, v...)
	}
	return report.Near{Pairs: report.Indices(near, pairs), Values: report.Coarse(values)}
}

// adds has, for each pair, a bit for each of its strongest images that is not among the
// neuron's.
func (b *builder) adds(units []int, n int) []int32 {
	own := map[int32]bool{}
	images, _ := b.neurons.strongest.of(n)
	for _, image := range images {
		own[image] = true
	}
	bits := make([]int32, len(units))
	for i, u := range units {
		images, _ := b.pairsOf.strongest.of(u)
		for at, image := range images {
			if !own[image] {
				bits[i] |= 1 << at
			}
		}
	}
	return bits
}

// terms are words as files have them, by number in the report's own list.
func (b *builder) terms(words []artefact.Term) []report.Term {
	terms := make([]report.Term, len(words))
	for i, t := range words {
		terms[i] = report.Term{Word: int(b.wordOf[t.Index]), Coefficient: t.Coefficient}
	}
	return terms
}

// fillWords fills in the words of pairs and how well they predict scores.
func (b *builder) fillWords(p *report.Pairs, units []int) {
	if codes := b.words.Codes(true); codes != nil {
		words, coefficients := b.wordColumns(len(units), report.Words, func(i int) []artefact.Term { return b.words.Pair(units[i]) })
		p.Words, p.Coefficients = report.Indices(words, len(b.wordList)), report.Quantized(coefficients)
		if codes.Residuals != nil {
			residuals := make([]float32, len(units))
			for i, u := range units {
				residuals[i] = codes.Residuals[u]
			}
			p.Residual = report.Quantized(residuals)
		}
	}
	if b.wordScores == nil {
		return
	}
	for i, column := range []*report.Column{&p.Spearman, &p.AUC, &p.FirstRho, &p.FirstAUC} {
		values := make([]float32, len(units))
		for at, u := range units {
			values[at] = b.wordScores[u*wordMeasures+i]
		}
		*column = report.Quantized(values)
	}
}

// wordColumns are the first words of units and their coefficients, [units,each], with
// None and 0 where a unit has fewer.
func (b *builder) wordColumns(units, each int, of func(i int) []artefact.Term) (words []int32, coefficients []float32) {
	words, coefficients = make([]int32, units*each), make([]float32, units*each)
	for i := range words {
		words[i] = report.None
	}
	for i := range units {
		for at, t := range of(i) {
			if at == each {
				break
			}
			words[i*each+at], coefficients[i*each+at] = b.wordOf[t.Index], t.Coefficient
		}
	}
	return words, coefficients
}

// meanNorms are the mean norms of units.
func (c *columns) meanNorms() []float32 {
	means := make([]float32, len(c.norm))
	for u := range means {
		means[u] = float32(c.norm[u].Mean)
	}
	return means
}

// histogramOf counts finite numbers in equal bins.
func histogramOf(values []float32) report.Histogram {
	h := report.Histogram{Low: math.Inf(1), High: math.Inf(-1), Counts: make([]int, report.Bins)}
	for _, v := range values {
		h.Low, h.High = math.Min(h.Low, float64(v)), math.Max(h.High, float64(v))
	}
	scale := 0.0
	if h.High > h.Low {
		scale = report.Bins / (h.High - h.Low)
	}
	for _, v := range values {
		h.Counts[min(int((float64(v)-h.Low)*scale), report.Bins-1)]++
	}
	return h
}
