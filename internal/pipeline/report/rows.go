package report

import (
	"context"
	"fmt"
	"math"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
)

// readRows reads what the scores of an image say together: its feature, and the norms
// of neurons' contributions, summed over heads. Both are kept.
func (b *builder) readRows(ctx context.Context) error {
	ov, B := b.scores.OV, b.scores.Images
	H, C, O := ov.Heads, ov.Neurons, ov.OutDim
	team := b.team()
	b.features = make([]float32, B*O)
	values := make([]float32, min(rowImages, B)*ov.Inner())
	norms := make([]*decomp.NeuronNorms, C)
	for n := range norms {
		norms[n] = ov.NeuronNorms(n, team)
	}
	b.neuronNorms = make([]float32, C*B)
	across := make([]float32, min(rowImages, B)*H*C) // the scores of a block, [H,C,n]
	b.sketch = newSketch(H*C, B, b.Seed)
	err := b.eachRows(ctx, "report: images", b.say, func(first, n int, scores []float32) error {
		b.sketch.add(first, n, scores, team)
		if b.whole {
			if err := b.scores.Features(b.features[first*O:(first+n)*O], values, scores, first, n, team); err != nil {
				return err
			}
		}
		kernel.Transpose(across[:n*H*C], scores, n, H*C)
		team.For(C, func(lo, hi, _ int) {
			own := make([]float32, H)
			for u := lo; u < hi; u++ {
				for i := range n {
					for h := range own {
						own[h] = across[(h*C+u)*n+i]
					}
					b.neuronNorms[u*B+first+i] = float32(norms[u].Sum(own))
				}
			}
		})
		return nil
	})
	if err != nil || !b.whole {
		return err
	}
	b.lengths = make([]float64, B)
	for i := range b.lengths {
		b.lengths[i] = decomp.Norm(b.features[i*O : (i+1)*O])
		if !(b.lengths[i] > 0) || math.IsInf(b.lengths[i], 1) {
			return fmt.Errorf("%s: the feature of image %d has no direction (zero or not finite)", b.ScoresPath, i)
		}
	}
	return nil
}
