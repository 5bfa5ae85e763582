package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
)

// ranking finds the strongest pictures of units while it sees one picture after
// the other. Its memory does not grow with their number, but for their names.
type ranking struct {
	src   *source
	asked []askedNeuron
	first []int                 // of each neuron's units; the neuron itself comes before its pairs
	norms []*decomp.NeuronNorms // nil where contributions are written out
	keep  int
	team  par.Team

	top   lowrank.Tail
	names []string // of the pictures seen
	seen  int
}

func newRanking(src *source, asked []askedNeuron, keep, threads int) *ranking {
	r := &ranking{src: src, asked: asked, keep: keep, team: par.NewTeam(threads)}
	units := 0
	for _, a := range asked {
		r.first = append(r.first, units)
		units += 1 + len(a.heads)
		if src.pool != nil {
			r.norms = append(r.norms, src.pool.NeuronNorms(a.index, r.team))
		}
	}
	r.top = lowrank.NewTail(units, keep)
	return r
}

// run looks at all pictures.
func (r *ranking) run(ctx context.Context, say ui.Reporter) error {
	progress := say.Progress()
	progress.Start(int64(r.src.images), ui.Images, "retrieve")
	defer progress.Done()
	err := r.src.each(ctx, func(b batch) error {
		if err := r.add(b); err != nil {
			return err
		}
		progress.Add(int64(len(b.names)))
		return nil
	})
	if err == nil && r.seen == 0 {
		err = fmt.Errorf("none of %s could be read", ui.Images.Count(int64(r.src.images)))
	}
	return err
}

// add looks at a batch of pictures.
func (r *ranking) add(b batch) error {
	failed := make([]error, len(r.asked))
	r.team.For(len(r.asked), func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			failed[i] = r.addNeuron(i, b)
		}
	})
	r.names = append(r.names, b.names...)
	r.seen += len(b.names)
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

// addNeuron puts the norms of the i-th neuron and its pairs in their places.
func (r *ranking) addNeuron(i int, b batch) error {
	for at, name := range b.names {
		for j, norm := range r.normsOf(i, b, at) {
			if norm-norm != 0 {
				label := unit.Neuron(r.asked[i].index)
				if j > 0 {
					label = unit.Pair(r.asked[i].heads[j-1]*r.src.neurons+r.asked[i].index, r.src.neurons)
				}
				return fmt.Errorf("%s: the norm of %s is %g, want a finite one", name, label, norm)
			}
			r.top.Insert(r.first[i]+j, r.keep, r.seen+at, r.seen+at, float32(norm))
		}
	}
	return nil
}

// normsOf returns the norms of the i-th neuron and then of its pairs on the at-th
// picture of a batch.
func (r *ranking) normsOf(i int, b batch, at int) []float64 {
	asked, H, C, O := r.asked[i], r.src.heads, r.src.neurons, r.src.outDim
	norms := make([]float64, 0, 1+len(asked.heads))
	if b.dense != nil { // of one picture
		of := func(h int) []float32 { return b.dense[(h*C+asked.index)*O:][:O] }
		sum := make([]float32, O)
		for h := range max(H, 1) {
			for o, x := range of(h) {
				sum[o] += x
			}
		}
		norms = append(norms, decomp.Norm(sum))
		for _, h := range asked.heads {
			norms = append(norms, decomp.Norm(of(h)))
		}
		return norms
	}
	scores := make([]float32, H)
	for h := range scores {
		scores[h] = b.scores[(at*H+h)*C+asked.index]
	}
	norms = append(norms, r.norms[i].Sum(scores))
	for _, h := range asked.heads {
		norms = append(norms, r.norms[i].Pair(h, scores[h]))
	}
	return norms
}

// result lists what was found. Pairs come in the order of their largest norm,
// equal ones in that of their heads.
func (r *ranking) result() []RetrievedNeuron {
	all := make([]RetrievedNeuron, len(r.asked))
	for i, a := range r.asked {
		n := RetrievedNeuron{Neuron: unit.Neuron(a.index), index: a.index}
		n.Units = append(n.Units, r.unit(r.first[i], n.Neuron, wholeNeuron))
		for j, h := range a.heads {
			n.Units = append(n.Units, r.unit(r.first[i]+1+j, unit.Pair(h*r.src.neurons+a.index, r.src.neurons), h))
		}
		slices.SortStableFunc(n.Units[1:], func(a, b RetrievedUnit) int { return cmp.Compare(b.Top[0].Norm, a.Top[0].Norm) })
		all[i] = n
	}
	return all
}

func (r *ranking) unit(u int, name string, head int) RetrievedUnit {
	unit := RetrievedUnit{Unit: name, head: head}
	for rank := range min(r.keep, r.seen) {
		at := u*r.keep + rank
		image := int(r.top.Images[at])
		unit.Top = append(unit.Top, Retrieved{Rank: rank, Image: image, Name: r.names[image], Norm: r.top.Scores[at]})
	}
	return unit
}
