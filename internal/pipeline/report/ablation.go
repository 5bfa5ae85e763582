package report

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/ui"
)

// keptShares are the shares of units that are kept, the points of the curve.
var keptShares = []float64{1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01}

const (
	// strengthImages is over how many of a unit's largest norms it is judged which units
	// are kept, as mask does.
	strengthImages = 50

	// ablationImages is on how many images the curve is measured, at most: every k-th of
	// more.
	ablationImages = 2000
)

// spreadNeurons finds, of neurons, the images on which the contribution is farthest from
// its mean, and how strong the neuron is.
func (b *builder) spreadNeurons() error {
	if !b.whole {
		return nil
	}
	B, C, c, team := b.scores.Images, b.scores.OV.Neurons, b.neurons, b.team()
	workers, failed := make([]*ranker, team.Size()), make([]error, team.Size())
	team.For(C, func(lo, hi, w int) {
		if workers[w] == nil {
			workers[w] = b.newRanker(c, b.units.Layers.Neuron)
		}
		for n := lo; n < hi; n++ {
			far := b.neuronFar[n*B : (n+1)*B]
			if failed[w] = workers[w].addFarthest(n, far, slices.Max(far), 1); failed[w] != nil {
				return
			}
		}
	})
	b.neuronFar = nil
	return cmp.Or(failed...)
}

// ablate measures the accuracy when only the strongest pairs, or neurons, keep their
// contributions and those of the others are replaced by their means.
func (b *builder) ablate(ctx context.Context) error {
	b.overview.Ablation = []report.Ablation{}
	if b.overview.Accuracy == nil {
		return nil
	}
	ov, O, C, team := b.scores.OV, b.scores.OV.OutDim, b.scores.OV.Neurons, b.team()
	var variants []*decomp.Ablation
	for _, share := range keptShares {
		for _, strength := range [][]float32{b.pairsOf.strength, b.neurons.strength} {
			variants = append(variants, decomp.NewAblation(strongestShare(strength, share), O))
		}
	}
	rows := make([]float32, C*O)
	for h := range ov.Heads {
		ov.Directions(rows, h, 0, C, team)
		for n := range C {
			mean := float32(b.pairsOf.value[h*C+n].Mean)
			for o := range O {
				rows[n*O+o] = mean*rows[n*O+o] + ov.Bias[h*O+o]
			}
		}
		for _, a := range variants {
			a.AddMeans(h*C, rows)
		}
	}
	images := b.labelled(ablationImages)
	right := make([]float64, len(variants))
	progress := b.say.Progress()
	progress.Start(int64(len(images)), ui.Images, "report: ablation")
	defer progress.Done()
	const batch = artefact.RowImages // so that weights are packed for many images
	pairs := b.pairs()
	K := b.classes.Texts
	products := make([]float32, batch*K)
	scores, masked := make([]float32, batch*pairs), make([]float32, ov.MaskedLen(batch, team))
	values, features, rest := make([]float32, batch*ov.Inner()), make([]float32, batch*O), make([]float32, batch*O)
	for of := range slices.Chunk(images, batch) {
		if err := ctx.Err(); err != nil {
			return err
		}
		for i, image := range of {
			if err := b.scores.Read(scores[i*pairs:(i+1)*pairs], image); err != nil {
				return err
			}
			if err := b.scores.Rest(rest[i*O:(i+1)*O], values, scores[i*pairs:(i+1)*pairs], image, 1, team); err != nil {
				return err
			}
		}
		for v, a := range variants {
			if v > 0 && a.Kept() == a.Units() && variants[0].Kept() == variants[0].Units() { // all is kept, as in the first
				right[v] = right[0]
				continue
			}
			ov.AblatedFeatures(features, values, masked, scores[:len(of)*pairs], len(of), a, team)
			for i, x := range rest[:len(of)*O] {
				features[i] += x
			}
			b.classProducts(products, features, len(of))
			for i, image := range of {
				first := b.firstClasses(nil, products[i*K:(i+1)*K], features[i*O:(i+1)*O], 1)
				if first[0].class == b.labels[image] {
					right[v]++
				}
			}
		}
		progress.Add(int64(len(of)))
	}
	for i, share := range keptShares {
		b.overview.Ablation = append(b.overview.Ablation, report.Ablation{
			Share: share, Pairs: right[2*i] / float64(len(images)), Neurons: right[2*i+1] / float64(len(images)),
		})
	}
	return nil
}

// labelled are images with a label, at most so many, every k-th of more.
func (b *builder) labelled(most int) []int {
	B := b.scores.Images
	step := (B + most - 1) / most
	var images []int
	for i := 0; i < B; i += step {
		if b.labels[i] >= 0 {
			images = append(images, i)
		}
	}
	return images
}

// strongestShare marks the units whose strength is at or above the percentile that
// leaves a share, interpolated as NumPy does.
func strongestShare(strength []float32, share float64) []bool {
	sorted := slices.Sorted(slices.Values(strength))
	at := (1 - share) * float64(len(sorted)-1)
	lo := int(math.Floor(at))
	hi := min(lo+1, len(sorted)-1)
	threshold := float64(sorted[lo]) + (at-float64(lo))*(float64(sorted[hi])-float64(sorted[lo]))
	kept := make([]bool, len(strength))
	for u, s := range strength {
		kept[u] = float64(s) >= threshold
	}
	return kept
}
