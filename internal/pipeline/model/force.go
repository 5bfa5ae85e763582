package model

import (
	"fmt"
	"strconv"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/quantity"
)

// WantFor is WantOf of a model that embeds what is compared with features of a collection, of
// outDim dimensions: other weights are used if r takes what was made from something else.
func (m *Model) WantFor(r artefact.Reader, scoresPath string, of origin.Origin, outDim int) error {
	if r.OnMismatch == nil || of.Weights == "" || of.SameWeights(m.Origin()) {
		return m.WantOf(scoresPath, of)
	}
	err := r.OnMismatch(&cache.MismatchError{Path: scoresPath, Asked: true, Differences: []cache.Difference{
		{Field: "origin.weights_sha256", Made: strconv.Quote(of.Weights), This: strconv.Quote(m.Origin().Weights)},
	}})
	if err == nil && m.Config.OutDim != outDim {
		err = fmt.Errorf("%s: features of %s, want the %d of %s", m.Path(), quantity.Of(m.Config.OutDim, "dimension"), outDim, scoresPath)
	}
	return err
}
