package directions

import (
	"context"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/unit"
)

// factored are contributions as scores and weight products.
type factored struct {
	*artefact.Scores
	neurons bool

	mapped, statistics, block int // bytes: mostMapped, statisticsBytes, blockBytes
}

func factoredScores(s *artefact.Scores, neurons bool) *factored {
	return &factored{s, neurons, mostMapped, statisticsBytes, blockBytes}
}

func (f *factored) images() int                       { return f.Scores.Images }
func (f *factored) outDim() int                       { return f.OV.OutDim }
func (f *factored) close() error                      { return f.Close() }
func (f *factored) rank() int                         { return f.OV.Heads }
func (f *factored) origin(o SVDOptions) origin.Origin { return svdOrigin(o, f.Artefact) }

func (f *factored) units() unit.Layered {
	u := unit.Layered{Shape: unit.Shape{f.OV.Heads, f.OV.Neurons}, Layers: artefact.LayersOf(f.Artefact)}
	if f.neurons {
		u.Shape = u.Shape[1:]
	}
	return u
}

// neuronsPerGroup bounds the directions [H,U,O] that are written out at a time:
// 38 MiB for RN50x16.
const neuronsPerGroup = 256

func (f *factored) solve(ctx context.Context, o SVDOptions, done func(int, *lowrank.Result) error) error {
	if err := f.solveUnchecked(ctx, o, done); err != nil {
		return err
	}
	return f.Unchanged()
}

func (f *factored) solveUnchecked(ctx context.Context, o SVDOptions, done func(int, *lowrank.Result) error) error {
	if f.images() > f.mapped/(4*f.OV.Heads*f.OV.Neurons) {
		if f.neurons {
			return f.streamNeurons(ctx, o, done)
		}
		return f.streamPairs(ctx, o, done)
	}
	data, err := f.View(new([]float32), 0, f.images())
	if err != nil {
		return err
	}
	s := lowrank.Scores{Images: f.images(), Heads: f.OV.Heads, Neurons: f.OV.Neurons, Data: data}
	if f.neurons {
		return f.solveNeurons(ctx, o, s, done)
	}
	return f.solvePairs(ctx, o, s, done)
}

func (f *factored) solvePairs(ctx context.Context, o SVDOptions, s lowrank.Scores, done func(int, *lowrank.Result) error) error {
	H, C, O, team := s.Heads, s.Neurons, f.OV.OutDim, par.NewTeam(o.Threads)
	directions, results := make([]float32, C*O), results{}
	for h := range H {
		if err := ctx.Err(); err != nil {
			return err
		}
		f.OV.Directions(directions, h, 0, C, team)
		r := results.next(C, O, s.Images, o.TopK)
		if err := lowrank.Pairs(r, s, h, directions, f.OV.Bias[h*O:(h+1)*O], o.TopK, team); err != nil {
			return f.name(err, h*C)
		}
		if err := done(h*C, r); err != nil {
			return err
		}
	}
	return nil
}

func (f *factored) solveNeurons(ctx context.Context, o SVDOptions, s lowrank.Scores, done func(int, *lowrank.Result) error) error {
	C, O, team := s.Neurons, f.OV.OutDim, par.NewTeam(o.Threads)
	bias, results := f.biasSum(), results{}
	var buf []float32
	for lo := 0; lo < C; lo += neuronsPerGroup {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(neuronsPerGroup, C-lo)
		directions, r := f.directions(&buf, lo, n, team), results.next(n, O, s.Images, o.TopK)
		if err := lowrank.Neurons(r, s, lo, directions, bias, lowrank.Options{TopK: o.TopK, Index: o.PC}, team); err != nil {
			return f.name(err, lo)
		}
		if err := done(lo, r); err != nil {
			return err
		}
	}
	return nil
}

// directions returns v [H,n,O] of the neurons from lo on, in buf.
func (f *factored) directions(buf *[]float32, lo, n int, team par.Team) []float32 {
	each := n * f.OV.OutDim
	*buf = slices.Grow((*buf)[:0], f.OV.Heads*each)[:f.OV.Heads*each]
	for h := range f.OV.Heads {
		f.OV.Directions((*buf)[h*each:(h+1)*each], h, lo, lo+n, team)
	}
	return *buf
}

// biasSum returns the sum of all heads' b, [O].
func (f *factored) biasSum() []float32 {
	sum := make([]float32, f.OV.OutDim)
	for i, b := range f.OV.Bias {
		sum[i%len(sum)] += b
	}
	return sum
}

// name gives a unit's failure the unit's label.
func (f *factored) name(err error, first int) error {
	return nameUnit(err, f.Path(), first, f.units())
}
