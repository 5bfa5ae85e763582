package coding

import (
	"context"
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/describe"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/usage"
)

// spread is how neurons' contributions vary over the images that their components
// were computed from.
type spread struct {
	scores      *artefact.Scores
	covariances *describe.Covariances
}

// openSpread opens the scores of c.CollectPath.
func openSpread(c *Coding) (*spread, error) {
	if c.CollectPath == "" {
		return nil, usage.Errorf("method textspan of neurons explains the variance of their contributions, want {svd-scores}, the scores that the components were computed from")
	}
	s, err := c.Artefacts.Scores(c.CollectPath, artefact.Of(artefact.OriginOf(c.PCs.Artefact)))
	if err != nil {
		return nil, err
	}
	err = c.contributions(s)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &spread{scores: s, covariances: describe.NewCovariances(s.OV.Heads, s.OV.Neurons)}, nil
}

// contributions returns an error unless the components were computed from scores, as
// far as they say.
func (c *Coding) contributions(s *artefact.Scores) error {
	if s.OV.Neurons != c.PCs.Units.Neurons() || s.OV.OutDim != c.PCs.OutDim {
		return fmt.Errorf("%s: scores of %s, %s, but %s has components of shape %s", c.CollectPath, quantity.Of(s.OV.Neurons, "neuron"), quantity.Of(s.OV.OutDim, "dimension"),
			c.PCsPath, npy.ShapeString([]int{c.PCs.Units.Neurons(), c.PCs.OutDim}))
	}
	if artefact.OriginOf(c.PCs.Artefact).Parents["contributions"] == "" {
		return nil
	}
	return c.Artefacts.Check(c.PCs.Artefact, artefact.Facts{}.Parent("contributions", s.Hash()))
}

// read sums up the scores of all images.
func (s *spread) read(ctx context.Context, team par.Team) error {
	return s.scores.EachRows(ctx, team, func(_ int, rows []float32) error {
		s.covariances.Add(rows, team)
		return nil
	})
}

// factors returns those of neurons' covariances, [units,H,O].
func (s *spread) factors(neurons []int) []float32 {
	p := s.scores.OV
	each := p.Heads * p.OutDim
	all, directions := make([]float32, len(neurons)*each), make([]float32, each)
	for i, n := range neurons {
		for h := range p.Heads {
			p.Directions(directions[h*p.OutDim:], h, n, n+1, par.Team{})
		}
		s.covariances.Factor(all[i*each:(i+1)*each], n, directions)
	}
	return all
}
