package collect

import (
	"fmt"
	"math"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/unit"
)

// headsMode keeps contributions summed over neurons.
type headsMode struct {
	scoresMode
	team par.Team
}

func (h headsMode) row() row {
	return row{
		kind: artefact.KindHeads, meanKind: artefact.KindMeanHeads, file: artefact.HeadsFile,
		axes: []string{"H", "O"}, shape: []int{h.config.Heads(), h.config.OutDim},
	}
}

func (h headsMode) rowBuilder() (func(row, values []float32), error) {
	ov, err := h.pairs.OV()
	if err != nil {
		return nil, err
	}
	return func(row, values []float32) { ov.HeadContributions(row, values, h.team) }, nil
}

// attentionMode keeps the attention of every token.
type attentionMode struct{ config clip.Config }

func (a attentionMode) values() int { return artefact.Product(a.row().shape) }

func (a attentionMode) label(i int) string {
	T := a.config.Tokens()
	return fmt.Sprintf("attention of h%d from token %d to %d", i/T/T, i/T%T, i%T)
}

func (a attentionMode) start(from towers, o clip.ImageOptions) (*started, error) {
	o.AllAttention = true
	return onResNet(from, o, func(values []float32, t *clip.ResNetTower, images []float32) error {
		return t.Run(images, clip.Output{AllAttention: values})
	})
}

func (a attentionMode) row() row {
	return row{
		kind: artefact.KindAttention, meanKind: artefact.KindMeanAttention, file: artefact.AttentionFile,
		axes: []string{"H", "T", "T"}, shape: []int{a.config.Heads(), a.config.Tokens(), a.config.Tokens()},
	}
}

func (a attentionMode) rowBuilder() (func(row, values []float32), error) { return nil, nil }

// activationsMode keeps the neurons' activations at every token, the mean token
// first.
type activationsMode struct{ config clip.Config }

func (a activationsMode) values() int { return a.config.Neurons() * a.config.Tokens() }

func (a activationsMode) start(from towers, o clip.ImageOptions) (*started, error) {
	o.KeepBlocks = true
	return onResNet(from, o, a.compute)
}

func (a activationsMode) label(i int) string {
	return fmt.Sprintf("activation of %s at token %d", unit.Neuron(i/a.config.Tokens()), i%a.config.Tokens())
}

func (a activationsMode) compute(values []float32, t *clip.ResNetTower, images []float32) error {
	C, T, B := a.config.Neurons(), a.config.Tokens(), len(values)/a.values()
	last := make([]float32, B*(T-1)*C) // [B,T-1,C]
	out := clip.Output{Blocks: make([][]float32, a.config.Layers[len(a.config.Layers)-1])}
	out.Blocks[len(out.Blocks)-1] = last
	if err := t.Run(images, out); err != nil {
		return err
	}
	for b := range B {
		from, to := last[b*(T-1)*C:(b+1)*(T-1)*C], values[b*C*T:(b+1)*C*T]
		for n := range C {
			sum := 0.0
			for m := 1; m < T; m++ {
				x := from[(m-1)*C+n]
				to[n*T+m] = x
				sum += float64(x)
			}
			to[n*T] = float32(sum / float64(T-1))
		}
	}
	return nil
}

func (a activationsMode) row() row {
	return row{
		kind: artefact.KindActivations, meanKind: artefact.KindMeanActivations, file: artefact.ActivationsFile,
		axes: []string{"C", "T"}, shape: []int{a.config.Neurons(), a.config.Tokens()},
	}
}

func (a activationsMode) rowBuilder() (func(row, values []float32), error) { return nil, nil }

// layer4Mode keeps, for every block of the last stage and every token, the norm
// of the block's map there, and the norm of what the token would add to the
// image feature were that map pooled. The mean token is none of the map: its
// norm is given as infinity, as in collection.py of the reference.
type layer4Mode struct {
	config clip.Config
	blocks int
	team   par.Team
}

func (l layer4Mode) start(from towers, o clip.ImageOptions) (*started, error) {
	o.KeepBlocks = true
	for i := range l.blocks {
		o.Lenses = append(o.Lenses, i)
	}
	return onResNet(from, o, l.compute)
}

func (l layer4Mode) values() int { return 2 * l.blocks * l.config.Tokens() }

func (l layer4Mode) label(i int) string {
	T := l.config.Tokens()
	return fmt.Sprintf("norm of block %d at token %d", i/T%l.blocks, i%T)
}

func (l layer4Mode) compute(values []float32, t *clip.ResNetTower, images []float32) error {
	H, C, T, O := l.config.Heads(), l.config.Neurons(), l.config.Tokens(), l.config.OutDim
	B := len(values) / l.values()
	var out clip.Output
	for range l.blocks {
		out.Blocks = append(out.Blocks, make([]float32, B*(T-1)*C))
		out.Lenses = append(out.Lenses, clip.Output{Tokens: make([]float32, B*T*C), Attention: make([]float32, B*H*T)})
	}
	if err := t.Run(images, out); err != nil {
		return err
	}
	parts := make([]float32, T*O)
	for b := range B {
		image := values[b*l.values() : (b+1)*l.values()]
		for i := range l.blocks {
			maps, contributions := image[i*T:(i+1)*T], image[(l.blocks+i)*T:(l.blocks+i+1)*T]
			t.OV().TokenContributions(parts, out.Lenses[i].Attention[b*H*T:(b+1)*H*T], out.Lenses[i].Tokens[b*T*C:(b+1)*T*C], l.team)
			maps[0] = 0 // until the expander makes it infinite
			for m := range T {
				if m > 0 {
					maps[m] = float32(decomp.Norm(out.Blocks[i][(b*(T-1)+m-1)*C:][:C]))
				}
				contributions[m] = float32(decomp.Norm(parts[m*O : (m+1)*O]))
			}
		}
	}
	return nil
}

func (l layer4Mode) row() row {
	return row{
		kind: artefact.KindLayer4, meanKind: artefact.KindLayer4, file: artefact.Layer4File,
		axes: []string{"quantity", "block", "T"}, shape: []int{2, l.blocks, l.config.Tokens()},
	}
}

func (l layer4Mode) rowBuilder() (func(row, values []float32), error) {
	T := l.config.Tokens()
	return func(row, values []float32) {
		copy(row, values)
		for i := range l.blocks {
			row[i*T] = float32(math.Inf(1))
		}
	}, nil
}

// statisticsMode keeps, of each image, only its image feature; scores go into
// lowrank.Extremes. Where pairs are a part of the feature, the tower gives it.
type statisticsMode struct {
	scoresMode
	team par.Team
}

func (s statisticsMode) row() row {
	return row{
		kind: artefact.KindStatistics, file: artefact.FeaturesFile,
		axes: []string{"O"}, shape: []int{s.config.OutDim}, ov: s.pairs.OV,
	}
}

func (s statisticsMode) rowBuilder() (func(row, values []float32), error) {
	if !s.pairs.Whole() {
		return nil, nil // rows are the features of the tower
	}
	ov, err := s.pairs.OV()
	if err != nil {
		return nil, err
	}
	// As whoever reads stored scores has it, whose constant is rounded once more:
	// so that the features are the same.
	ov = decomp.OVFromSlices(ov.Heads, ov.Neurons, ov.OutDim, ov.Value, ov.Out, ov.Bias)
	values := make([]float32, s.config.Neurons())
	return func(row, scores []float32) { ov.Features(row, values, scores, 1, s.team) }, nil
}
