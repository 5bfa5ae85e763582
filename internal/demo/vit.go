package demo

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

// What Layout writes of the vision transformer, which learned from the drawings that the
// first model learned from, and has its text tower.
const (
	ViTModel = "tiny-vit.pt" // TorchScript archive like OpenAI's
	ViTHeads = 2             // of each layer
	ViTLayer = 1             // of the neurons whose pairs are looked at, of 4 layers from 0
)

//go:embed expected-vit.json
var expectedViTJSON []byte

// ViTExpectation is what scripts/demo/evaluate_vit.py measured of the vision transformer in
// PyTorch, on the weights of ViTModel. Accuracies are shares of imagenet/val, 0 to 1.
type ViTExpectation struct {
	ZeroShotTop1 float64 `json:"zero_shot_top1"`

	// Scores are those of some pairs, by path of the image and name of the pair; values
	// are rounded to 4 decimals.
	Scores map[string]map[string]float64 `json:"scores"`

	// TopPairs are the pairs of largest score, descending, as Expectation.Golden has them.
	TopPairs []struct {
		Unit  string  `json:"unit"`
		Score float64 `json:"score"`
	} `json:"top_pairs_by_norm"`

	// Ablation of contributions summed over heads: "all" at their means, the
	// "significant" ones or the "insignificant" ones.
	Ablation map[string]float64 `json:"ablation"`

	// Reconstruction of these from "pc0", or from their codes of "4 words" and so on.
	Reconstruction map[string]float64 `json:"reconstruction"`

	// Agreement of pairs of the first model and of this one on words; see package
	// agreement.
	Agreement struct {
		Words    map[string]Agreed `json:"words"`
		ByChance float64           `json:"by_chance"`
	} `json:"agreement"`
}

// Agreed is the two pairs that agree most on a word.
type Agreed struct {
	Here        string  `json:"here"`  // of the first model
	There       string  `json:"there"` // of the vision transformer
	Correlation float64 `json:"correlation"`
}

// ExpectedOfViT returns the expected results of the vision transformer.
func ExpectedOfViT() (*ViTExpectation, error) {
	e := new(ViTExpectation)
	if err := json.Unmarshal(expectedViTJSON, e); err != nil {
		return nil, fmt.Errorf("read expected-vit.json: %w", err)
	}
	return e, nil
}
