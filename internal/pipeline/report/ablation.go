package report

import (
	"context"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
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
// its mean: how unlike these are, and how strong the neuron is.
func (b *builder) spreadNeurons(ctx context.Context) error {
	if !b.whole {
		return nil
	}
	ov, B, team := b.scores.OV, b.scores.Images, b.team()
	H, C := ov.Heads, ov.Neurons
	norms := make([]*decomp.NeuronNorms, C)
	for n := range norms {
		norms[n] = ov.NeuronNorms(n, team)
	}
	far := make([]float32, C*B)
	across := make([]float32, min(rowImages, B)*H*C) // the scores of a block, [H,C,n]
	err := b.eachRows(ctx, "report: neurons", b.say, func(first, n int, scores []float32) error {
		kernel.Transpose(across[:n*H*C], scores, n, H*C)
		team.For(C, func(lo, hi, _ int) {
			own := make([]float64, H)
			for u := lo; u < hi; u++ {
				for i := range n {
					for h := range own {
						own[h] = float64(across[(h*C+u)*n+i]) - b.pairsOf.value[h*C+u].Mean
					}
					far[u*B+first+i] = float32(norms[u].Centred(own))
				}
			}
		})
		return nil
	})
	if err != nil {
		return err
	}
	c := b.neurons
	c.inertia, c.strength = make([]float32, C), make([]float32, C)
	workers := make([]*ranker, team.Size())
	team.For(C, func(lo, hi, w int) {
		if workers[w] == nil {
			workers[w] = b.newRanker(c)
		}
		for n := lo; n < hi; n++ {
			for i, x := range far[n*B : (n+1)*B] {
				workers[w].far[i] = float64(x)
			}
			workers[w].addFarthest(n, 1)
		}
	})
	return nil
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
	const batch = 32
	pairs := b.pairs()
	scores, masked := make([]float32, batch*pairs), make([]float32, batch*pairs)
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
			ov.AblatedFeatures(features, values, masked, scores[:len(of)*pairs], len(of), a, team)
			for i, x := range rest[:len(of)*O] {
				features[i] += x
			}
			for i, image := range of {
				if b.classOf(features[i*O:(i+1)*O]) == b.labels[image] {
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

// classOf is the class of largest logit of a feature; of equal ones the first.
func (b *builder) classOf(feature []float32) int {
	logits := make([]float64, b.classes.Texts)
	attribution.Logits(logits, feature, b.classes.Rows, 1)
	best := 0
	for k, l := range logits {
		if l > logits[best] {
			best = k
		}
	}
	return best
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
