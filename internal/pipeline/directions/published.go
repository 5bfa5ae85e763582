package directions

import (
	"context"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/unit"
)

// published are contributions in the published form. What pairs of a head share depends on the
// image, so that those of a pair have no closed form: they are written out, for some units at a
// time, and have the bytes that a dense file of them has.
type published struct {
	*artefact.Published
	neurons bool
}

func (p *published) images() int                       { return p.Images }
func (p *published) outDim() int                       { return p.OV.OutDim }
func (p *published) rank() int                         { return min(p.Images, p.OV.OutDim) }
func (p *published) origin(o SVDOptions) origin.Origin { return svdOrigin(o, p.Artefact) }
func (p *published) close() error                      { return p.Close() }

func (p *published) units() unit.Layered {
	u := unit.Layered{Shape: unit.Shape{p.OV.Heads, p.OV.Neurons}, Layers: artefact.LayersOf(p.Artefact)}
	if p.neurons {
		u.Shape = u.Shape[1:]
	}
	return u
}

func (p *published) solve(ctx context.Context, o SVDOptions, done func(int, *lowrank.Result) error) error {
	heads, at := p.OV.Heads, 0 // that are summed, and the first of them
	if !p.neurons {
		heads = 1
	}
	results := results{}
	for ; at < p.OV.Heads; at += heads {
		if err := p.solveHeads(ctx, o, at, heads, &results, done); err != nil {
			return err
		}
	}
	return p.Unchanged()
}

// solveHeads solves the units of all neurons in some heads, which are summed.
func (p *published) solveHeads(ctx context.Context, o SVDOptions, head, heads int, results *results, done func(int, *lowrank.Result) error) error {
	B, C, O, team := p.Images, p.OV.Neurons, p.OV.OutDim, par.NewTeam(o.Threads)
	group := max(1, min(C, denseBytes/(4*max(B, heads)*O)))
	rows, directions := make([]float32, B*group*O), make([]float32, heads*group*O)
	scores, common := make([]float32, heads*group), make([]float32, heads*O)
	for lo := 0; lo < C; lo += group {
		n := min(group, C-lo)
		for h := range heads {
			p.OV.Directions(directions[h*n*O:(h+1)*n*O], head+h, lo, lo+n, team)
		}
		for b := range B {
			if err := ctx.Err(); err != nil {
				return err
			}
			for h := range heads {
				if err := p.Read(scores[h*n:(h+1)*n], common[h*O:(h+1)*O], b, head+h, lo); err != nil {
					return err
				}
			}
			dst := rows[b*n*O : (b+1)*n*O]
			if p.neurons {
				decomp.PublishedNeuronContributions(dst, scores[:heads*n], directions, common, heads, team)
			} else {
				decomp.PublishedContributions(dst, scores[:n], directions, common, team)
			}
		}
		r := results.next(n, O, B, o.TopK)
		if err := lowrank.Dense(r, rows[:B*n*O], B, lowrank.Options{TopK: o.TopK, Index: o.PC}, team); err != nil {
			return nameUnit(err, p.Path(), head*C+lo, p.units())
		}
		if err := done(head*C+lo, r); err != nil {
			return err
		}
	}
	return nil
}
