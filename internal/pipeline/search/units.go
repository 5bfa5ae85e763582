package search

import (
	"fmt"
	"strings"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// ranked is a unit whose contribution's norm images are ranked by.
type ranked struct {
	name string
	norm func(scores []float32) float64 // of an image, [H,C]
}

// findUnits returns the units of some names: of a pair, of a neuron, whose contribution is
// the sum over heads, or of a head, the sum over neurons.
func findUnits(names []string, src *source.Source, team par.Team, say ui.Reporter) ([]ranked, error) {
	if len(names) > 0 && src.OV == nil {
		return nil, usage.Errorf("units need scores, or a model: contributions that are written out have {pairs} and {neur-idxs} of \"clipnh retrieve\"")
	}
	var units []ranked
	for _, name := range names {
		head, neuron, ok := parse(name, src.Units())
		if !ok {
			pairs, neurons := src.Units(), src.NeuronUnits()
			return nil, pairs.Layers.Unknown(name, fmt.Sprintf("a pair, %s to %s, a neuron, %s to %s, or a head, %s to %s",
				pairs.Name(0), pairs.Name(pairs.Count()-1), neurons.Name(0), neurons.Name(src.Neurons-1), pairs.Layers.Head(0), pairs.Layers.Head(src.Heads-1)))
		}
		u := ranked{name: strings.ToLower(name)}
		if neuron < 0 {
			u.norm = headNorm(src.OV, head)
			if layers := src.Units().Layers; !layers.Separable() {
				say.Note("%s: ranked by what the neurons of layer %d add through this head (second order); retrieve {head-idxs} ranks by all that the head adds (first order)", u.name, layers.First-1)
			}
		} else {
			norms := src.OV.NeuronNorms(neuron, team)
			u.norm = func(scores []float32) float64 {
				if head >= 0 {
					return norms.Pair(head, scores[head*src.Neurons+neuron])
				}
				of := make([]float32, src.Heads)
				for h := range of {
					of[h] = scores[h*src.Neurons+neuron]
				}
				return norms.Sum(of)
			}
		}
		units = append(units, u)
	}
	return units, nil
}

// parse reads the name of a unit; -1 stands for all heads, or all neurons.
func parse(name string, units unit.Layered) (head, neuron int, ok bool) {
	if head, ok = units.Layers.FindHead(name, units.Shape[0]); ok {
		return head, -1, true
	}
	found, err := units.Find([]string{name})
	switch {
	case err != nil:
		return 0, 0, false
	case len(found) > 1 || !unit.NamesHead(name):
		return -1, found[0] % units.Neurons(), true
	}
	return found[0] / units.Neurons(), found[0] % units.Neurons(), true
}

// headNorm is the norm of what all neurons add through a head.
func headNorm(ov *decomp.OV, head int) func(scores []float32) float64 {
	return func(scores []float32) float64 {
		sum, value := make([]float32, ov.OutDim), make([]float32, ov.Width)
		ov.HeadContribution(sum, value, scores[head*ov.Neurons:(head+1)*ov.Neurons], head, par.NewTeam(1))
		return decomp.Norm(sum)
	}
}
