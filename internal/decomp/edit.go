package decomp

import (
	"math"

	"github.com/clipnh/clipnh/internal/par"
)

// This file changes pairs in the weights. A pair enters the model through one column of
// its head's value weights alone, so that
//
//	W_V'^h[:,n] = α[h,n]·W_V^h[:,n]
//	B_O' = B_O + Σ_{h,n} m[h,n]·W_O^h (W_V^h[:,n] - W_V'^h[:,n])
//
// makes of the contribution s·v + b the contribution (α·s + (1-α)·m)·v + b. With α = 0 and
// m the mean score that is mean ablation; with m = 0 the bias stays as it is, and α = 0 is
// zero ablation. Attention depends on neither.

// EditedValue returns W_V', [H,D,C], of factors α [H,C]. Changed weights are rounded by
// round, as the file that they are written to does. Those whose factor is 1 are W_V's.
func (p *OV) EditedValue(factors []float64, round func(float64) float64) []float32 {
	C, D := p.Neurons, p.Width
	edited := append([]float32(nil), p.Value...)
	for h := range p.Heads {
		for n, f := range factors[h*C : (h+1)*C] {
			if f == 1 {
				continue
			}
			for d := range D {
				w := &edited[(h*D+d)*C+n]
				*w = float32(round(float64(*w) * f))
			}
		}
	}
	return edited
}

// BiasChange returns B_O' - B_O, [O], of edited value weights [H,D,C] and mean scores
// [H,C], in float64. It is exact also where edited weights were rounded.
func (p *OV) BiasChange(edited []float32, means []float64) []float64 {
	C, D := p.Neurons, p.Width
	change := make([]float64, p.OutDim)
	for c := range C { // c is h*D+d
		before, after, m := p.Value[c*C:(c+1)*C], edited[c*C:(c+1)*C], means[c/D*C:(c/D+1)*C]
		lost := 0.0
		for n, w := range before {
			if w != after[n] {
				lost += m[n] * (float64(w) - float64(after[n]))
			}
		}
		if lost == 0 {
			continue
		}
		for o := range change {
			change[o] += lost * float64(p.Out[o*C+c])
		}
	}
	return change
}

// Edited returns the pool with other value weights [H,D,C], which it retains, and with
// change [O] added to B_O; nil adds nothing. It panics unless p is from NewOV.
func (p *OV) Edited(value []float32, change []float64) *OV {
	if p.valueBias == nil {
		panic("decomp: a pool from slices has no value bias")
	}
	bias := append([]float32(nil), p.outBias...)
	for o, d := range change {
		bias[o] = float32(float64(bias[o]) + d)
	}
	return NewOV(p.Heads, value, p.valueBias, p.Out, bias)
}

// MeanScores recovers mean scores from mean contributions m·v + b, which are given group
// by group.
type MeanScores struct {
	Scores []float64 // m, [H,C]; 0 of pairs that are not asked for

	pool       *OV
	asked      []bool
	left, size float64 // squared: of what is no multiple of v, and of what was given
}

// NewMeanScores prepares to recover the scores of the pairs asked for, [H,C].
func (p *OV) NewMeanScores(asked []bool) *MeanScores {
	return &MeanScores{Scores: make([]float64, len(asked)), pool: p, asked: asked}
}

// Add takes the mean contributions [n,O] of the pairs from number first on.
func (m *MeanScores) Add(first int, means []float32, team par.Team) {
	p := m.pool
	C, O := p.Neurons, p.OutDim
	for lo, end := first, first+len(means)/O; lo < end; {
		h := lo / C
		hi := min(end, (h+1)*C) // of this head
		rows := means[(lo-first)*O : (hi-first)*O]
		wanted := false
		for _, asked := range m.asked[lo:hi] {
			wanted = wanted || asked
		}
		if wanted {
			v := make([]float32, (hi-lo)*O)
			p.Directions(v, h, lo-h*C, hi-h*C, team)
			for i, asked := range m.asked[lo:hi] {
				if asked {
					m.Scores[lo+i] = m.score(rows[i*O:(i+1)*O], v[i*O:(i+1)*O], p.Bias[h*O:(h+1)*O])
				}
			}
		}
		lo = hi
	}
}

// score is (mean-b)·v/|v|², 0 where v is.
func (m *MeanScores) score(mean, v, bias []float32) float64 {
	product, square := 0.0, 0.0
	for o, x := range v {
		product += (float64(mean[o]) - float64(bias[o])) * float64(x)
		square += float64(x) * float64(x)
	}
	s := 0.0
	if square > 0 {
		s = product / square
	}
	for o, x := range v {
		d := float64(mean[o]) - float64(bias[o]) - s*float64(x)
		m.left += d * d
		m.size += float64(mean[o])*float64(mean[o]) + float64(bias[o])*float64(bias[o])
	}
	return s
}

// Misfit is how much of the contributions given is no m·v + b of the pool's, as a share of
// their size, 0 to about 1. Those of the model itself leave rounding.
func (m *MeanScores) Misfit() float64 {
	if m.size == 0 {
		return 0
	}
	return math.Sqrt(m.left / m.size)
}
