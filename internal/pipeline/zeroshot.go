package pipeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
)

// Pair is a neuron-head pair and how close its direction is to a text.
type Pair struct {
	Head   int     `json:"head"`
	Neuron int     `json:"neuron"`
	Cosine float64 `json:"cosine"`
}

// Name labels the pair, such as h12n624.
func (p Pair) Name() string { return fmt.Sprintf("h%dn%d", p.Head, p.Neuron) }

// pairsOf are units of C neurons as pairs.
func pairsOf(near []artefact.Near, neurons int) []Pair {
	pairs := make([]Pair, len(near))
	for i, n := range near {
		pairs[i] = Pair{n.Unit / neurons, n.Unit % neurons, n.Cosine}
	}
	return pairs
}

// StrongestPairs returns, for every text, the k pairs whose principal
// component [H,C,O] has the largest product with its embedding, best first;
// both are unit vectors.
func StrongestPairs(ctx context.Context, r artefact.Reader, pcsPath, textsPath string, k, threads int) ([][]Pair, error) {
	pcs, err := r.Components(pcsPath, nil)
	if err != nil {
		return nil, err
	}
	defer pcs.Close()
	if !pcs.Units.IsPairs() {
		return nil, fmt.Errorf("%s: shape %s, want [H,C,O]", pcsPath, npy.ShapeString(append(slices.Clone(pcs.Units), pcs.OutDim)))
	}
	texts, err := r.UnitEmbeddings(textsPath, artefact.OfModel(artefactOrigin(pcs.Artefact).Weights), pcs.OutDim)
	if err != nil {
		return nil, err
	}
	nearest, err := pcs.Nearest(ctx, texts.Rows, k, par.NewTeam(threads))
	if err != nil {
		return nil, err
	}
	pairs := make([][]Pair, len(nearest))
	for i := range nearest {
		pairs[i] = pairsOf(nearest[i], pcs.Units.Neurons())
	}
	return pairs, nil
}
