package report

import (
	"context"
	"fmt"
	"math"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
)

// newRows makes room for what readRows finds.
func (b *builder) newRows() {
	ov, B := b.scores.OV, b.scores.Images
	b.features, b.lengths = make([]float32, B*ov.OutDim), nil
	b.sketch, b.neurons = newSketch(b.pairs(), B, b.Seed), newColumns(ov.Neurons, B)
	if b.whole {
		b.neurons.spreadOf(ov.Neurons)
	}
}

// rowValues are what is kept of readRows.
func (b *builder) rowValues() []any {
	v := append(b.neurons.values(), &b.features, &b.sketch.rows, &b.sketch.totals)
	if b.whole {
		v = append(v, &b.lengths, &b.pairsOf.inertia, &b.neurons.inertia)
	}
	return v
}

// readRows reads what the scores of an image say together: its feature, which is kept, and
// the norms of neurons' contributions, summed over heads, and how far these are from their
// means.
func (b *builder) readRows(ctx context.Context) error {
	ov, B := b.scores.OV, b.scores.Images
	H, C, O := ov.Heads, ov.Neurons, ov.OutDim
	team := b.team()
	values := make([]float32, min(rowImages, B)*ov.Inner())
	norms := make([]*decomp.NeuronNorms, C)
	for n := range norms {
		norms[n] = ov.NeuronNorms(n, team)
	}
	b.neuronNorms = make([]float32, C*B)
	if b.whole {
		b.neuronFar = make([]float32, C*B)
	}
	across := make([]float32, min(rowImages, B)*H*C) // the scores of a block, [H,C,n]
	err := b.eachRows(ctx, "report: images", b.say, func(first, n int, scores []float32) error {
		b.sketch.add(first, n, scores, team)
		if b.whole {
			if err := b.scores.Features(b.features[first*O:(first+n)*O], values, scores, first, n, team); err != nil {
				return err
			}
		}
		kernel.Transpose(across[:n*H*C], scores, n, H*C)
		team.For(C, func(lo, hi, _ int) {
			own, means := make([]decomp.Lanes, H), make([]float64, H)
			for u := lo; u < hi; u++ {
				for h := range means {
					means[h] = b.pairsOf.value[h*C+u].Mean
				}
				centre := norms[u].Centre(means)
				for i := 0; i < n; i += len(decomp.Lanes{}) {
					at := u*B + first + i
					count := min(len(decomp.Lanes{}), n-i)
					for h := range own {
						for j, s := range across[(h*C+u)*n+i:][:count] {
							own[h][j] = float64(s)
						}
					}
					sums, far := norms[u].SumAndDistance(own, centre)
					for j := range count {
						b.neuronNorms[at+j] = float32(sums[j])
						if b.neuronFar != nil {
							b.neuronFar[at+j] = float32(far[j])
						}
					}
				}
			}
		})
		return nil
	})
	if err != nil {
		return err
	}
	if err := b.readNeurons(); err != nil || !b.whole {
		return err
	}
	if err := b.spreadNeurons(); err != nil {
		return err
	}
	b.lengths = make([]float64, B)
	for i := range b.lengths {
		b.lengths[i] = decomp.Norm(b.features[i*O : (i+1)*O])
		if !(b.lengths[i] > 0) || math.IsInf(b.lengths[i], 1) {
			return fmt.Errorf("%s: the feature of image %d has no direction (zero or not finite)", b.ScoresPath, i)
		}
	}
	b.compareFarthest(b.pairsOf)
	b.compareFarthest(b.neurons)
	return nil
}
