package source

import (
	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/decomp"
)

// MeansTell reports whether means [L,H,O] of what heads of layers add tell edit what these give,
// as far as weights are known: of what heads are kept as, or tokens, which may be nil.
func MeansTell(f *artefact.FirstOrder, means []float64, tokens *decomp.Tokens) bool {
	if factors, ok := f.Heads.Factors(); ok {
		tokens = factors.Tokens(f.LayerHeads)
	}
	if tokens == nil {
		return true // edit says it
	}
	var own []float32
	if o := artefact.OriginOf(f.Heads.Artefact); o.Collect != nil && o.Collect.Form != "" { // edit gets means of another form
		own = tokens.NoReads(f.LayerHeads)
	} else {
		for _, x := range means {
			own = append(own, float32(x))
		}
	}
	_, ok := tokens.HeadOutputs(own, f.LayerHeads)
	return ok
}

// Untold is what is said where means of heads do not tell what they give.
const Untold = "means of heads do not tell what these give, as features have too few dimensions or attention has no bias"
