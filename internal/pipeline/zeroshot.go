package pipeline

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ptfile"
)

// readEmbeddings reads texts' embeddings, [M,O], from .npy or .pt, told apart by
// content, and makes their rows unit vectors in case another program wrote
// them otherwise.
func readEmbeddings(path string, outDim int) ([]float32, error) {
	rows, shape, err := readTensor(path)
	if err != nil {
		return nil, err
	}
	if len(shape) != 2 || shape[0] < 1 || shape[1] != outDim {
		return nil, fmt.Errorf("%s: shape %s, want [texts,%d]", path, npy.ShapeString(shape), outDim)
	}
	for i := range shape[0] {
		row := rows[i*outDim : (i+1)*outDim]
		n := norm(row)
		if !(n > 0) || math.IsInf(n, 1) {
			return nil, fmt.Errorf("%s: row %d has no direction (zero or not finite)", path, i)
		}
		for o := range row {
			row[o] = float32(float64(row[o]) / n)
		}
	}
	return rows, nil
}

// readTensor reads a whole tensor from .npy, or from a .pt of one tensor.
func readTensor(path string) ([]float32, []int, error) {
	if filepath.Ext(path) == ".npy" {
		return npy.ReadFloat32(path)
	}
	f, err := ptfile.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	tensors := f.Tensors()
	if len(tensors) != 1 {
		return nil, nil, fmt.Errorf("%s: %d tensors, want one", path, len(tensors))
	}
	data := make([]float32, tensors[0].Len())
	return data, tensors[0].Shape, f.Float32(tensors[0], data)
}

// Pair is a neuron-head pair and how close its direction is to a text.
type Pair struct {
	Head   int     `json:"head"`
	Neuron int     `json:"neuron"`
	Cosine float64 `json:"cosine"`
}

// Name labels the pair, such as h12n624.
func (p Pair) Name() string { return fmt.Sprintf("h%dn%d", p.Head, p.Neuron) }

// StrongestPairs returns, for every text, the k pairs whose principal
// direction [H,C,O] has the largest product with its embedding, best first;
// both are unit vectors.
func StrongestPairs(ctx context.Context, pcsPath, textsPath string, k, threads int) ([][]Pair, error) {
	a, err := requireModel(pcsPath, "svd --out-save-path", kindDirections, "")
	if err != nil {
		return nil, err
	}
	weights := ""
	if a != nil {
		weights = a.Manifest.Origin.Weights
	}
	if _, err := requireModel(textsPath, "embed --embeddings-save-path", kindEmbeddings, weights); err != nil {
		return nil, err
	}
	return strongestPairs(ctx, pcsPath, k, threads, func(out int) ([]float32, error) { return readEmbeddings(textsPath, out) })
}

// strongestPairs is StrongestPairs for texts' embeddings of the directions' O
// dimensions from anywhere.
func strongestPairs(ctx context.Context, pcsPath string, k, threads int, textsOf func(out int) ([]float32, error)) ([][]Pair, error) {
	pcs, err := openDirections(pcsPath)
	if err != nil {
		return nil, err
	}
	defer pcs.close()
	if !pcs.units.pairs() {
		return nil, fmt.Errorf("%s: shape %s, want [H,C,O]", pcsPath, npy.ShapeString(append(slices.Clone(pcs.units), pcs.outDim)))
	}
	texts, err := textsOf(pcs.outDim)
	if err != nil {
		return nil, err
	}
	return topPairs(ctx, pcs, texts, k, par.NewTeam(threads))
}
