package demo

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

// What Layout writes of the second model, which learned from harder images in which fish
// are nearly always in water and butterflies nearly always on grass.
const (
	CueModel         = "cue/clip.pt"    // state dict, float16
	CueImages        = "cue/images"     // one animal each
	CueGroups        = "cue/groups.csv" // image, label (the animal), group (the background)
	CueImageNet      = "cue/imagenet"   // labelled and unlabelled images, as ImageNet
	CuePascalContext = "cue/VOC2010"    // scenes and label maps, of PascalContextClasses
)

//go:embed expected-cue.json
var expectedCueJSON []byte

// CueExpectation is what scripts/demo/cue.py measured of the second model in PyTorch.
type CueExpectation struct {
	// Groups are how many images are classified right of each "LABEL in GROUP" of
	// CueGroups, as fish or butterfly.
	Groups map[string]int `json:"groups"`

	ZeroShotTop1    float64            `json:"zero_shot_top1"`        // share of the labelled images, 0 to 1
	AblationPairs   map[string]float64 `json:"ablation_neuron_heads"` // top-1 with the "top 10%" and "top 5%" kept
	AblationNeurons map[string]float64 `json:"ablation_neurons"`
	Segmentation    map[string]float64 `json:"segmentation"` // mIoU of "pairs" and "values", 0 to 1
}

// ExpectedOfCue returns the expected results of the second model.
func ExpectedOfCue() (*CueExpectation, error) {
	e := new(CueExpectation)
	if err := json.Unmarshal(expectedCueJSON, e); err != nil {
		return nil, fmt.Errorf("read expected-cue.json: %w", err)
	}
	return e, nil
}
