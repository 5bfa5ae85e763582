package report

import (
	"context"
	"math"

	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/ui"
)

// Lengths of lists of an image.
const (
	listedClasses  = 8
	nearImages     = 8
	strongestPairs = 8
)

// writeRecords writes what the model makes of each image. Images are taken class by
// class, so that the products of a class and all pairs are computed once.
func (b *builder) writeRecords(ctx context.Context) error {
	if !b.whole {
		return nil
	}
	B, O, team := b.scores.Images, b.scores.OV.OutDim, b.team()
	records := make([]report.ImageRecord, B)
	units := append([]float32(nil), b.features...)
	for i := range B {
		normalize(units[i*O : (i+1)*O])
	}
	near := nearest(units, O, min(nearImages, B), team)
	progress := b.say.Progress()
	progress.Start(int64(B), ui.Images, "report: records")
	defer progress.Done()
	for _, of := range b.byWinner() {
		var target *attribution.Target
		if b.logits != nil {
			class := b.winner(of[0])
			target = attribution.NewTarget(b.scores.OV, attribution.Difference(b.classes.Rows[class*O:(class+1)*O], nil), team)
		}
		failed := make([]error, len(of))
		team.For(len(of), func(lo, hi, _ int) {
			scores := make([]float32, b.pairs())
			for at := lo; at < hi; at++ {
				if failed[at] = ctx.Err(); failed[at] != nil {
					return
				}
				i := of[at]
				if failed[at] = b.scores.Read(scores, i); failed[at] == nil {
					b.record(&records[i], i, scores, target, near)
				}
			}
		})
		for _, err := range failed {
			if err != nil {
				return err
			}
		}
		progress.Add(int64(len(of)))
	}
	for lo := 0; lo < B; lo += report.ShardImages {
		name := report.ImageName(lo)
		if b.folder.has(report.FileOf(name)) {
			continue
		}
		if err := b.folder.write(name, report.ImageShard{First: lo, Images: records[lo:min(B, lo+report.ShardImages)]}); err != nil {
			return err
		}
	}
	return nil
}

// byWinner parts the images by their class of largest logit; without classes, all are
// together.
func (b *builder) byWinner() [][]int {
	if b.logits == nil {
		all := make([]int, b.scores.Images)
		for i := range all {
			all[i] = i
		}
		return [][]int{all}
	}
	of := make([][]int, b.classes.Texts)
	for i := range b.scores.Images {
		w := b.winner(i)
		of[w] = append(of[w], i)
	}
	var parts [][]int
	for _, images := range of {
		if len(images) > 0 {
			parts = append(parts, images)
		}
	}
	return parts
}

// winner is the class of largest logit of an image; of equal ones the first.
func (b *builder) winner(image int) int {
	K, best := b.classes.Texts, 0
	for k, l := range b.logits[image*K : (image+1)*K] {
		if l > b.logits[image*K+best] {
			best = k
		}
	}
	return best
}

// record fills in the record of an image. target is that of its class of largest logit,
// nil without classes.
func (b *builder) record(r *report.ImageRecord, image int, scores []float32, target *attribution.Target, near *near) {
	r.Classes, r.For, r.Against = []report.ClassLogit{}, []report.PairPart{}, []report.PairPart{}
	r.Norm, r.Nearest, r.Strongest = digits(b.lengths[image]), []report.NearImage{}, []report.UnitScore{}
	others, cosines := near.of(image)
	for i, other := range others {
		if other >= 0 {
			r.Nearest = append(r.Nearest, report.NearImage{Image: int(other), Cosine: rounded(float64(cosines[i]))})
		}
	}
	b.strongest(r, scores)
	if b.maps != nil {
		r.Attention, r.Places = b.maps.ofImage(image)
	}
	if target == nil {
		return
	}
	K, O := b.classes.Texts, b.scores.OV.OutDim
	factor := attribution.Scale / b.lengths[image]
	logits, probabilities := make([]float64, K), make([]float64, K)
	attribution.Logits(logits, b.features[image*O:(image+1)*O], b.classes.Rows, factor)
	attribution.Softmax(probabilities, logits)
	for _, k := range orderOf(K, func(k int) float64 { return logits[k] })[:min(listedClasses, K)] {
		r.Classes = append(r.Classes, report.ClassLogit{Class: k, Logit: rounded(logits[k]), Probability: digits(probabilities[k])})
	}
	parts := make([]float64, len(scores))
	attribution.Parts(target, parts, scores, factor)
	listed := 0.0
	list := func(sign float64) []report.PairPart {
		var list []report.PairPart
		for _, u := range largest(len(parts), report.Parts, func(u int) float64 { return sign * parts[u] }) {
			if sign*parts[u] > 0 {
				list = append(list, report.PairPart{Pair: u, Part: rounded(parts[u]), Score: digits(float64(scores[u]))})
				listed += parts[u]
			}
		}
		return append([]report.PairPart{}, list...)
	}
	r.For, r.Against = list(1), list(-1)
	all, constant := attribution.Sum(parts), factor*target.Constant
	if !b.scores.Whole() { // what is left of the feature without the pairs, which is the image's own
		constant = logits[r.Classes[0].Class] - all
	}
	r.Logit, r.Constant = r.Classes[0].Logit, rounded(constant)
	r.Rest, r.Sum = rounded(all-listed), rounded(all+constant)
}

// strongest lists the pairs whose score is farthest from its mean.
func (b *builder) strongest(r *report.ImageRecord, scores []float32) {
	away := func(u int) float64 {
		s := &b.pairsOf.value[u]
		if s.Deviation == 0 {
			return 0
		}
		return (float64(scores[u]) - s.Mean) / s.Deviation
	}
	for _, u := range largest(len(scores), strongestPairs, func(u int) float64 { return math.Abs(away(u)) }) {
		r.Strongest = append(r.Strongest, report.UnitScore{Pair: u, Score: digits(float64(scores[u])), Deviations: math.Round(away(u)*100) / 100})
	}
}
