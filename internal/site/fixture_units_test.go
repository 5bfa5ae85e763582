//go:build browser

package site

import (
	"fmt"
	"math/rand/v2"

	"github.com/clipnh/clipnh/internal/report"
)

// neuron makes up the file of a neuron and its pairs.
func (f fixture) neuron(random *rand.Rand, n int) report.Neuron {
	hits := func(units, k int) report.Hits {
		return report.Hits{Images: report.Indices(integers(random, units*k, f.shown()), f.images), Values: report.Floats(floats(random, units*k, 0, 4))}
	}
	per := func(low, high float32) report.Column { return report.Floats(floats(random, f.heads, low, high)) }
	poly := 0.4
	r := report.Neuron{
		Neuron: n, Name: fmt.Sprintf("n%d", n), Strongest: hits(1, report.StrongestImages), Weakest: hits(1, report.WeakestImages),
		Quantiles: hits(3, report.QuantileImages), Norm: report.Summary{Mean: 1, Deviation: 0.2, Largest: 3}, Words: f.terms(random, report.Words),
		Histogram: report.Histogram{Low: 0, High: 3, Counts: make([]int, report.Bins)}, Polysemanticity: &poly,
	}
	for i := range r.Histogram.Counts {
		r.Histogram.Counts[i] = random.IntN(50)
	}
	p := &r.Pairs
	p.Square, p.Cross, p.Constant = per(0.5, 1), per(-0.1, 0.1), per(0, 0.1)
	p.NormMean, p.NormSD, p.NormLargest = per(0, 2), per(0, 1), per(2, 5)
	p.ScoreMean, p.ScoreSD = per(0, 1), per(0, 1)
	p.Strongest, p.Weakest, p.Quantiles = hits(f.heads, report.StrongestImages), hits(f.heads, report.WeakestImages), hits(f.heads, 3*report.QuantileImages)
	p.Adds = report.Indices(integers(random, f.heads, 4096), 4097)
	p.Words = report.Indices(integers(random, f.heads*report.Words, f.words), f.words)
	p.Coefficients = report.Floats(floats(random, f.heads*report.Words, -0.2, 0.7))
	p.Residual, p.Spearman, p.AUC, p.FirstRho, p.FirstAUC = per(0, 1), per(0, 1), per(0.5, 1), per(0, 1), per(0.5, 1)
	p.Polysemanticity = per(0, 1)
	p.Histogram.Low, p.Histogram.High = per(-1, 0), per(3, 5)
	p.Histogram.Counts = report.Indices(integers(random, f.heads*report.Bins, 40), f.images)
	near := func() report.Near {
		return report.Near{Pairs: report.Indices(integers(random, f.heads*report.Neighbours, f.heads*f.neurons), f.heads*f.neurons), Values: report.Floats(floats(random, f.heads*report.Neighbours, 0, 1))}
	}
	p.ByDirection, p.ByScores = near(), near()
	five := func() report.Column {
		return report.Indices(integers(random, f.heads*report.Labels, fixtureClasses), fixtureClasses)
	}
	values := func() report.Column { return report.Floats(floats(random, f.heads*report.Labels, -1, 1)) }
	p.LabelMeans = report.LabelMeans{Highest: five(), High: values(), Lowest: five(), Low: values()}
	p.Ablation = report.Effect{Classes: five(), Logit: values(), Accuracy: values()}
	r.Maps = f.maps(random, 24)
	return r
}

func (f fixture) maps(random *rand.Rand, images int) *report.Maps {
	m := &report.Maps{Side: mapSide, Values: report.Column{Type: "u8", Data: make([]byte, images*mapSide*mapSide)}}
	for i := range images {
		m.Images, m.Scale = append(m.Images, i), append(m.Scale, 1)
	}
	for i := range m.Values.Data {
		m.Values.Data[i] = byte(random.IntN(256))
	}
	return m
}

func (f fixture) head(random *rand.Rand, h int) report.Head {
	r := report.Head{Head: h, Name: fmt.Sprintf("h%d", h), Attention: floats(random, mapSide*mapSide, 0, 0.04), Sink: 0.1, Maps: f.maps(random, 24)}
	for i := range 12 {
		pair := h*f.neurons + random.IntN(f.neurons)
		r.Words = append(r.Words, report.HeadWord{Word: random.IntN(f.words), Norm: 12 - float64(i), Pairs: 3})
		r.Strongest = append(r.Strongest, report.Unit{Unit: fmt.Sprintf("h%dn%d", h, pair%f.neurons), Pair: pair, Value: 1, Words: f.terms(random, 4), Images: []int{0, 1, 2, 3}})
	}
	return r
}

func (f fixture) imageShard(random *rand.Rand) *report.ImageShard {
	var records []report.ImageRecord
	for range min(report.ShardImages, f.images) {
		r := report.ImageRecord{Constant: 1, Rest: 3, Sum: 20, Norm: 9, Attention: f.maps(random, f.heads)}
		logit := r.Constant + r.Rest
		for i := range report.Parts {
			r.For = append(r.For, report.PairPart{Pair: random.IntN(f.heads * f.neurons), Part: 2 - 0.1*float64(i)})
			r.Against = append(r.Against, report.PairPart{Pair: random.IntN(f.heads * f.neurons), Part: -1 + 0.05*float64(i)})
			logit += r.For[i].Part + r.Against[i].Part
		}
		r.Sum, r.Logit = logit, logit
		for c := range 8 {
			r.Classes = append(r.Classes, report.ClassLogit{Class: c, Logit: logit - float64(c), Probability: 0.5 / float64(c+1)})
			r.Nearest = append(r.Nearest, report.NearImage{Image: c, Cosine: 0.9})
			r.Strongest = append(r.Strongest, report.UnitScore{Pair: random.IntN(f.heads * f.neurons), Score: 2, Deviations: 4})
		}
		r.Places = &report.Places{Side: mapSide, Parts: floats(random, mapSide*mapSide, -1, 1)}
		records = append(records, r)
	}
	return report.NewImageShard(0, records, f.heads*f.neurons, f.images, fixtureClasses)
}

func (f fixture) textShard(random *rand.Rand) report.TextShard {
	var s report.TextShard
	for w := range min(report.ShardTexts, f.words) {
		r := report.TextRecord{Word: f.word(w)}
		for i := range 16 {
			r.Pairs = append(r.Pairs, report.NearPair{Pair: random.IntN(f.heads * f.neurons), Cosine: 0.8 - 0.02*float64(i), Norm: 1})
			r.Images = append(r.Images, report.NearImage{Image: i, Cosine: 0.4})
		}
		for year := range 6 {
			r.Groups = append(r.Groups, report.GroupMean{Group: fmt.Sprint(2000 + year), Mean: random.Float64(), Images: 10})
		}
		s.Texts = append(s.Texts, r)
	}
	return s
}
