package pipeline

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/kernel"
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
func StrongestPairs(pcsPath, textsPath string, k, threads int) ([][]Pair, error) {
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
	return strongestPairs(pcsPath, k, threads, func(out int) ([]float32, error) { return readEmbeddings(textsPath, out) })
}

// strongestPairs is StrongestPairs for texts' embeddings of the directions' O
// dimensions from anywhere.
func strongestPairs(pcsPath string, k, threads int, textsOf func(out int) ([]float32, error)) ([][]Pair, error) {
	if _, err := openOurs(pcsPath, kindDirections); err != nil {
		return nil, undirected(err, pcsPath)
	}
	pcs, shape, err := readFinite(pcsPath)
	if err != nil {
		return nil, err
	}
	if len(shape) != 3 {
		return nil, fmt.Errorf("%s: shape %s, want [H,C,O]", pcsPath, npy.ShapeString(shape))
	}
	neurons, out := shape[1], shape[2]
	texts, err := textsOf(out)
	if err != nil {
		return nil, err
	}
	pairs, count := shape[0]*neurons, len(texts)/out
	products := make([]float32, count*pairs)
	kernel.Sgemm(false, true, count, pairs, out, 1, texts, out, pcs, out, 0, products, pairs, par.NewTeam(threads))
	strongest := make([][]Pair, count)
	for i := range strongest {
		row := products[i*pairs : (i+1)*pairs]
		order := make([]int, pairs)
		for j := range order {
			order[j] = j
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(row[b], row[a]) })
		for _, j := range order[:min(k, pairs)] {
			strongest[i] = append(strongest[i], Pair{j / neurons, j % neurons, float64(row[j])})
		}
	}
	return strongest, nil
}
