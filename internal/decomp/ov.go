// Package decomp is the algebra of neuron-head pairs.
//
// In the attention pool of a CLIP-ResNet, head h and neuron n contribute to
// the image feature
//
//	r[h,n] = s[h,n]·v[h,n] + b[h]
//
// The score s[h,n] = Σ_t a[h,t]·x[t,n] is a number that depends on the image. The
// direction v[h,n] = W_O^h W_V^h[:,n] and the bias share b[h] = W_O^h B_V^h/C +
// B_O/(C·H) depend on the weights only. The sum of r over all pairs is the image
// feature. An OV holds the weights and computes these; it forms the [H,C,O]
// tensor only on request.
//
// Axis letters: B images, H heads, C neurons, D channels of a head (C/H in an
// attention pool), O the joint image-text dimension. Source: arXiv:2509.19943.
package decomp

import (
	"sync"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// OV is the part of an attention pool that determines contributions, its OV
// circuits: the value and output projections of its heads.
type OV struct {
	Heads, Neurons, OutDim int // H, C, O
	Width                  int // D, of a head

	Value []float32 // W_V, [H,D,C]
	Out   []float32 // W_O, [O,H,D]
	Bias  []float32 // b, [H,O]

	// The weights transposed, as Features reads them fastest, above all for a single image;
	// of slices, once they are asked for.
	transposed  sync.Once
	valueAcross kernel.Weights // [H,C,D]
	outAcross   kernel.Weights // [H·D,O]

	constant  []float32 // C·Σ_h b[h], W_O B_V + B_O in an attention pool, the feature of zero scores, [O]
	valueBias []float32 // B_V, [C]; nil when built from slices
	outBias   []float32 // B_O, [O]; nil when built from slices
}

// NewOV builds an OV from an attention pool's weights: value [C,C] and
// valueBias [C] with rows h*D+d, out [O,C] with columns h*D+d, outBias [O]. It
// retains them.
func NewOV(heads int, value, valueBias, out, outBias []float32) *OV {
	if heads < 1 || len(valueBias)%heads != 0 {
		panic("decomp: heads do not divide the neurons")
	}
	p := &OV{Heads: heads, Neurons: len(valueBias), OutDim: len(outBias), Width: len(valueBias) / heads, Value: value, Out: out, valueBias: valueBias, outBias: outBias}
	p.check()
	p.Bias, p.constant = make([]float32, heads*p.OutDim), make([]float32, p.OutDim)
	p.sumBiases()
	return p
}

// sumBiases fills Bias and constant from the weights and biases.
func (p *OV) sumBiases() {
	C, O, D := p.Neurons, p.OutDim, p.Width
	for o := range O {
		total := float64(p.outBias[o])
		for h := range p.Heads {
			own := 0.0
			for d := range D {
				own += float64(p.Out[o*C+h*D+d]) * float64(p.valueBias[h*D+d])
			}
			total += own
			p.Bias[h*O+o] = float32(own/float64(C) + float64(p.outBias[o])/float64(C*p.Heads))
		}
		p.constant[o] = float32(total)
	}
}

// OVFromSlices builds an OV from the arrays that an artefact holds: value
// [H,D,C], out [O,H,D] and bias [H,O]. It retains them.
func OVFromSlices(heads, neurons, outDim int, value, out, bias []float32) *OV {
	if heads < 1 || neurons < 1 {
		panic("decomp: no heads or neurons")
	}
	p := &OV{Heads: heads, Neurons: neurons, OutDim: outDim, Width: len(value) / (heads * neurons), Value: value, Out: out, Bias: bias}
	p.check()
	if len(bias) != heads*outDim {
		panic("decomp: bias is not [H,O]")
	}
	p.constant = make([]float32, outDim)
	for o := range outDim {
		total := 0.0
		for h := range heads {
			total += float64(bias[h*outDim+o])
		}
		p.constant[o] = float32(total * float64(neurons))
	}
	return p
}

// PackedOVLen returns the number of values of an OV of H heads, C neurons and O
// dimensions that PackOV writes.
func PackedOVLen(heads, neurons, outDim int, half bool) int {
	C, O := neurons, outDim
	return C*C + O*C + heads*O + kernel.WeightsLen(C*C, half) + kernel.WeightsLen(O*C, half) + 2*O + C
}

// PackOV writes the OV of an attention pool to dst, of PackedOVLen values, for PackedOV. read
// reads its weights into dst, in the shapes of NewOV: the OV of a large network is as large
// as memory that takes longer to get than to fill. half says that all weights are numbers of
// half precision.
func PackOV(heads, neurons, outDim int, half bool, dst []float32, read func(value, valueBias, out, outBias []float32) error) error {
	p := PackedOV(heads, neurons, outDim, half, dst)
	if err := read(p.Value, p.valueBias, p.Out, p.outBias); err != nil {
		return err
	}
	p.sumBiases()
	p.transposeWeights()
	return nil
}

// PackedOV returns the OV of an attention pool that PackOV wrote. It retains packed, and
// writes to none of it.
func PackedOV(heads, neurons, outDim int, half bool, packed []float32) *OV {
	if heads < 1 || neurons%heads != 0 || len(packed) != PackedOVLen(heads, neurons, outDim, half) {
		panic("decomp: wrong length of packed weights")
	}
	p := &OV{Heads: heads, Neurons: neurons, OutDim: outDim, Width: neurons / heads}
	C, O := neurons, outDim
	next := func(n int) []float32 {
		part := packed[:n:n]
		packed = packed[n:]
		return part
	}
	weights := func(n int) kernel.Weights { return kernel.PackedWeights(next(kernel.WeightsLen(n, half)), n, half) }
	p.Value, p.Out, p.Bias = next(C*C), next(O*C), next(heads*O)
	p.valueAcross, p.outAcross = weights(C*C), weights(O*C)
	p.constant, p.valueBias, p.outBias = next(O), next(C), next(O)
	return p
}

func (p *OV) check() {
	if len(p.Value) != p.Inner()*p.Neurons || len(p.Out) != p.OutDim*p.Inner() {
		panic("decomp: weights are not [H,D,C] and [O,H,D]")
	}
}

// across returns valueAcross and outAcross.
func (p *OV) across() (value, out kernel.Weights) {
	p.transposed.Do(func() {
		if p.valueAcross.Len() == 0 {
			p.valueAcross, p.outAcross = kernel.FloatWeights(kernel.Alloc(len(p.Value))), kernel.FloatWeights(kernel.Alloc(len(p.Out)))
			p.transposeWeights()
		}
	})
	return p.valueAcross, p.outAcross
}

// transposeWeights fills valueAcross and outAcross.
func (p *OV) transposeWeights() {
	C, D := p.Neurons, p.Width
	p.valueAcross.SetTransposed(p.Value, p.Heads, D, C)
	p.outAcross.SetTransposed(p.Out, 1, p.OutDim, p.Inner())
}

// FeatureBytes is the size of the weights that Features reads.
func (p *OV) FeatureBytes() int64 {
	value, out := p.across()
	return value.Bytes() + out.Bytes()
}

// Constant returns C·Σ_h b[h] = W_O B_V + B_O, the feature of zero scores, [O]: the
// OV's own slice, which must not be written to.
func (p *OV) Constant() []float32 { return p.constant }

// ValueOf writes W_V^h[:,n] of pair h*C+n to dst [D].
func (p *OV) ValueOf(dst []float32, pair int) {
	value, _ := p.across()
	value.Read(dst[:p.Width], pair*p.Width)
}

// Inner is H·D, the channels of all heads: C in an attention pool.
func (p *OV) Inner() int { return p.Heads * p.Width }

// Directions writes v[h,n] = W_O^h W_V^h[:,n] of one head and the neurons
// lo to hi to dst [hi-lo,O].
func (p *OV) Directions(dst []float32, head, lo, hi int, team par.Team) {
	C, O, D, n := p.Neurons, p.OutDim, p.Width, hi-lo
	kernel.Sgemm(1, kernel.Strided(p.Value[head*D*C+lo:], D, n, C).T(), kernel.Strided(p.Out[head*D:], O, D, p.Inner()).T(),
		0, kernel.Dense(dst[:n*O], n, O), team)
}

// AllDirections returns v of every head, [H,C,O].
func (p *OV) AllDirections(team par.Team) []float32 {
	each := p.Neurons * p.OutDim
	v := make([]float32, p.Heads*each)
	for h := range p.Heads {
		p.Directions(v[h*each:(h+1)*each], h, 0, p.Neurons, team)
	}
	return v
}

// UnitDirections writes v/|v| of the pairs from number first on to dst [n,O]; zero where v
// is.
func (p *OV) UnitDirections(dst []float32, first int, team par.Team) {
	C, O := p.Neurons, p.OutDim
	for lo, end := first, first+len(dst)/O; lo < end; {
		h := lo / C
		hi := min(end, (h+1)*C) // of this head
		v := dst[(lo-first)*O : (hi-first)*O]
		p.Directions(v, h, lo-h*C, hi-h*C, team)
		team.For(hi-lo, func(a, b, _ int) {
			for u := a; u < b; u++ {
				row := v[u*O : (u+1)*O]
				if n := Norm(row); n > 0 {
					for o := range row {
						row[o] = float32(float64(row[o]) / n)
					}
				}
			}
		})
		lo = hi
	}
}

// Features writes the image features of scores [B,H,C] to dst [B,O],
//
//	feature = Σ_{h,n} r[h,n] = Σ_h W_O^h (W_V^h s[h]) + const
//
// using values [B,H·D] for the heads' outputs.
func (p *OV) Features(dst, values, scores []float32, images int, team par.Team) {
	p.headOutputs(values, scores, images, nil, nil, team)
	p.project(dst, values, images, team)
}

// FeaturesWithAttentionSum is Features for attention rows that do not sum to one. mass [B,H]
// holds their sums, which scale the heads' value biases:
//
//	feature = Σ_h W_O^h (W_V^h s[h] + mass[h]·B_V^h) + B_O
//
// It panics unless p is from NewPool.
func (p *OV) FeaturesWithAttentionSum(dst, values, scores, mass []float32, images int, team par.Team) {
	if p.valueBias == nil {
		panic("decomp: weights from slices have no value bias")
	}
	p.headOutputs(values, scores, images, nil, nil, team)
	C, D := p.Neurons, p.Width
	for b := range images {
		for c := range C {
			values[b*C+c] += (mass[b*p.Heads+c/D] - 1) * p.valueBias[c]
		}
	}
	p.project(dst, values, images, team)
}

// headOutputs writes W_V^h s[h], without the bias, to values [B,H,D]. Scores of pairs that a
// does not keep count as zero; it may be nil, and masked is then not used.
func (p *OV) headOutputs(values, scores []float32, images int, a *Ablation, masked []float32, team par.Team) {
	H, C, D := p.Heads, p.Neurons, p.Width
	value, _ := p.across()
	team.For(H, func(lo, hi, worker int) { // a head's product alone is too small to be shared
		for h := lo; h < hi; h++ {
			own := kernel.Strided(scores[h*C:], images, C, H*C)
			if a != nil {
				part := masked[worker*images*C:][:images*C]
				for b := range images {
					a.mask(part[b*C:(b+1)*C], scores[(b*H+h)*C:][:C], h*C)
				}
				own = kernel.Dense(part, images, C)
			}
			kernel.Sgemm(1, own, value.Matrix(h*C*D, C, D),
				0, kernel.Strided(values[h*D:], images, D, p.Inner()), par.Team{})
		}
	})
}

// project writes W_O values + const to dst [B,O].
func (p *OV) project(dst, values []float32, images int, team par.Team) {
	inner, O := p.Inner(), p.OutDim
	_, out := p.across()
	for b := range images {
		copy(dst[b*O:(b+1)*O], p.constant)
	}
	kernel.Sgemm(1, kernel.Dense(values, images, inner), out.Matrix(0, inner, O), 1, kernel.Dense(dst, images, O), team)
}

// Contributions writes every r[h,n] of one image to dst [H,C,O].
//
// scores is [H,C], directions [H,C,O] as AllDirections returns them.
func (p *OV) Contributions(dst, scores, directions []float32, team par.Team) {
	C, O := p.Neurons, p.OutDim
	team.For(p.Heads*C, func(lo, hi, _ int) {
		for u := lo; u < hi; u++ {
			r, v, b, s := dst[u*O:(u+1)*O], directions[u*O:(u+1)*O], p.Bias[u/C*O:(u/C+1)*O], scores[u]
			for o := range r {
				r[o] = s*v[o] + b[o]
			}
		}
	})
}

// NeuronContributions writes the sum over heads, R[n] = Σ_h r[h,n], of one
// image to dst [C,O], with inputs as for Contributions. Heads are added in order.
func (p *OV) NeuronContributions(dst, scores, directions []float32, team par.Team) {
	C, O := p.Neurons, p.OutDim
	share := make([]float32, O) // Σ_h b[h]
	for o := range share {
		share[o] = p.constant[o] / float32(C)
	}
	team.For(C, func(lo, hi, _ int) {
		for n := lo; n < hi; n++ {
			r := dst[n*O : (n+1)*O]
			copy(r, share)
			for h := range p.Heads {
				s, v := scores[h*C+n], directions[(h*C+n)*O:(h*C+n+1)*O]
				for o := range r {
					r[o] += s * v[o]
				}
			}
		}
	})
}
