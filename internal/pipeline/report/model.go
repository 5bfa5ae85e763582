package report

import (
	"context"
	"fmt"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/usage"
)

// openModel opens the model that maps are computed with, which must be the one that the
// scores were collected with.
func (in *inputs) openModel(ctx context.Context) error {
	if in.Model == "" {
		return nil
	}
	if err := in.wantMaps(); err != nil {
		return err
	}
	m, err := model.OpenPairsOf(ctx, in.Model, in.Details, in.ScoresPath, in.from)
	if err != nil {
		return err
	}
	in.model = m
	m.Tell(in.say)
	if err := m.WantOf(in.ScoresPath, in.from); err != nil {
		return err
	}
	pairs, err := m.PairsOf(in.from)
	if err != nil {
		return err
	}
	if c, ov := m.Config, in.scores.OV; pairs.Neurons != ov.Neurons || pairs.Heads != ov.Heads || c.OutDim != ov.OutDim {
		return fmt.Errorf("%s: %s, %s and %s, want those of %s, %d, %d and %d", in.Model, quantity.Of(pairs.Heads, "head"), quantity.Of(pairs.Neurons, "neuron"), quantity.Of(c.OutDim, "dimension"), in.ScoresPath, ov.Heads, ov.Neurons, ov.OutDim)
	}
	in.note(m)
	return nil
}

// wantMaps returns an error unless the scores are those that the tower's own maps belong to,
// and there are images.
func (in *inputs) wantMaps() error {
	switch {
	case in.data == nil:
		return usage.Errorf("{model} is for maps of images: want {data-path} too")
	case in.from.Block != "" && in.from.Block != origin.LastBlock:
		err := fmt.Errorf("%s: %w: made with block %s, but maps are of the last block", in.ScoresPath, cache.ErrStale, in.from.Block)
		return hint.With(err, "leave out {model}: the report then has no maps")
	}
	return nil
}
