// Package agreement finds the pairs of two models that agree on a word.
//
// Two models share neither neurons nor heads, but they can be shown the same images. Of
// each model those pairs stand for a word whose component is closest to the word's
// embedding in that model. Of these, the two agree most whose scores, with the signs of
// their components, have the largest correlation over the images (Pearson's r).
//
// Among so many couples, one correlates by chance. So the images of the second model are
// permuted, in the same way for all words, and the largest correlation of any couple of
// any word is taken, permutation by permutation (the max-statistic of Westfall and
// Young, as in package permutation): a correlation above nearly all of these says that
// the two pairs follow the same images.
package agreement

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// Model is what was computed of one model.
type Model struct {
	ScoresPath     string // a folder of scores, of the same images in both models
	PCsPath        string // components of its pairs, .npy [H,C,O]
	EmbeddingsPath string // of the texts, .npy [texts,O]
}

// Options says which models to compare, and on which words.
type Options struct {
	Artefacts    artefact.Reader
	Here, There  Model
	Texts        []string // that embeddings are of
	Words        []string // of these, the ones to compare the models on
	Closest      int      // pairs of each model that stand for a word
	Permutations int
	Seed         uint64
	Threads      int
}

// Result is how far the models agree on the words.
type Result struct {
	Images int    `json:"images"`
	Words  []Word `json:"words"`

	// ByChance is what the largest correlation of all words stays below in 95 % of the
	// permutations.
	ByChance     float64 `json:"by_chance"`
	Permutations int     `json:"permutations"`
}

// Word is the two pairs that agree most on a word.
type Word struct {
	Word        string        `json:"word"`
	Here        artefact.Pair `json:"here"`
	There       artefact.Pair `json:"there"`
	Correlation float64       `json:"correlation"`
}

// Above returns how many words have a correlation above what chance gives.
func (r *Result) Above() int {
	n := 0
	for _, w := range r.Words {
		if w.Correlation > r.ByChance {
			n++
		}
	}
	return n
}

// Run compares two models.
func Run(ctx context.Context, o Options) (*Result, error) {
	rows := make([]int, len(o.Words))
	for i, word := range o.Words {
		if rows[i] = slices.Index(o.Texts, word); rows[i] < 0 {
			return nil, fmt.Errorf("agreement: no embedding of %q", word)
		}
	}
	here, err := o.read(ctx, o.Here, rows)
	if err != nil {
		return nil, err
	}
	there, err := o.read(ctx, o.There, rows)
	if err != nil {
		return nil, err
	}
	if i := firstDifference(here.names, there.names); i >= 0 {
		return nil, fmt.Errorf("agreement: %s and %s: image %d differs, want the same images in the same order", o.Here.ScoresPath, o.There.ScoresPath, i)
	}
	result := &Result{Images: len(here.names), Permutations: o.Permutations}
	for i, word := range o.Words {
		r, a, b := largest(here.columns[i], there.columns[i], nil)
		result.Words = append(result.Words, Word{word, here.pairs[i][a], there.pairs[i][b], r})
	}
	result.ByChance, err = o.byChance(ctx, here, there)
	return result, err
}

// side is what is read of one model.
type side struct {
	names   []string          // of the images
	pairs   [][]artefact.Pair // that stand for each word
	columns [][][]float32     // their scores over the images, by word and pair, centred and of length 1
}

func (o *Options) read(ctx context.Context, m Model, rows []int) (_ *side, err error) {
	s, err := o.Artefacts.Scores(m.ScoresPath, nil)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	facts := artefact.OfModel(artefact.OriginOf(s.Artefact))
	pcs, err := o.Artefacts.ComponentsOf(m.PCsPath, facts, []int{s.OV.Heads, s.OV.Neurons}, s.OV.OutDim)
	if err != nil {
		return nil, err
	}
	defer pcs.Close()
	texts, err := o.Artefacts.UnitEmbeddings(m.EmbeddingsPath, facts.Texts(o.Texts), s.OV.OutDim)
	if err != nil {
		return nil, err
	}
	O, team := s.OV.OutDim, par.NewTeam(o.Threads)
	wanted := make([]float32, 0, len(rows)*O)
	for _, i := range rows {
		wanted = append(wanted, texts.Rows[i*O:(i+1)*O]...)
	}
	near, err := pcs.Nearest(ctx, wanted, o.Closest, team)
	if err != nil {
		return nil, err
	}
	out := &side{}
	if out.names, err = s.Names(); err != nil {
		return nil, err
	}
	var units []int
	for _, n := range near {
		out.pairs = append(out.pairs, artefact.PairsOf(n, pcs.Units))
		for _, u := range n {
			units = append(units, u.Unit)
		}
	}
	components, err := pcs.Read(units)
	if err != nil {
		return nil, err
	}
	all, err := columnsOf(s, units)
	if err != nil {
		return nil, err
	}
	v := make([]float32, O)
	for i, u := range units {
		s.OV.UnitDirections(v, u, team)
		standardise(all[i], kernel.Dot(v, components[i*O:(i+1)*O]) < 0)
	}
	for range near {
		out.columns, all = append(out.columns, all[:o.Closest]), all[o.Closest:]
	}
	return out, nil
}

// columnsOf returns the scores of units over all images.
func columnsOf(s *artefact.Scores, units []int) ([][]float32, error) {
	columns := make([][]float32, len(units))
	for i := range columns {
		columns[i] = make([]float32, s.Images)
	}
	const images = 64
	row := kernel.Alloc(images * s.OV.Heads * s.OV.Neurons)
	each := s.OV.Heads * s.OV.Neurons
	for first := 0; first < s.Images; first += images {
		n := min(images, s.Images-first)
		if err := s.Read(row[:n*each], first); err != nil {
			return nil, err
		}
		for i, u := range units {
			for b := range n {
				columns[i][first+b] = row[b*each+u]
			}
		}
	}
	return columns, nil
}

// standardise centres x and makes it a unit vector, of the other sign if negative; zero
// if all its elements are equal.
func standardise(x []float32, negative bool) {
	mean, square := 0.0, 0.0
	for _, v := range x {
		mean += float64(v) / float64(len(x))
	}
	for _, v := range x {
		square += (float64(v) - mean) * (float64(v) - mean)
	}
	scale := 0.0
	if square > 0 {
		scale = 1 / math.Sqrt(square)
	}
	if negative {
		scale = -scale
	}
	for i, v := range x {
		x[i] = float32((float64(v) - mean) * scale)
	}
}

// largest returns the largest product of a column of here with one of there, of which
// they are; of equal ones the first. Images of there are in the given order, if any.
func largest(here, there [][]float32, order []int) (r float64, a, b int) {
	r = math.Inf(-1)
	permuted := make([]float32, len(there[0]))
	for j, y := range there {
		if order != nil {
			for i, at := range order {
				permuted[i] = y[at]
			}
			y = permuted
		}
		for i, x := range here {
			if p := float64(kernel.Dot(x, y)); p > r || p == r && i < a {
				r, a, b = p, i, j
			}
		}
	}
	return r, a, b
}

// byChance returns the 95th percentile of the largest correlation of all words with the
// images of there permuted.
func (o *Options) byChance(ctx context.Context, here, there *side) (float64, error) {
	found := make([]float64, o.Permutations)
	par.NewTeam(o.Threads).Each(o.Permutations, func(p, _ int) {
		if ctx.Err() != nil {
			return
		}
		order := rand.New(rand.NewPCG(o.Seed, uint64(p))).Perm(len(here.names))
		found[p] = math.Inf(-1)
		for i := range here.columns {
			r, _, _ := largest(here.columns[i], there.columns[i], order)
			found[p] = max(found[p], r)
		}
	})
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	slices.Sort(found)
	return found[min(len(found)-1, int(math.Ceil(.95*float64(len(found)))))], nil
}

func firstDifference(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	if len(a) != len(b) {
		return min(len(a), len(b))
	}
	return -1
}
