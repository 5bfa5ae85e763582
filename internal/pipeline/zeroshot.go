package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ptfile"
)

// Accuracy is how often zero-shot classification is right.
type Accuracy struct {
	Images int     `json:"images"`
	Top1   float64 `json:"top1"` // share of the images, 0 to 1
	Top5   float64 `json:"top5"`
}

// ZeroShot classifies collected pictures of a labelled dataset: the image
// features are put together from the scores, and each goes to the class whose
// embedding has the largest cosine with it.
func ZeroShot(ctx context.Context, scoresPath, classesPath string, data dataset.Options, threads int) (*Accuracy, error) {
	s, err := openScores(scoresPath)
	if err != nil {
		return nil, err
	}
	defer s.close()
	classes, err := readEmbeddings(classesPath, s.pool.OutDim)
	if err != nil {
		return nil, err
	}
	labels, err := s.labels(ctx, data)
	if err != nil {
		return nil, err
	}
	all, err := s.readAll()
	if err != nil {
		return nil, err
	}
	team, out := par.NewTeam(threads), s.pool.OutDim
	features := make([]float32, s.images*out)
	s.pool.Features(features, make([]float32, s.images*s.pool.Neurons), all, s.images, team)
	count := len(classes) / out
	logits := make([]float32, s.images*count)
	kernel.Sgemm(false, true, s.images, count, out, 1, features, out, classes, out, 0, logits, count, team)
	a := &Accuracy{Images: s.images}
	for i, label := range labels {
		if label >= count {
			return nil, fmt.Errorf("%s: %d classes, but the pictures have label %d", classesPath, count, label)
		}
		row := logits[i*count : (i+1)*count]
		// A picture's place among the classes; ties count against it.
		place := 0
		for class, x := range row {
			if class != label && !(x < row[label]) {
				place++
			}
		}
		if place < 1 {
			a.Top1++
		}
		if place < 5 {
			a.Top5++
		}
	}
	a.Top1 /= float64(s.images)
	a.Top5 /= float64(s.images)
	return a, nil
}

// labels returns the class of every collected picture, joined by name.
func (s *scores) labels(ctx context.Context, o dataset.Options) ([]int, error) {
	data, err := dataset.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]int, len(data.Items))
	for _, item := range data.Items {
		byName[item.Name] = item.Label
	}
	names, err := imageNames(s.Artefact)
	if err != nil {
		return nil, err
	}
	if len(names) != s.images {
		return nil, fmt.Errorf("%s: %d names in %s, want one for each of %d rows", s.Path(), len(names), imagesFile, s.images)
	}
	labels := make([]int, len(names))
	for i, name := range names {
		label, ok := byName[name]
		if !ok || label < 0 {
			return nil, fmt.Errorf("%s: picture %s has no label in %s", s.Path(), name, o.Path)
		}
		labels[i] = label
	}
	return labels, nil
}

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
	a, err := cache.Open(pcsPath)
	if err != nil {
		return nil, err
	}
	if err := a.Require(cache.Manifest{Kind: kindDirections}); err != nil {
		return nil, err
	}
	pcs, shape, err := npy.ReadFloat32(pcsPath)
	if err != nil {
		return nil, err
	}
	if len(shape) != 3 {
		return nil, fmt.Errorf("%s: shape %s, want [H,C,O]", pcsPath, npy.ShapeString(shape))
	}
	neurons, out := shape[1], shape[2]
	texts, err := readEmbeddings(textsPath, out)
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
