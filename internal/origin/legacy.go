package origin

import (
	"fmt"
	"strconv"
	"strings"
)

// Legacy is an origin as manifests of versions 1 and 2 have it: fields that are
// zero are left out, and what a stage was told is a map of optional keys. It is
// read and never written.
type Legacy struct {
	Model         string            `json:"model,omitempty"`
	Weights       string            `json:"weights_sha256,omitempty"`
	Dataset       string            `json:"dataset,omitempty"`
	Images        string            `json:"images_sha256,omitempty"`
	Stride        int               `json:"sample_stride,omitempty"`
	Preprocessing string            `json:"preprocessing,omitempty"`
	Mode          string            `json:"mode,omitempty"`
	Parameters    map[string]any    `json:"parameters,omitempty"`
	Parents       map[string]string `json:"parents,omitempty"`
}

// Origin returns what l means for an artefact of a kind. What l leaves out has
// these defaults:
//
//	precision       float32 of what was made from images; else not known
//	block           the last, of a collection; else not known
//	preprocess      ConvertFirst, of what was made from images
//	exif, mean, expand  false
//	numbers         0
//
// Keys of the map that no stage has ever written are passed over.
func (l Legacy) Origin(kind string) Origin {
	kind = strings.TrimPrefix(kind, "shard of ")
	p := legacyParameters(l.Parameters)
	o := Origin{Model: l.Model, Weights: l.Weights, Mode: l.Mode, Parents: map[string]string{}, Files: map[string]string{}}
	for role, hash := range l.Parents {
		o.Parents[legacyRole(role)] = hash
	}
	for _, role := range []string{"directions", "embeddings"} {
		if sum := p.text(role + "_sha256"); sum != "" {
			o.Files[legacyRole(role)] = sum
		}
	}
	if l.Images != "" || l.Dataset != "" {
		o.Images = &Images{
			Dataset: l.Dataset, SHA256: l.Images, Stride: l.Stride, Preprocessing: l.Preprocessing,
			Preprocess: ConvertFirst, EXIF: p.yes("exif"), MaxPixels: p.whole("max_pixels"),
		}
		o.Precision = Float32
		if p.has("precision") {
			o.Precision = BFloat16
		}
		if kind != "segmentation" {
			o.Block = LastBlock
		}
	}
	if p.has("lens_idx") {
		o.Block = p.text("lens_idx")
	}
	if p.has("batch_size") {
		o.Collect = &Collect{Batch: p.text("batch_size"), Mean: p.yes("mean"), Expand: p.yes("expand"), TopK: p.whole("top_k")}
	}
	if p.has("shard") {
		number, of, _ := strings.Cut(p.text("shard"), "/")
		o.Shard = &Shard{Number: atoi(number), Of: atoi(of), Inputs: p.whole("inputs_in_all")}
	}
	if p.has("top_k_pca") {
		o.SVD = &SVD{TopK: p.whole("top_k_pca"), PC: p.whole("pc_idx")}
	}
	if p.has("templates_sha256") || p.has("vocab_sha256") {
		o.Prompts = &Prompts{Templates: p.text("templates_sha256"), Vocab: p.text("vocab_sha256")}
	}
	l.stage(kind, p, &o)
	return o
}

// legacyRole is what a role is called now.
func legacyRole(role string) string {
	if role == "directions" {
		return "components"
	}
	return role
}

// stage fills in what the stage that makes a kind was told.
func (l Legacy) stage(kind string, p legacyParameters, o *Origin) {
	switch kind {
	case "polysemanticity":
		o.Polysemanticity = &Polysemanticity{TopImages: p.whole("top_images")}
	case "mask":
		o.Mask = &Mask{Percentile: p.number("percentile"), TopImages: p.whole("top_images")}
	case "embeddings":
		o.Texts = p.text("texts_sha256")
	case "codes", "coded units", "descriptions":
		o.Texts = p.text("texts_sha256")
		o.Code = &Code{
			Components: p.whole("num_components"), Normalize: p.text("normalize"), Units: p.text("units"),
			Heads: p.whole("heads"), Neurons: p.whole("neurons"),
		}
	case "segmentation":
		o.Texts = p.text("words_sha256")
		o.Segment = &Segment{
			Limit: p.whole("limit"), ShorterSide: p.whole("shorter_side"), LongerSide: p.whole("longer_side"),
			Resize: p.text("resize"), SlideCrop: p.whole("slide_crop"), SlideStride: p.whole("slide_stride"),
			Classes: p.text("classes_sha256"), Layout: p.text("layout_sha256"),
			LogitScale: p.number("logit_scale"), ProbThd: p.number("prob_thd"), AreaThd: p.number("area_thd"),
			Sink: p.yes("sink"), Block: p.whole("block"), SimBlock: p.whole("sim_block"),
			PAMRSteps: p.whole("pamr_steps"), PAMRDilations: p.text("pamr_dilations"), Pairs: p.whole("k"),
		}
	case "concept ratios":
		o.Texts = p.text("concepts_sha256")
		o.Shift = &Shift{Pairs: p.whole("k"), Labels: p.text("labels_sha256"), Questions: p.text("questions_sha256")}
	}
}

// legacyParameters are JSON scalars by name; numbers are json.Number.
type legacyParameters map[string]any

func (p legacyParameters) has(name string) bool { return p[name] != nil }

func (p legacyParameters) text(name string) string {
	if p[name] == nil {
		return ""
	}
	return fmt.Sprint(p[name])
}

func (p legacyParameters) yes(name string) bool { return p[name] == true }

func (p legacyParameters) whole(name string) int { return atoi(p.text(name)) }

func (p legacyParameters) number(name string) float64 {
	x, err := strconv.ParseFloat(p.text(name), 64)
	if err != nil {
		return 0
	}
	return x
}

// atoi is the number that a text is, 0 if it is none.
func atoi(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}
