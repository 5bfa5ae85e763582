package search

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/unit"
)

// ranked is a unit whose contribution's norm images are ranked by.
type ranked struct {
	name string
	norm func(scores []float32) float64 // of an image, [H,C]
}

var unitName = regexp.MustCompile(`^(?:h(\d+))?(?:n(\d+))?$`)

// findUnits returns the units of some names: of a pair, of a neuron, whose contribution is
// the sum over heads, or of a head, the sum over neurons.
func findUnits(names []string, src *source.Source, team par.Team) ([]ranked, error) {
	if len(names) > 0 && src.OV == nil {
		return nil, fmt.Errorf("units need scores, or a model: contributions that are written out have {pairs} and {neur-idxs} of \"clipnh retrieve\"")
	}
	var units []ranked
	for _, name := range names {
		head, neuron, ok := parse(name, src.Heads, src.Neurons)
		if !ok {
			return nil, unit.Unknown(name, fmt.Sprintf("a pair, h0n0 to h%dn%d, a neuron, n0 to n%d, or a head, h0 to h%d", src.Heads-1, src.Neurons-1, src.Neurons-1, src.Heads-1))
		}
		u := ranked{name: name}
		if neuron < 0 {
			u.norm = headNorm(src.OV, head)
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
func parse(name string, heads, neurons int) (head, neuron int, ok bool) {
	m := unitName.FindStringSubmatch(name)
	if m == nil || name == "" {
		return 0, 0, false
	}
	number := func(text string, below int) (int, bool) {
		if text == "" {
			return -1, true
		}
		n, err := strconv.Atoi(text)
		return n, err == nil && n < below
	}
	head, ok = number(m[1], heads)
	if !ok {
		return 0, 0, false
	}
	neuron, ok = number(m[2], neurons)
	return head, neuron, ok
}

// headNorm is the norm of what all neurons add through a head.
func headNorm(ov *decomp.OV, head int) func(scores []float32) float64 {
	return func(scores []float32) float64 {
		sum, value := make([]float32, ov.OutDim), make([]float32, ov.Width)
		ov.HeadContribution(sum, value, scores[head*ov.Neurons:(head+1)*ov.Neurons], head, par.NewTeam(1))
		return decomp.Norm(sum)
	}
}
