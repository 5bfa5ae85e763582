package heat

import (
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
)

// A Locator computes patch logits of windows, as Mapper and TokenMapper do.
type Locator interface {
	// Logits writes them to dst, [P,T-1] for each of the methods, in their order.
	Logits(dst [][]float32, w *Window, team par.Team)
}

// Weights are what locations are compared with texts by: what heads read of tokens, where
// there is that, or an attention pool.
type Weights struct {
	OV     *decomp.OV
	Tokens *decomp.Tokens
	Heads  PairHeads // of Tokens
}

// NewLocator prepares the methods for unit vectors text [P,O]. pairs may be nil if no method
// uses them.
func NewLocator(by Weights, text []float32, pairs *Pairs, o Options, team par.Team) Locator {
	if by.Tokens != nil {
		return NewTokenMapper(by.Tokens, text, pairs, by.Heads, o, team)
	}
	return NewMapper(by.OV, text, pairs, o, team)
}
