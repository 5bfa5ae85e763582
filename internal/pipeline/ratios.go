package pipeline

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/trend"
)

// ratioMeter measures the ratio of every concept in pictures.
type ratioMeter struct {
	src  *source
	team par.Team
	all  []concept
	sums []*trend.Sum // of a source with scores

	features, values []float32 // scratch
}

func newRatioMeter(src *source, all []concept, threads int) *ratioMeter {
	m := &ratioMeter{src: src, team: par.NewTeam(threads), all: all}
	if src.pool == nil {
		return m
	}
	O := src.outDim
	m.sums = make([]*trend.Sum, len(all))
	m.team.For(len(all), func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			pairs := all[i].pairs
			units, v, b := make([]int, len(pairs)), make([]float32, len(pairs)*O), make([]float32, 0, len(pairs)*O)
			for k, p := range pairs {
				units[k] = p.Head*src.neurons + p.Neuron
				src.pool.Directions(v[k*O:(k+1)*O], p.Head, p.Neuron, p.Neuron+1, par.NewTeam(1))
				b = append(b, src.pool.Bias[p.Head*O:(p.Head+1)*O]...)
			}
			m.sums[i] = trend.NewSum(units, v, b)
		}
	})
	return m
}

// measure writes the ratios of a batch of pictures to dst [B,concepts].
func (m *ratioMeter) measure(dst []float64, b batch) error {
	n, O, M := len(b.names), m.src.outDim, len(m.all)
	if len(m.features) < n*O {
		m.features, m.values = make([]float32, n*O), make([]float32, n*m.src.neurons)
	}
	features := m.features[:n*O]
	if b.dense != nil {
		sumRows(features, b.dense)
	} else {
		m.src.pool.Features(features, m.values, b.scores, n, m.team)
	}
	for i := range n {
		length := decomp.Norm(features[i*O : (i+1)*O])
		if !(length > 0) || length-length != 0 {
			return fmt.Errorf("%s: its feature has no direction (zero or not finite)", b.names[i])
		}
		row := dst[i*M : (i+1)*M]
		m.team.For(M, func(lo, hi, _ int) {
			for c := lo; c < hi; c++ {
				if b.dense != nil {
					row[c] = m.denseNorm(b.dense, m.all[c].pairs) / length
				} else {
					row[c] = m.sums[c].Norm(b.scores[i*m.src.heads*m.src.neurons:]) / length
				}
			}
		})
		for c, x := range row {
			if x-x != 0 {
				return fmt.Errorf("%s: ratio of %q is %g, want a finite one", b.names[i], m.all[c].text, x)
			}
		}
	}
	return nil
}

// denseNorm is the length of the sum of some pairs' contributions, written out.
func (m *ratioMeter) denseNorm(dense []float32, pairs []artefact.Pair) float64 {
	O := m.src.outDim
	sum, rows := make([]float32, O), make([]float32, 0, len(pairs)*O)
	for _, p := range pairs {
		u := p.Head*m.src.neurons + p.Neuron
		rows = append(rows, dense[u*O:(u+1)*O]...)
	}
	sumRows(sum, rows)
	return decomp.Norm(sum)
}

// sumRows writes the sum of rows [n,O] to dst [O].
func sumRows(dst, rows []float32) {
	sum := make([]float64, len(dst))
	for ; len(rows) > 0; rows = rows[len(dst):] {
		for o, x := range rows[:len(dst)] {
			sum[o] += float64(x)
		}
	}
	for o, x := range sum {
		dst[o] = float32(x)
	}
}
