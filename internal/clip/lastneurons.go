package clip

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/par"
)

// LastNeurons are the weights of the neurons of the last layer of a vision transformer. No
// head reads that layer, so these neurons are in no pair: all that they add to the feature is
// what they add to the class token's residual. Factors are [1,N].
func (ck *Checkpoint) LastNeurons() (PairWeights, error) {
	if err := ck.Require(Residual); err != nil {
		return nil, err
	}
	return neuronWeights{Pairs{Neurons: ck.Config.Neurons(), ck: ck}, ck.Config.ViT.Layers - 1}, nil
}

// editedLast is a vision transformer with edited neurons of the last layer.
type editedLast struct {
	before, after ImageTower
	shift         []float32 // what the last norm adds to every feature, [O]
	statistics    []float32 // of images before the edit, and after it, [2,B,2]
	features      []float32 // before it, and after it, [2,B,O]
}

func (w neuronWeights) editedLast(e *Edit, o ImageOptions) (Edited, error) {
	ck, last := w.pairs.ck, &editedLast{}
	options := ImageOptions{Batch: o.Batch, Threads: o.Threads, Precision: o.Precision, FirstOrder: true} // which has the last norm's statistics
	var err error
	if last.before, err = NewImageTower(ck, options); err != nil {
		return nil, err
	}
	if last.after, err = NewImageTower(ck.edited(&e.columnEdit), options); err != nil {
		return nil, err
	}
	tokens, err := ck.Tokens()
	if err != nil {
		return nil, err
	}
	last.shift = tokens.Shift
	return last, nil
}

func (e *editedLast) Features(dst []float32, s Seen, _ par.Team) error {
	n := s.Images
	if O := len(dst) / n; len(e.features) < 2*n*O {
		e.features, e.statistics = make([]float32, 2*n*O), make([]float32, 4*n)
	}
	for i, t := range []ImageTower{e.before, e.after} {
		if err := t.Run(s.Pixels, Output{Features: e.features[i*len(dst):][:len(dst)], Statistics: e.statistics[2*n*i:][:2*n]}); err != nil {
			return fmt.Errorf("edited neurons: %w", err)
		}
	}
	copy(dst, e.features[len(dst):])
	return nil
}

// Orders takes the first order out of the features that Features has: those after the edit,
// were they divided by the deviation before it.
func (e *editedLast) Orders(first, second []float32, s Seen, _ par.Team) bool {
	n, O := s.Images, len(first)/s.Images
	for b := range n {
		ratio := float64(e.statistics[2*b+1]) / float64(e.statistics[2*(n+b)+1]) // deviation after over that before
		for o, shift := range e.shift {
			before, after := float64(e.features[b*O+o]), float64(e.features[(n+b)*O+o])
			first[b*O+o] = float32((after-float64(shift))*ratio - (before - float64(shift)))
		}
	}
	clear(second)
	return true
}
