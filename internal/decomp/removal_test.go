package decomp_test

import (
	"testing"

	"github.com/clipnh/clipnh/internal/par"
)

// TestRemoval compares features without pairs with those of a mean ablation, and of scores
// that are zero.
func TestRemoval(t *testing.T) {
	p, s, f := goldenOV(t), read(t, "s.npy"), read(t, "features.npy")
	pairs, H, C, O := []int{3, 12, p.Heads*p.Neurons - 1}, p.Heads, p.Neurons, p.OutDim
	images := len(s) / (H * C)
	means := make([]float64, H*C)
	for i, x := range s {
		means[i%(H*C)] += float64(x) / float64(images)
	}
	for _, with := range [][]float64{means, nil} {
		want, changed := make([]float32, images*O), append([]float32{}, s...)
		for b := range images {
			for _, u := range pairs {
				changed[b*H*C+u] = 0
				if with != nil {
					changed[b*H*C+u] = float32(with[u])
				}
			}
		}
		p.Features(want, make([]float32, images*C), changed, images, par.NewTeam(1))
		r, got := p.NewRemoval(pairs, with), make([]float32, images*O)
		for b := range images {
			r.Feature(got[b*O:(b+1)*O], f[b*O:(b+1)*O], s[b*H*C:(b+1)*H*C])
		}
		far(t, "features without pairs", got, want, rounding)
		if &r.Pairs[0] != &pairs[0] || len(r.Directions()) != len(pairs)*O {
			t.Error("a removal of other pairs")
		}
	}
	none := make([]float32, O)
	p.NewRemoval(nil, means).Feature(none, f[:O], s)
	for o := range none {
		if none[o] != f[o] {
			t.Fatal("a removal of nothing changes features")
		}
	}
}
