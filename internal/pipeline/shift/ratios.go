package shift

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/trend"
)

// ratioMeter measures the ratio of every concept in images.
type ratioMeter struct {
	src  *source.Source
	team par.Team
	all  []concept
	sums []*trend.Sum // of a source with scores

	// norm is the length of the sum of a concept's contributions to an image.
	norm     func(b source.Batch, image, concept int) float64
	features []float32 // scratch
}

func newRatioMeter(src *source.Source, all []concept, threads int) *ratioMeter {
	m := &ratioMeter{src: src, team: par.NewTeam(threads), all: all}
	if m.norm = m.factoredNorm; src.OV == nil {
		m.norm = m.denseNorm
		return m
	}
	O := src.OutDim
	m.sums = make([]*trend.Sum, len(all))
	m.team.For(len(all), func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			pairs := all[i].pairs
			units, v, b := make([]int, len(pairs)), make([]float32, len(pairs)*O), make([]float32, 0, len(pairs)*O)
			for k, p := range pairs {
				units[k] = p.Head*src.Neurons + p.Neuron
				src.OV.Directions(v[k*O:(k+1)*O], p.Head, p.Neuron, p.Neuron+1, par.NewTeam(1))
				b = append(b, src.OV.Bias[p.Head*O:(p.Head+1)*O]...)
			}
			m.sums[i] = trend.NewSum(units, v, b)
		}
	})
	return m
}

// measure writes the ratios of a batch of images to dst [B,concepts].
func (m *ratioMeter) measure(dst []float64, b source.Batch) error {
	n, O, M := len(b.Names), m.src.OutDim, len(m.all)
	if len(m.features) < n*O {
		m.features = make([]float32, n*O)
	}
	features := m.features[:n*O]
	b.Features(features, m.team)
	for i := range n {
		length := decomp.Norm(features[i*O : (i+1)*O])
		if !(length > 0) || length-length != 0 {
			return fmt.Errorf("%s: its feature has no direction (zero or not finite)", b.Names[i])
		}
		row := dst[i*M : (i+1)*M]
		m.team.For(M, func(lo, hi, _ int) {
			for c := lo; c < hi; c++ {
				row[c] = m.norm(b, i, c) / length
			}
		})
		for c, x := range row {
			if x-x != 0 {
				return fmt.Errorf("%s: ratio of %q is %g, want a finite one", b.Names[i], m.all[c].text, x)
			}
		}
	}
	return nil
}

// factoredNorm is norm of scores.
func (m *ratioMeter) factoredNorm(b source.Batch, image, concept int) float64 {
	return m.sums[concept].Norm(b.Scores[image*m.src.Heads*m.src.Neurons:])
}

// denseNorm is norm of contributions that are written out, of one image.
func (m *ratioMeter) denseNorm(b source.Batch, _, concept int) float64 {
	O := m.src.OutDim
	sum, rounded := make([]float64, O), make([]float32, O)
	for _, p := range m.all[concept].pairs {
		u := p.Head*m.src.Neurons + p.Neuron
		for o, x := range b.Dense[u*O : (u+1)*O] {
			sum[o] += float64(x)
		}
	}
	for o, x := range sum {
		rounded[o] = float32(x)
	}
	return decomp.Norm(rounded)
}
