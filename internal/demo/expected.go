package demo

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed expected.json
var expectedJSON []byte

// Expectation is the part of expected.json for embed, collect, svd, ablate,
// reconstruct, segment and shift. scripts/demo/evaluate.py measured it on the
// model's weights with every floating tensor in fp16. Embeddings are rounded to 4
// decimals, normalised ones to 5.
type Expectation struct {
	ZeroShotTop1 float64 `json:"zero_shot_top1"` // share of imagenet/val, 0..1

	// Top-1 accuracy on imagenet/val when only the strongest pairs, or neurons, keep
	// their contributions and the others are replaced by their mean on imagenet/test.
	// Keys are "top 20%", "top 10%", "top 5%", "top 2%" and "top 1%".
	AblationPairs   map[string]float64 `json:"ablation_neuron_heads"`
	AblationNeurons map[string]float64 `json:"ablation_neurons"`

	// The same with features reconstructed from PC0.
	Reconstruction struct {
		Pairs   float64 `json:"neuron_heads"`
		Neurons float64 `json:"neurons"`
	} `json:"reconstruction_pc0"`

	// Segmentation of the scenes, last location unchanged. Images were resized with
	// Pillow's bilinear filter.
	Segmentation struct {
		Chosen struct {
			K     int `json:"k"`     // pairs of each class
			Short int `json:"short"` // shorter side, in pixels
			Block int `json:"block"` // block of the last stage whose maps are used
		} `json:"chosen"`
		// By method: "values_only", "self_self", and for the chosen k "product k=100",
		// "head_only k=100" and "neuron_only k=100" with the first word of each class;
		// then with every word.
		Measured map[string]Segmented `json:"measured chosen"`
		Synonyms map[string]Segmented `json:"measured synonyms"`
	} `json:"segmentation"`

	// Shift is the correlation of concepts' ratios with their labels on the cars, by
	// concept and number of pairs, such as "yellow k=5"; see ShiftOf.
	Shift map[string]ShiftValues `json:"shift"`

	Golden struct {
		Texts  map[string]TextValues  `json:"texts"`
		Images map[string]ImageValues `json:"images"` // by path relative to Layout's folder

		// ClassEmbeddings are by class name: the mean over the templates of the
		// normalised embeddings, normalised again, [O].
		ClassEmbeddings map[string][]float32 `json:"class_embedding"`

		// TopPairs are the pairs of largest score, descending: Score is the
		// mean over the 50 largest of |s - mean(s)|, times |v|, on
		// imagenet/test.
		TopPairs []Pair `json:"top_pairs_by_norm"`

		// The pairs whose PC0, from imagenet/test, is nearest to a word's class
		// embedding, descending by Cosine.
		TopPairsForYellow      []Pair `json:"top_pairs_for_yellow"`
		TopPairsForConvertible []Pair `json:"top_pairs_for_convertible"`
	} `json:"golden"`
}

// Segmented holds the scores of a segmentation method, 0 to 1.
type Segmented struct {
	MIoU          float64 `json:"mIoU"`
	PixelAccuracy float64 `json:"pixel_acc"`
}

// SegmentedBy returns the expected scores of a method, given by the program's name
// for it, with the first word of each class.
func (e *Expectation) SegmentedBy(method string) (Segmented, bool) {
	name := map[string]string{
		"pairs": fmt.Sprintf("product k=%d", e.Segmentation.Chosen.K), "heads": fmt.Sprintf("head_only k=%d", e.Segmentation.Chosen.K),
		"neurons": fmt.Sprintf("neuron_only k=%d", e.Segmentation.Chosen.K), "values": "values_only", "self-self": "self_self",
	}[method]
	s, ok := e.Segmentation.Measured[name]
	return s, ok
}

// ShiftValues are the correlations of a concept's ratio with its label.
type ShiftValues struct {
	R      float64 `json:"point_biserial"` // over images
	P      float64 `json:"p_value"`        // 0 below 1e-323
	Yearly float64 `json:"yearly_pearson"` // of the years' means and shares
}

// ShiftOf returns the expected values for a concept's k closest pairs, with the
// text not centred.
func (e *Expectation) ShiftOf(concept string, k int) (ShiftValues, bool) {
	v, ok := e.Shift[fmt.Sprintf("%s k=%d", concept, k)]
	return v, ok
}

// TextValues are the results of the tokenizer and the text tower for a text.
type TextValues struct {
	Tokens    []int     `json:"tokens"`    // with the start and end tokens
	Embedding []float32 `json:"embedding"` // [O], not normalised
}

// ImageValues are the results of the image tower for an image.
type ImageValues struct {
	Embedding []float32 `json:"embedding"` // [O], not normalised
}

// Pair is a neuron-head pair with the value that it is ranked by.
type Pair struct {
	Neuron int     `json:"neuron"`
	Head   int     `json:"head"`
	Score  float64 `json:"score"`  // in TopPairs
	Cosine float64 `json:"cosine"` // in the other lists
}

// Expected returns the expected results of the demo.
func Expected() (*Expectation, error) {
	e := new(Expectation)
	if err := json.Unmarshal(expectedJSON, e); err != nil {
		return nil, fmt.Errorf("read expected.json: %w", err)
	}
	return e, nil
}
