package words

import (
	"context"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
)

// StrongestPairs returns, for every text, the k pairs whose principal
// component [H,C,O] has the largest product with its embedding, best first;
// both are unit vectors.
func StrongestPairs(ctx context.Context, r artefact.Reader, pcsPath, textsPath string, k, threads int) ([][]artefact.Pair, error) {
	pcs, err := r.Components(pcsPath, nil)
	if err != nil {
		return nil, err
	}
	defer pcs.Close()
	if !pcs.Units.IsPairs() {
		return nil, fmt.Errorf("%s: shape %s, want [H,C,O]", pcsPath, npy.ShapeString(append(slices.Clone(pcs.Units.Shape), pcs.OutDim)))
	}
	texts, err := r.UnitEmbeddings(textsPath, artefact.OfModel(artefact.OriginOf(pcs.Artefact)), pcs.OutDim)
	if err != nil {
		return nil, err
	}
	nearest, err := pcs.Nearest(ctx, texts.Rows, k, par.NewTeam(threads))
	if err != nil {
		return nil, err
	}
	pairs := make([][]artefact.Pair, len(nearest))
	for i := range nearest {
		pairs[i] = artefact.PairsOf(nearest[i], pcs.Units)
	}
	return pairs, nil
}
