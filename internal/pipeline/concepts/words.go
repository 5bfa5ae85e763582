package concepts

import (
	"context"
	"slices"

	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
)

// describe finds the words of units, and how their effects project on their components.
func (d *describer) describe(ctx context.Context, units []int) error {
	if len(units) == 0 {
		return nil
	}
	all, err := d.coder.Describe(ctx, units)
	if err != nil {
		return err
	}
	components, err := d.pcs.Read(units)
	if err != nil {
		return err
	}
	gains := make([][]float64, len(units))
	O := d.src.OutDim
	d.team.For(len(units), func(lo, hi, _ int) {
		v := make([]float32, O)
		for i := lo; i < hi; i++ {
			heads, neuron := d.pairsOf(units[i])
			for _, h := range heads {
				d.src.OV.Directions(v, h, neuron, neuron+1, par.Team{})
				product := 0.0
				for o, x := range components[i*O : (i+1)*O] {
					product += float64(x) * float64(v[o])
				}
				gains[i] = append(gains[i], product)
			}
		}
	})
	for i, u := range units {
		d.described[u], d.gains[u] = all[i].Terms, gains[i]
	}
	return nil
}

// isNull reports whether a unit has no effect on any image: no direction, or no component.
func (d *describer) isNull(u int) bool {
	return !slices.ContainsFunc(d.gains[u], func(gain float64) bool { return gain != 0 })
}

// pairsOf returns the heads of a unit's pairs, and their neuron.
func (d *describer) pairsOf(u int) (heads []int, neuron int) {
	if C := d.src.Neurons; d.pcs.Units.IsPairs() {
		return []int{u / C}, u % C
	}
	heads = make([]int, d.src.Heads)
	for h := range heads {
		heads[h] = h
	}
	return heads, u
}

// projection is that of a unit's effect on its component, in an image with scores [H,C].
func (d *describer) projection(u int, scores []float32) float64 {
	heads, neuron := d.pairsOf(u)
	sum := 0.0
	for i, h := range heads {
		at := h*d.src.Neurons + neuron
		sum += (float64(scores[at]) - d.effects.means[at]) * d.gains[u][i]
	}
	return sum
}

// words weighs the words of the units that count for an image.
func (d *describer) words(name string, units []int, scores []float32) Image {
	speakers := make([]coding.Speaker, len(units))
	for i, u := range units {
		speakers[i] = coding.Speaker{Unit: d.pcs.Units.Name(u), Terms: d.described[u], Factor: d.projection(u, scores)}
	}
	return Image{Name: name, Units: len(units), Words: coding.Weigh(speakers, d.List)}
}
