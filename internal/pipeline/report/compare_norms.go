package report

import (
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/par"
)

// This file measures norms, and the pairs of a side without rows.

// lengths sets |v| of the pairs, and returns its square and v·b with the bias.
func (s *side) lengths(team par.Team) (square, cross []float64) {
	H, C, O := s.ov.Heads, s.ov.Neurons, s.ov.OutDim
	square, cross, s.length = make([]float64, H*C), make([]float64, H*C), make([]float64, H*C)
	v := make([]float32, C*O)
	for h := range H {
		s.ov.Directions(v, h, 0, C, team)
		for n := range C {
			own := v[n*O : (n+1)*O]
			square[h*C+n], cross[h*C+n] = dot(own, own), dot(own, s.ov.Bias[h*O:(h+1)*O])
			s.length[h*C+n] = math.Sqrt(square[h*C+n])
		}
	}
	return square, cross
}

// measureSummary finds the means and deviations of scores; rootMeanSquares finds norms.
func (s *side) measureSummary(team par.Team) {
	of := s.summary.Sketch
	s.mean, s.sd, s.norm = make([]float64, of.Units), make([]float64, of.Units), make([]float64, of.Units)
	for u := range of.Units {
		mean, squares, _ := of.Moments(u)
		s.mean[u], s.sd[u] = mean, math.Sqrt(squares/float64(of.Images))
	}
	s.lengths(team)
}

// rootMeanSquares makes the norms of contributions x·v + b those that moments give:
//
//	√(E x²·|v|² + 2·E x·(v·b) + |b|²)
func (s *side) rootMeanSquares() {
	square, cross := s.lengths(par.NewTeam(1))
	C, O := s.ov.Neurons, s.ov.OutDim
	for u := range s.norm {
		b := s.ov.Bias[u/C*O : (u/C+1)*O]
		x2 := s.mean[u]*s.mean[u] + s.sd[u]*s.sd[u]
		s.norm[u] = math.Sqrt(max(x2*square[u]+2*s.mean[u]*cross[u]+dot(b, b), 0))
	}
	s.threshold = deadShare * slices.Max(s.norm)
}

// norms adds the norms of contributions to n images.
func (c *comparison) norms(s *side, scores []float32, n int, square, cross []float64) {
	ov := s.ov
	C, O, U := ov.Neurons, ov.OutDim, len(square)
	c.team.For(ov.Heads, func(lo, hi, _ int) {
		for h := lo; h < hi; h++ {
			bias := ov.Bias[h*O : (h+1)*O]
			constant := dot(bias, bias)
			for i := range n {
				for u := h * C; u < (h+1)*C; u++ {
					x := float64(scores[i*U+u])
					s.norm[u] += math.Sqrt(max(x*x*square[u]+2*x*cross[u]+constant, 0))
				}
			}
		}
	})
}
