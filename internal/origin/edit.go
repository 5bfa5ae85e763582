package origin

import "slices"

// Edit is what the pairs of a checkpoint were edited with.
type Edit struct {
	By      string `json:"by"`                // what takes the place of what a pair loses: "mean" or "zero"
	Pairs   int    `json:"pairs"`             // whose factor is not 1
	Heads   int    `json:"heads,omitempty"`   // of a layer of a vision transformer, whose factor is not 1, in place of pairs
	Neurons int    `json:"neurons,omitempty"` // of the last layer, which are in no pair, whose factor is not 1
	Units   string `json:"units"`             // with their factors, "n17=0 h3n149=0.5"; empty if they need more than MaxTextList bytes
	Factors string `json:"factors_sha256"`    // of the factors of all pairs, [H,C] float64, of the heads of the layer, [H], or of the neurons of the last layer, [C]
	K       int    `json:"k"`                 // pairs of each text; 0 without texts
	Invert  bool   `json:"invert_mask"`       // units that the mask keeps were removed

	// Activation is that of a ResNet's text tower where it is not quick_gelu, which is left
	// out. That of a vision transformer is in Transformer.
	Activation string `json:"activation,omitempty"`
	// Guessed says which of the activation and the heads nothing told; left out of others.
	Guessed []string `json:"guessed,omitempty"`
	// Images is how they are prepared for the model; nil where that is as for CLIP and nothing
	// says otherwise.
	Images *Form `json:"images,omitempty"`
}

// What Edit.Guessed names.
const (
	GuessedActivation = "activation"
	GuessedHeads      = "heads"
)

// EditStep is one of several edits that a checkpoint has gone through.
type EditStep struct {
	Weights string   `json:"weights_sha256"` // before it, of the file
	By      string   `json:"by"`
	Pairs   int      `json:"pairs"`
	Heads   int      `json:"heads,omitempty"`
	Neurons int      `json:"neurons,omitempty"` // of the last layer of a vision transformer
	Units   string   `json:"units"`
	Texts   []string `json:"texts"` // whose pairs were removed
}

// EditSteps are the edits of a checkpoint, the first one first: those before, and its own.
// Those whose units and texts would take more than MaxTextList bytes together with those of
// the later ones have none.
func (o Origin) EditSteps() []EditStep {
	if o.Edit == nil {
		return nil
	}
	own := EditStep{Weights: o.Weights, By: o.Edit.By, Pairs: o.Edit.Pairs, Heads: o.Edit.Heads, Neurons: o.Edit.Neurons, Units: o.Edit.Units, Texts: append([]string{}, o.TextList...)}
	steps := append(slices.Clone(o.EarlierEdits), own)
	taken := 0
	for i := len(steps) - 1; i >= 0; i-- {
		s := &steps[i]
		taken += len(s.Units)
		for _, t := range s.Texts {
			taken += len(t)
		}
		if taken > MaxTextList {
			s.Units, s.Texts = "", []string{}
		}
	}
	return steps
}
