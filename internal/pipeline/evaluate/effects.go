package evaluate

import (
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/usage"
)

// AblateEffects asks whether neurons matter where their effect is large: contributions of
// neurons, summed over heads, become their means in all images (AblateAllEffects), where they
// are significant (AblateSignificant), or where they are not (AblateInsignificant). An effect
// is significant in an image if it is farther from its mean than the weakest of the images
// that the neuron's norms are of:
//
//	|R[n] - mean[n]| > min_k norms[n,k]
//
// Source: Gandelsman, Efros and Steinhardt, arXiv:2406.04341, section 3.
const (
	AblateEffects       = "neur_effects"
	AblateAllEffects    = AblateEffects + " all"
	AblateSignificant   = AblateEffects + " significant"
	AblateInsignificant = AblateEffects + " insignificant"
)

// effects are the centred contributions of neurons to a batch of images, summed.
type effects struct {
	ov         *decomp.OV
	directions []float32 // v of all pairs, [H,C,O]
	centre     []float32 // Σ_h b[h] - mean[n], [C,O]
	least      []float64 // squared norm above which an effect is significant, [C]

	all, significant []float64 // sums over neurons, [B,O]
}

// effectVariants are those of AblateEffects.
func (a *ablater) effectVariants() ([]variant, error) {
	src, o := a.src, a.AblateOptions
	if src.OV == nil {
		return nil, usage.Errorf("{mode} %s: %s is dense, want a folder of scores", AblateEffects, o.ScoresPath)
	}
	path := o.Norms[AblateNeurons]
	if path == "" {
		return nil, usage.Errorf("{mode} %s: the norms of neurons are missing", AblateEffects)
	}
	s, err := readStrengths(o.Artefacts, path, AblateNeurons, strongest{o.TopImages, o.FitTop}, src.Origin)
	if err != nil {
		return nil, err
	}
	if s.norms != nil { // effects are compared with them
		if err := o.Artefacts.Check(s.norms, artefact.Facts{}.Form(src.Origin)); err != nil {
			return nil, err
		}
	}
	if units := src.NeuronUnits(); !slices.Equal(s.shape, units.Shape) {
		return nil, fmt.Errorf("%s: norms of %s units, want %s", path, npy.ShapeString(s.shape), npy.ShapeString(units.Shape))
	}
	means, err := a.openMeans(AblateNeurons)
	if err != nil {
		return nil, err
	}
	defer means.Close()
	if err := sameContributions(o.Artefacts, s.norms, means.Artefact, means.Path); err != nil {
		return nil, err
	}
	if err := a.read("norms", path, s.norms); err != nil {
		return nil, err
	}
	a.keeps(AblateEffects, s.least)
	e, err := newEffects(src.OV, s.least, means, par.NewTeam(o.Threads))
	if err != nil {
		return nil, err
	}
	with := func(name string, all, significant float64) variant {
		return variant{VariantScore{Variant: name}, func(dst []float32, b source.Batch, w *workspace) error {
			if name == AblateAllEffects { // the first of a batch
				e.of(b.Scores, len(b.Names), w.team)
			}
			b.Features(dst, w.team)
			for i := range dst {
				dst[i] = float32(float64(dst[i]) - all*e.all[i] - significant*e.significant[i])
			}
			return nil
		}}
	}
	return []variant{with(AblateAllEffects, 1, 0), with(AblateSignificant, 0, 1), with(AblateInsignificant, 1, -1)}, nil
}

// newEffects prepares effects with means [C,O] of neurons or [H,C,O] of their pairs. Its memory
// is that of the directions.
func newEffects(p *decomp.OV, least []float64, means *artefact.Tensor, team par.Team) (*effects, error) {
	C, O := p.Neurons, p.OutDim
	e := &effects{ov: p, directions: p.AllDirections(team), centre: make([]float32, C*O), least: make([]float64, C)}
	for n, x := range least {
		e.least[n] = x * x
	}
	sums := make([]float64, C*O)
	for h := range p.Heads {
		for n := range C {
			for o, b := range p.Bias[h*O : (h+1)*O] {
				sums[n*O+o] += float64(b)
			}
		}
	}
	err := means.ReadRows(func(first int, rows []float32) error {
		for i := range len(rows) / O {
			for o, m := range rows[i*O : (i+1)*O] {
				sums[(first+i)%C*O+o] -= float64(m)
			}
		}
		return nil
	})
	for i, x := range sums {
		e.centre[i] = float32(x)
	}
	return e, err
}

// of sums the effects on the images of scores [B,H,C].
func (e *effects) of(scores []float32, images int, team par.Team) {
	H, C, O := e.ov.Heads, e.ov.Neurons, e.ov.OutDim
	e.all, e.significant = make([]float64, images*O), make([]float64, images*O)
	team.For(images, func(lo, hi, _ int) {
		r := make([]float32, O)
		for b := lo; b < hi; b++ {
			for n := range C {
				copy(r, e.centre[n*O:(n+1)*O])
				for h := range H {
					s, v := scores[(b*H+h)*C+n], e.directions[(h*C+n)*O:][:O]
					for o := range r {
						r[o] += s * v[o]
					}
				}
				square := 0.0
				for o, x := range r {
					e.all[b*O+o] += float64(x)
					square += float64(x) * float64(x)
				}
				if square > e.least[n] {
					for o, x := range r {
						e.significant[b*O+o] += float64(x)
					}
				}
			}
		}
	})
}
