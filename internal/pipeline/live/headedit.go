package live

import (
	"slices"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/unit"
)

// editLine is the command line that makes the model without the heads; see that of pairs.
func (h *Heads) editLine(off []int, zero bool) (line, note string, err error) {
	if len(off) == 0 || h.o.Edit == nil {
		return "", "", nil
	}
	of, _ := h.ledger.Heads()
	layers := of.HeadLayers()
	e := EditCommand{Model: h.o.ModelPath, By: ByMean, Of: h.from, Data: h.o.Data, Layered: !layers.Separable()}
	if zero {
		e.By = ByZero
	} else if told, err := h.meansTell(); err != nil || !told {
		return "", source.Untold + ": by zero there is a command", err
	}
	for i := len(off) - 1; i >= 0; i-- { // from the last layer on
		if last := len(e.Heads) - 1; last >= 0 && sameLayer(layers, off[i], off[i+1]) {
			e.Heads[last] = slices.Insert(e.Heads[last], 0, layers.Head(off[i]))
		} else {
			e.Heads = append(e.Heads, []string{layers.Head(off[i])})
		}
	}
	if e.Layered {
		note = "this takes the heads out of the weights, for all tokens: later layers see it, so that features differ from those with only what these heads add to them off"
	}
	return h.o.Edit(e), note, nil
}

func sameLayer(layers unit.Layers, a, b int) bool {
	return layers.Heads == 0 || a/layers.Heads == b/layers.Heads
}

// meansTell reports whether means of heads tell edit what these give.
func (h *Heads) meansTell() (told bool, err error) {
	h.once.Do(func() {
		of, _ := h.ledger.Heads()
		var tokens *decomp.Tokens
		if h.model != nil && of.HeadLayers().Heads > 0 {
			if tokens, h.untold = h.model.Tokens(); h.untold != nil {
				return
			}
		}
		h.told = source.MeansTell(of, h.ledger.Means, tokens)
	})
	return h.told, h.untold
}
