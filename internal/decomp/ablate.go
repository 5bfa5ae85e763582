package decomp

import (
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// Ablation is a mean-ablation: kept units keep their own contribution to a
// picture, the others take their mean contribution instead,
//
//	feature = Σ_{u kept} r[u] + Σ_{u not kept} mean[u]
//
// Units are pairs, or neurons summed over heads.
type Ablation struct {
	kept    []bool    // [H·C] of pairs, or [C] of neurons
	ablated int       // how many are not kept
	means   []float64 // Σ of their means, [O]
}

// NewAblation starts an ablation, whose means AddMeans brings. kept is [H,C] or
// [C]; it is kept.
func NewAblation(kept []bool, outDim int) *Ablation {
	a := &Ablation{kept: kept, means: make([]float64, outDim)}
	for _, k := range kept {
		if !k {
			a.ablated++
		}
	}
	return a
}

// Kept is the number of units that keep their contribution.
func (a *Ablation) Kept() int { return len(a.kept) - a.ablated }

// AddMeans brings the mean contributions [U,O] of the units from first on, bias
// included. Rows go round: those of pairs H·C also serve an ablation of neurons
// [C], as a neuron's mean is the sum of its pairs'. Each row is to come once.
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

// AblatedFeatures writes the features of scores [B,H,C] under an ablation to
// dst [B,O]. Scores of ablated pairs are zeroed in masked [B,H,C]; values
// is as for Features. What it writes for a picture does not depend on
// those beside it, and where nothing is ablated it is what Features writes.
func (p *Pool) AblatedFeatures(dst, values, masked, scores []float32, images int, a *Ablation, team par.Team) {
	if a.ablated == 0 {
		p.Features(dst, values, scores, images, team)
		return
	}
	O, runs := p.OutDim, images*p.Heads*p.Neurons/len(a.kept) // of the units, one after another
	team.For(runs, func(lo, hi, _ int) {
		for r := lo; r < hi; r++ {
			from, to := scores[r*len(a.kept):], masked[r*len(a.kept):]
			for u, keep := range a.kept {
				to[u] = 0
				if keep {
					to[u] = from[u]
				}
			}
		}
	})
	p.Features(dst, values, masked, images, team)
	// Zero scores leave the bias share of an ablated pair, which its mean has too.
	shift := make([]float64, O)
	copy(shift, a.means)
	for h := range p.Heads {
		gone := 0
		for n := range p.Neurons {
			if !a.kept[(h*p.Neurons+n)%len(a.kept)] {
				gone++
			}
		}
		for o := range shift {
			shift[o] -= float64(gone) * float64(p.Bias[h*O+o])
		}
	}
	for i := range dst[:images*O] {
		dst[i] = float32(float64(dst[i]) + shift[i%O])
	}
}

// DenseFeature writes the feature of one picture under an ablation to dst [O],
// from its contributions written out: [H,C,O], or [C,O] if the ablation is of
// neurons.
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

// unitParts is how many partial sums sumUnits makes. It is a constant, so that
// rounding does not depend on the number of workers.
const unitParts = 16

// sumUnits sums what add adds to sum [O] for every unit, in float64.
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

// WithoutLast writes to scores [H,C] and mass [H] what one picture's heads
// gather when the class token's attention to the last token is zero:
//
//	s[h,n] = Σ_{t<T-1} a[h,t]·x[t,n]    mass[h] = Σ_{t<T-1} a[h,t]
//
// with attention a [H,T] as the softmax left it and tokens x [T,C].
func (p *Pool) WithoutLast(scores, mass, attention, tokens []float32, team par.Team) {
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
