package edit

import (
	"math"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/decomp"
)

// headRows are rows of a batch of images by an edit of heads at their means, [B,O].
type headRows struct {
	first   []float32 // what the heads themselves move
	ablated []float32 // the features as ablate has them
}

// headMoves returns what the movement of features is compared with; nil of another edit.
func (e *editor) headMoves(after clip.Edited, seen clip.Seen, before []float32) (*headRows, error) {
	heads, ok := after.(clip.MeanHeads)
	if !ok {
		return nil, nil
	}
	n, O := seen.Images, len(before)/seen.Images
	K := len(e.meanHeads) / O
	rows, parts := &headRows{make([]float32, n*O), make([]float32, n*O)}, make([]float32, n*K*O)
	if err := heads.FirstOrder(rows.first, parts, seen); err != nil {
		return nil, err
	}
	for i, x := range before {
		sum := float64(x)
		for k, c := range e.result.Changes {
			sum += (1 - c.Factor) * (float64(e.meanHeads[k*O+i%O]) - float64(parts[(i/O*K+k)*O+i%O]))
		}
		rows.ablated[i] = float32(sum)
	}
	return rows, nil
}

// addHeads adds what an image's movement is made of.
func (m *Movement) addHeads(before, after, first, ablated []float32) {
	if m.Heads == nil {
		m.Heads = &HeadMoves{}
	}
	rest, apart := 0.0, 0.0
	for o, x := range before {
		d := float64(after[o]) - float64(x) - float64(first[o])
		rest += d * d
		d = float64(after[o]) - float64(ablated[o])
		apart += d * d
	}
	length := decomp.Norm(before)
	m.Heads.First.add(decomp.Norm(first), length)
	m.Heads.Rest.add(math.Sqrt(rest), length)
	m.Heads.Ablated.add(math.Sqrt(apart), length)
}
