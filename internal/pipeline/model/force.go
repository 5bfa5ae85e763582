package model

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/quantity"
)

// WantFor is WantOf of a model that embeds what is compared with features of a collection, of
// outDim dimensions: other weights are used if r takes what was made from something else.
func (m *Model) WantFor(r artefact.Reader, scoresPath string, of origin.Origin, outDim int) error {
	err := cache.OtherWeights(scoresPath, of, m.Origin(), true)
	switch {
	case err == nil:
		return m.WantDetailsOf(scoresPath, of)
	case r.OnMismatch == nil:
		return err
	}
	if err := r.OnMismatch(err); err != nil {
		return err
	}
	if m.Config.OutDim != outDim {
		return fmt.Errorf("%s: features of %s, want the %d of %s", m.Path(), quantity.Of(m.Config.OutDim, "dimension"), outDim, scoresPath)
	}
	return nil
}
