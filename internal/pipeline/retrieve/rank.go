package retrieve

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

// ranker finds the strongest images of units while it sees one image after
// the other. Its memory does not grow with their number, but for their names.
type ranker struct {
	src   *source.Source
	asked []askedNeuron
	first []int                 // of each neuron's units; the neuron itself comes before its pairs
	norms []*decomp.NeuronNorms // nil where contributions are written out
	keep  int
	team  par.Team

	// normsOf returns the norms of the i-th neuron and then of its pairs on the
	// at-th image of a batch.
	normsOf func(i int, b source.Batch, at int) []float64

	top   lowrank.Tail
	names []string // of the images seen
	seen  int
}

func newRanking(src *source.Source, asked []askedNeuron, keep, threads int) *ranker {
	keep = max(min(keep, src.Images), 1)
	r := &ranker{src: src, asked: asked, keep: keep, team: par.NewTeam(threads)}
	units := 0
	for _, a := range asked {
		r.first = append(r.first, units)
		units += 1 + len(a.heads)
		if src.OV != nil {
			r.norms = append(r.norms, src.OV.NeuronNorms(a.index, r.team))
		}
	}
	r.top = lowrank.NewTail(units, keep)
	if r.normsOf = r.factoredNorms; src.OV == nil {
		r.normsOf = r.denseNorms
	}
	return r
}

// run looks at all images.
func (r *ranker) run(ctx context.Context, say ui.Reporter) error {
	progress := say.Progress()
	progress.Start(int64(r.src.Images), ui.Images, "retrieve")
	defer progress.Done()
	err := r.src.Each(ctx, func(b source.Batch) error {
		if err := r.add(b); err != nil {
			return err
		}
		progress.Add(int64(len(b.Names)))
		return nil
	})
	if err == nil && r.seen == 0 {
		err = fmt.Errorf("none of %s could be read", ui.Images.Count(int64(r.src.Images)))
	}
	return err
}

// add looks at a batch of images.
func (r *ranker) add(b source.Batch) error {
	failed := make([]error, len(r.asked))
	r.team.For(len(r.asked), func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			failed[i] = r.addNeuron(i, b)
		}
	})
	r.names = append(r.names, b.Names...)
	r.seen += len(b.Names)
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

// addNeuron puts the norms of the i-th neuron and its pairs in their places.
func (r *ranker) addNeuron(i int, b source.Batch) error {
	for at, name := range b.Names {
		for j, norm := range r.normsOf(i, b, at) {
			if norm-norm != 0 {
				label := r.src.NeuronUnits().Name(r.asked[i].index)
				if j > 0 {
					label = r.src.Units().Name(r.asked[i].heads[j-1]*r.src.Neurons + r.asked[i].index)
				}
				return fmt.Errorf("%s: the norm of %s is %g, want a finite one", name, label, norm)
			}
			r.top.Insert(r.first[i]+j, r.keep, r.seen+at, r.seen+at, float32(norm))
		}
	}
	return nil
}

// denseNorms are those of contributions that are written out, of one image.
func (r *ranker) denseNorms(i int, b source.Batch, _ int) []float64 {
	asked, H, C, O := r.asked[i], r.src.Heads, r.src.Neurons, r.src.OutDim
	row := func(h int) []float32 { return b.Dense[(h*C+asked.index)*O:][:O] }
	sum := make([]float32, O)
	for h := range max(H, 1) {
		for o, x := range row(h) {
			sum[o] += x
		}
	}
	norms := append(make([]float64, 0, 1+len(asked.heads)), decomp.Norm(sum))
	for _, h := range asked.heads {
		norms = append(norms, decomp.Norm(row(h)))
	}
	return norms
}

// factoredNorms are those of scores.
func (r *ranker) factoredNorms(i int, b source.Batch, at int) []float64 {
	asked, H, C := r.asked[i], r.src.Heads, r.src.Neurons
	scores := make([]float32, H)
	for h := range scores {
		scores[h] = b.Scores[(at*H+h)*C+asked.index]
	}
	norms := append(make([]float64, 0, 1+len(asked.heads)), r.norms[i].Sum(scores))
	for _, h := range asked.heads {
		norms = append(norms, r.norms[i].Pair(h, scores[h]))
	}
	return norms
}

// result lists what was found. Pairs come in the order of their largest norm,
// equal ones in that of their heads.
func (r *ranker) result() []Neuron {
	all := make([]Neuron, len(r.asked))
	for i, a := range r.asked {
		n := Neuron{Neuron: r.src.NeuronUnits().Name(a.index), index: a.index}
		n.Units = append(n.Units, r.unit(r.first[i], n.Neuron, wholeNeuron))
		for j, h := range a.heads {
			n.Units = append(n.Units, r.unit(r.first[i]+1+j, r.src.Units().Name(h*r.src.Neurons+a.index), h))
		}
		slices.SortStableFunc(n.Units[1:], func(a, b Unit) int { return cmp.Compare(b.Top[0].Norm, a.Top[0].Norm) })
		all[i] = n
	}
	return all
}

func (r *ranker) unit(u int, name string, head int) Unit {
	unit := Unit{Unit: name, head: head}
	for rank := range min(r.keep, r.seen) {
		at := u*r.keep + rank
		image := int(r.top.Images[at])
		unit.Top = append(unit.Top, Hit{Rank: rank + 1, Image: image, Name: r.names[image], Norm: r.top.Scores[at]})
	}
	return unit
}
