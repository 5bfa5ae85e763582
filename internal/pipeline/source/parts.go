package source

import (
	"context"
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ui"
)

// Parts are the features of a batch taken apart by heads and MLPs.
type Parts struct {
	Images int
	Heads  []float32 // [B,L,H,O]
	MLPs   []float32 // [B,L+1,O]; nil of an attention pool, and where they were not given
	Class  []float32 // [B,L,O]; nil where they were not given

	Layers []float64 // [B,L,O], the sums of each layer's heads
	Rest   []float64 // [B,O], the sum of the MLPs

	of *artefact.FirstOrder
}

// Features writes the sum of all parts, [B,O].
func (p *Parts) Features(dst []float32, _ par.Team) {
	O, L := p.of.OutDim, p.of.Layers
	for i := range dst[:p.Images*O] {
		b, o := i/O, i%O
		sum := p.Rest[i]
		for l := range L {
			sum += p.Layers[(b*L+l)*O+o]
		}
		dst[i] = float32(sum)
	}
}

// AddRest adds nothing: the parts sum to the features.
func (p *Parts) AddRest([]float32) {}

// Ablated panics: the units of an ablation are pairs or neurons.
func (p *Parts) Ablated([]float32, *decomp.Ablation, par.Team) {
	panic("source: pairs of a source of heads and MLPs")
}

// sum fills Layers and Rest.
func (p *Parts) sum(team par.Team) {
	L, H, O := p.of.Layers, p.of.LayerHeads, p.of.OutDim
	team.For(p.Images*L, func(lo, hi, _ int) {
		for l := lo; l < hi; l++ {
			sumRows(p.Layers[l*O:(l+1)*O], p.Heads[l*H*O:(l+1)*H*O])
		}
	})
	for b := range p.Images {
		rest := p.Rest[b*O : (b+1)*O]
		if p.MLPs == nil {
			clear(rest)
			continue
		}
		sumRows(rest, p.MLPs[b*(L+1)*O:(b+1)*(L+1)*O])
	}
}

// sumRows writes the sum of rows [n,O] to dst [O].
func sumRows(dst []float64, rows []float32) {
	clear(dst)
	for i, x := range rows {
		dst[i%len(dst)] += float64(x)
	}
}

// partsReader reads features taken apart.
type partsReader struct {
	*artefact.FirstOrder
	names  []string
	labels []int // nil: no labels
	team   par.Team
}

// partsBytes bounds what a batch of parts takes.
const partsBytes = 64 << 20

func openParts(ctx context.Context, o Options, threads int, say ui.Reporter) (*Source, error) {
	f, err := o.Artefacts.FirstOrder(o.ScoresPath, o.Parts)
	if err != nil {
		return nil, err
	}
	r := &partsReader{FirstOrder: f, team: par.NewTeam(threads)}
	if err := r.name(ctx, o, say); err != nil {
		f.Close()
		return nil, err
	}
	src := &Source{
		Images: f.Images, Heads: f.Layers * f.LayerHeads, OutDim: f.OutDim, Origin: artefact.DerivedFrom(f.Heads.Artefact),
		Labelled: r.labels != nil, Names: r.names, FirstOrder: f, reader: r,
	}
	return src, nil
}

// name finds the names and labels of the images.
func (r *partsReader) name(ctx context.Context, o Options, say ui.Reporter) (err error) {
	r.names, err = r.Names()
	switch {
	case err != nil:
		return err
	case r.names == nil && o.Data.Path != "":
		r.names, r.labels, err = denseLabels(ctx, o, r.Heads.Path, r.Images, r.Heads.Artefact)
	case o.Data.Path != "":
		r.labels, err = dataLabels(ctx, o, r.names, r.Heads.Artefact, say)
	}
	for i := len(r.names); i < r.Images && err == nil; i++ {
		r.names = append(r.names, fmt.Sprintf("image %d", i))
	}
	return err
}

func (r *partsReader) each(ctx context.Context, _ *Source, do func(Batch) error) error {
	L, O := r.Layers, r.OutDim
	batch := max(1, min(r.Images, partsBytes/(4*(r.Heads.Each()+(3*L+2)*O))))
	p := &Parts{of: r.FirstOrder, Layers: make([]float64, batch*L*O), Rest: make([]float64, batch*O), Heads: make([]float32, batch*r.Heads.Each())}
	if r.MLPs != nil {
		p.MLPs = make([]float32, batch*r.MLPs.Each())
	}
	if r.Class != nil {
		p.Class = make([]float32, batch*r.Class.Each())
	}
	for lo := 0; lo < r.Images; lo += batch {
		if err := ctx.Err(); err != nil {
			return err
		}
		p.Images = min(batch, r.Images-lo)
		if err := r.Heads.Read(p.Heads, lo, p.Images, 0, r.Heads.Each()); err != nil {
			return err
		}
		if r.MLPs != nil {
			if err := r.MLPs.Read(p.MLPs, lo, p.Images, 0, r.MLPs.Each()); err != nil {
				return err
			}
		}
		if r.Class != nil {
			if err := r.Class.Read(p.Class, lo, p.Images, 0, r.Class.Each()); err != nil {
				return err
			}
		}
		p.sum(r.team)
		b := Batch{Contributions: p, Parts: p, Names: r.names[lo : lo+p.Images]}
		if r.labels != nil {
			b.Labels = r.labels[lo : lo+p.Images]
		}
		if err := do(b); err != nil {
			return err
		}
	}
	return nil
}

func (r *partsReader) close() error { return r.Close() }
