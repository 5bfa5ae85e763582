package directions

import (
	"context"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/unit"
)

// summed are contributions of which statistics were kept.
type summed struct{ *artefact.Statistics }

func (s *summed) images() int { return s.Images }
func (s *summed) outDim() int { return s.OV.OutDim }
func (s *summed) rank() int   { return 1 }
func (s *summed) units() unit.Layered {
	return unit.Layered{Shape: unit.Shape{s.OV.Heads, s.OV.Neurons}}
}
func (s *summed) origin(o SVDOptions) origin.Origin { return svdOrigin(o, s.Artefact) }
func (s *summed) close() error                      { return nil }

func (s *summed) solve(ctx context.Context, o SVDOptions, done func(int, *lowrank.Result) error) error {
	if err := s.WantTop("{top-k-pca}", o.TopK); err != nil {
		return err
	}
	H, C, O, team := s.OV.Heads, s.OV.Neurons, s.OV.OutDim, par.NewTeam(o.Threads)
	directions, results := make([]float32, C*O), results{}
	for h := range H {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.OV.Directions(directions, h, 0, C, team)
		r := results.next(C, O, s.Images, o.TopK)
		if err := s.PairsOf(r, h, directions, s.OV.Bias[h*O:(h+1)*O], o.TopK, team); err != nil {
			return nameUnit(err, s.Path(), h*C, s.units())
		}
		if err := done(h*C, r); err != nil {
			return err
		}
	}
	return nil
}
