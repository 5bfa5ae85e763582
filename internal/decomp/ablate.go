package decomp

import (
	"math"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// Ablation is a mean ablation: kept units keep their own contribution to an
// image, the contribution of every other unit is replaced by its mean,
//
//	feature = Σ_{u kept} r[u] + Σ_{u not kept} mean[u]
//
// Units are pairs, or neurons summed over heads.
type Ablation struct {
	kept    []bool    // [H·C] of pairs, or [C] of neurons
	bits    []uint32  // all of a kept unit's score, none of another's; as kept
	ablated int       // number of units not kept
	means   []float64 // Σ of the ablated units' means, [O]
}

// NewAblation returns an ablation without means; AddMeans adds them. kept is
// [H,C] for pairs or [C] for neurons, and is retained.
func NewAblation(kept []bool, outDim int) *Ablation {
	a := &Ablation{kept: kept, bits: make([]uint32, len(kept)), means: make([]float64, outDim)}
	for u, k := range kept {
		if k {
			a.bits[u] = math.MaxUint32
		} else {
			a.ablated++
		}
	}
	return a
}

// Kept is the number of units that keep their contribution.
func (a *Ablation) Kept() int { return len(a.kept) - a.ablated }

// Units is the number of units, kept or not.
func (a *Ablation) Units() int { return len(a.kept) }

// AddMeans adds the mean contributions [U,O] of the units from first on, bias
// included. Row indices wrap around, so the H·C rows of pairs also serve an
// ablation of neurons [C]: a neuron's mean is the sum of its pairs' means. Each
// row must be added exactly once.
func (a *Ablation) AddMeans(first int, means []float32) {
	O := len(a.means)
	for i := range len(means) / O {
		if a.kept[(first+i)%len(a.kept)] {
			continue
		}
		for o, m := range means[i*O : (i+1)*O] {
			a.means[o] += float64(m)
		}
	}
}

// mask writes the scores [C] of a head, whose first pair is number first, to dst with those of
// ablated units set to zero.
func (a *Ablation) mask(dst, scores []float32, first int) {
	all := a.bits[first%len(a.bits):][:len(scores)]
	for u, bits := range all { // without a branch that no processor can predict
		dst[u] = math.Float32frombits(math.Float32bits(scores[u]) & bits)
	}
}

// MaskedLen is how many values of scratch AblatedFeatures takes: a head's scores for each of
// those who work at the same time.
func (p *OV) MaskedLen(images int, team par.Team) int {
	return min(team.Size(), p.Heads) * images * p.Neurons
}

// AblatedFeatures writes the features of scores [B,H,C] under an ablation to
// dst [B,O]. masked, of MaskedLen values, receives the scores of a head with those of
// ablated pairs set to zero; values is as for Features. An image's result does not depend
// on the other images of the batch. If nothing is ablated, the result is that of
// Features.
func (p *OV) AblatedFeatures(dst, values, masked, scores []float32, images int, a *Ablation, team par.Team) {
	if a.ablated == 0 {
		p.Features(dst, values, scores, images, team)
		return
	}
	O := p.OutDim
	p.headOutputs(values, scores, images, a, masked, team)
	p.project(dst, values, images, team)
	// With a zero score an ablated pair still adds its bias share, which its mean includes too.
	shift := make([]float64, O)
	copy(shift, a.means)
	for h := range p.Heads {
		ablated := 0
		for n := range p.Neurons {
			if !a.kept[(h*p.Neurons+n)%len(a.kept)] {
				ablated++
			}
		}
		for o := range shift {
			shift[o] -= float64(ablated) * float64(p.Bias[h*O+o])
		}
	}
	for i := range dst[:images*O] {
		dst[i] = float32(float64(dst[i]) + shift[i%O])
	}
}

// DenseFeature writes the feature of one image under an ablation to dst [O],
// from its dense contributions: [H,C,O], or [C,O] if the ablation is of neurons.
func (a *Ablation) DenseFeature(dst, contributions []float32, team par.Team) {
	O := len(a.means)
	units := len(contributions) / O
	sum := sumUnits(units, O, team, func(sum []float64, u int) {
		if a.kept[u%len(a.kept)] {
			for o, r := range contributions[u*O : (u+1)*O] {
				sum[o] += float64(r)
			}
		}
	})
	for o := range dst {
		dst[o] = float32(sum[o] + a.means[o])
	}
}

// unitParts is the number of partial sums in sumUnits. It is a constant, so that
// rounding does not depend on the number of workers.
const unitParts = 16

// sumUnits calls add for every unit, which adds the unit's term to sum [O], and
// returns the total. Sums are in float64.
func sumUnits(units, outDim int, team par.Team, add func(sum []float64, u int)) []float64 {
	parts := make([]float64, unitParts*outDim)
	team.For(unitParts, func(lo, hi, _ int) {
		for p := lo; p < hi; p++ {
			for u := units * p / unitParts; u < units*(p+1)/unitParts; u++ {
				add(parts[p*outDim:(p+1)*outDim], u)
			}
		}
	})
	total := parts[:outDim]
	for p := 1; p < unitParts; p++ {
		for o := range total {
			total[o] += parts[p*outDim+o]
		}
	}
	return total
}

// ScoresWithoutSink writes one image's scores [H,C] with the class token's attention to
// the attention sink, the last token, set to zero, and to mass [H] the sum of the
// attention that is left:
//
//	s[h,n] = Σ_{t<T-1} a[h,t]·x[t,n]    mass[h] = Σ_{t<T-1} a[h,t]
//
// attention a [H,T] is the softmax's output, not renormalised; tokens x are [T,C].
func (p *OV) ScoresWithoutSink(scores, mass, attention, tokens []float32, team par.Team) {
	C := p.Neurons
	T := len(tokens) / C
	kernel.Sgemm(1, kernel.Strided(attention, p.Heads, T-1, T), kernel.Dense(tokens, T-1, C), 0, kernel.Dense(scores, p.Heads, C), team)
	for h := range p.Heads {
		sum := 0.0
		for _, a := range attention[h*T : (h+1)*T-1] {
			sum += float64(a)
		}
		mass[h] = float32(sum)
	}
}
