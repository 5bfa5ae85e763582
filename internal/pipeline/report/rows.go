package report

import (
	"context"
	"fmt"
	"math"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/double"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
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
	values := make([]float32, min(artefact.RowImages, B)*ov.Inner())
	norms := make([]neuronNorms, C)
	team.Each((C+blockNeurons-1)/blockNeurons, func(block, _ int) {
		means, first := make([]float64, H), block*blockNeurons
		for i, of := range ov.NeuronNormsOf(first, min(C, first+blockNeurons), par.Team{}) {
			for h := range means {
				means[h] = b.pairsOf.value[h*C+first+i].Mean
			}
			norms[first+i] = neuronNorms{of, of.Centre(means)}
		}
	})
	b.neuronNorms = make([]float32, C*B)
	if b.whole {
		b.neuronFar = make([]float32, C*B)
	}
	workers := make([]*neuronBlock, team.Size())
	err := eachRows(ctx, b.scores, team, "report: images", b.say, func(first, n int, scores []float32) error {
		b.sketch.add(first, n, scores, team)
		if b.whole {
			if err := b.scores.Features(b.features[first*O:(first+n)*O], values, scores, first, n, team); err != nil {
				return err
			}
		}
		blocks := (C + blockNeurons - 1) / blockNeurons
		team.For(blocks, func(lo, hi, w int) {
			if workers[w] == nil {
				workers[w] = newNeuronBlock(H)
			}
			for at := lo * blockNeurons; at < min(C, hi*blockNeurons); at += blockNeurons {
				for i := 0; i < n; i += double.Images {
					workers[w].add(b, norms, at, first+i, scores[i*H*C:], min(double.Images, n-i))
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

// neuronNorms are a neuron's, with the means of its pairs.
type neuronNorms struct {
	*decomp.NeuronNorms
	centre *decomp.Centre
}

// blockNeurons is of how many neurons the scores of some images are put in order at a time.
const blockNeurons = 16

// A neuronBlock computes the norms of some neurons' contributions to some images. It is one
// worker's scratch memory.
type neuronBlock struct {
	across          []float32 // scores, [H,blockNeurons,double.Images]
	own             []float64 // of a neuron, [H,double.Images]
	sums, distances [double.Images]float64
}

func newNeuronBlock(heads int) *neuronBlock {
	return &neuronBlock{across: kernel.Alloc(heads * blockNeurons * double.Images), own: make([]float64, heads*double.Images)}
}

// add takes the scores [n,H,C] of n images from number image on, and finds the norms of the
// neurons from number first on.
func (k *neuronBlock) add(b *builder, norms []neuronNorms, first, image int, scores []float32, n int) {
	const each = blockNeurons * double.Images
	H, C, B := b.scores.OV.Heads, b.scores.OV.Neurons, b.scores.Images
	count := min(blockNeurons, C-first)
	for h := range H {
		kernel.TransposePart(k.across[h*each:], scores[h*C+first:], double.Images, H*C, n, count)
	}
	for u := range count {
		for h := range H {
			own := k.own[h*double.Images : (h+1)*double.Images]
			for i, s := range k.across[h*each+u*double.Images:][:double.Images] {
				own[i] = float64(s)
			}
		}
		of := norms[first+u]
		of.SumsAndDistances(&k.sums, &k.distances, k.own, of.centre)
		at := (first+u)*B + image
		for i, x := range k.sums[:n] {
			b.neuronNorms[at+i] = float32(x)
		}
		if b.neuronFar != nil {
			for i, x := range k.distances[:n] {
				b.neuronFar[at+i] = float32(x)
			}
		}
	}
}
