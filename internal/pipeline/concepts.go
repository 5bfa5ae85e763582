package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/ui"
)

// ConceptOptions say which concepts to look for, and what tells their pairs.
type ConceptOptions struct {
	Concepts []string // texts, without repetition
	K        int      // pairs that stand for each
	PCsPath  string   // principal directions of pairs, [H,C,O]

	// Texts are embedded by a model, not centred,
	Model, Vocab string
	Templates    []textlist.Template // none: the texts as they are
	// or their embeddings are rows of a file: those of Texts, or where there are
	// none, of the concepts in their order.
	EmbeddingsPath string
	Texts          []string
	TextsPath      string // where Texts are from
}

// concept is a text and the pairs that stand for it, closest first.
type concept struct {
	text  string
	pairs []Pair
}

// openConcepts finds the pairs of every concept: the K whose direction has the
// largest product with the text's embedding, both unit vectors. What has a
// manifest must be of the model with these weights, if they are known.
func openConcepts(ctx context.Context, o ConceptOptions, src *source, threads int, say Reporter) ([]concept, error) {
	pcs, err := openDirections(o.PCsPath)
	if err != nil {
		return nil, err
	}
	defer pcs.close()
	weights := src.origin.Weights
	if pcs.artefact != nil {
		if err := requireOf(pcs.artefact, cache.Manifest{Origin: cache.Origin{Weights: weights}}); err != nil {
			return nil, err
		}
		weights = cmp.Or(weights, pcs.artefact.Manifest.Origin.Weights)
	}
	if want := (unitShape{src.heads, src.neurons}); !slices.Equal(pcs.units, want) || pcs.outDim != src.outDim {
		shape := append(slices.Clone(pcs.units), pcs.outDim)
		return nil, fmt.Errorf("%s: shape %s, want [%d,%d,%d] as the contributions have it", o.PCsPath, npy.ShapeString(shape), src.heads, src.neurons, src.outDim)
	}
	var texts []float32
	if o.EmbeddingsPath != "" {
		texts, err = conceptRows(o, weights, src.outDim)
	} else {
		texts, err = embedConcepts(ctx, o, weights, threads, say)
	}
	if err != nil {
		return nil, err
	}
	strongest, err := topPairs(ctx, pcs, texts, o.K, par.NewTeam(threads))
	if err != nil {
		return nil, err
	}
	concepts := make([]concept, len(o.Concepts))
	for i, text := range o.Concepts {
		concepts[i] = concept{text, strongest[i]}
	}
	return concepts, nil
}

// conceptRows reads the concepts' embeddings, [concepts,O].
func conceptRows(o ConceptOptions, weights string, outDim int) ([]float32, error) {
	a, err := openOurs(o.EmbeddingsPath, kindEmbeddings)
	if err != nil {
		return nil, unmade(err, o.EmbeddingsPath, "embed --embeddings-save-path")
	}
	listed, from := o.Texts, o.TextsPath
	if listed == nil {
		listed, from = o.Concepts, "the concepts"
	}
	if a != nil {
		if err := requireOf(a, cache.Manifest{Origin: cache.Origin{Weights: weights}}); err != nil {
			return nil, err
		}
		if err := madeFromWords(a, listed); err != nil {
			return nil, fmt.Errorf("%w (%s)", err, from)
		}
	}
	all, err := readEmbeddings(o.EmbeddingsPath, outDim)
	if err != nil {
		return nil, err
	}
	if n := len(all) / outDim; n != len(listed) {
		return nil, fmt.Errorf("%s: embeddings of %d texts, but there are %d in %s", o.EmbeddingsPath, n, len(listed), from)
	}
	if o.Texts == nil {
		return all, nil
	}
	at := make(map[string]int, len(listed))
	for i, text := range slices.Backward(listed) {
		at[text] = i // the first of equal ones
	}
	rows := make([]float32, 0, len(o.Concepts)*outDim)
	for _, text := range o.Concepts {
		i, ok := at[text]
		if !ok {
			return nil, hinted{fmt.Errorf("%s: no line %q", from, text), "give --model and --vocab instead of --text-embeddings-path to embed any text"}
		}
		rows = append(rows, all[i*outDim:(i+1)*outDim]...)
	}
	return rows, nil
}

// embedConcepts embeds the concepts with the model whose weights are known, if
// they are.
func embedConcepts(ctx context.Context, o ConceptOptions, weights string, threads int, say Reporter) ([]float32, error) {
	m, err := openModel(ctx, o.Model)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if weights != "" && m.sha256 != weights {
		err := fmt.Errorf("%s: %w: its weights are %.12s, those of the contributions and directions %.12s", o.Model, cache.ErrStale, m.sha256, weights)
		return nil, hinted{err, "give the --model that they were made with"}
	}
	e, err := newTextEncoder(m.Checkpoint, o.Vocab, threads)
	if err != nil {
		return nil, err
	}
	const many = 1000 // fewer are embedded at once
	add := func(int) {}
	if len(o.Concepts) >= many {
		progress := say.Progress()
		progress.Start(int64(len(o.Concepts)), ui.Texts, "embed")
		defer progress.Done()
		add = func(n int) { progress.Add(int64(n)) }
	}
	return e.embed(ctx, o.Concepts, o.Templates, add)
}

// textsPerBlock bounds the products of texts and directions in memory: with the
// rows that a block of directions has, some 64 MiB.
const textsPerBlock = 256

// topPairs returns, for each of texts [M,O], the k pairs whose direction has the
// largest product with it, best first; of equal ones the first pair comes first.
func topPairs(ctx context.Context, pcs *directions, texts []float32, k int, team par.Team) ([][]Pair, error) {
	O, neurons := pcs.outDim, pcs.units.neurons()
	M, pairs := len(texts)/O, product(pcs.units)
	rowsPerBlock := max(1, min(pairs, 1<<16, (16<<20)/O))
	products := make([]float32, min(M, textsPerBlock)*rowsPerBlock)
	best := make([][]Pair, M)
	for i := range best {
		best[i] = make([]Pair, 0, min(k, pairs)+1)
	}
	units := make([]int, 0, rowsPerBlock)
	for lo := 0; lo < pairs; lo += rowsPerBlock {
		units = units[:0]
		for u := lo; u < min(lo+rowsPerBlock, pairs); u++ {
			units = append(units, u)
		}
		rows, err := pcs.read(units)
		if err != nil {
			return nil, err
		}
		n := len(units)
		for from := 0; from < M; from += textsPerBlock {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			to := min(from+textsPerBlock, M)
			kernel.Sgemm(1, kernel.Dense(texts[from*O:], to-from, O), kernel.Dense(rows, n, O).T(), 0, kernel.Dense(products, to-from, n), team)
			team.For(to-from, func(first, last, _ int) {
				for i := first; i < last; i++ {
					best[from+i] = keepBest(best[from+i], products[i*n:(i+1)*n], lo, neurons, min(k, pairs))
				}
			})
		}
	}
	return best, nil
}

// keepBest merges the products of pairs, the first of number first, into the k
// best.
func keepBest(best []Pair, products []float32, first, neurons, k int) []Pair {
	for j, x := range products {
		p := Pair{(first + j) / neurons, (first + j) % neurons, float64(x)}
		if len(best) == k && !(p.Cosine > best[k-1].Cosine) {
			continue
		}
		at := len(best)
		for at > 0 && p.Cosine > best[at-1].Cosine {
			at--
		}
		best = slices.Insert(best, at, p)
		best = best[:min(len(best), k)]
	}
	return best
}
