package explain

import (
	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/pipeline/source"
)

// Setup is what holds for all images of a run.
type Setup struct {
	Model      string      `json:"model"` // a published name, or "custom"
	Weights    string      `json:"weights_sha256"`
	Precision  string      `json:"precision"`
	Heads      int         `json:"heads"`       // H
	Neurons    int         `json:"neurons"`     // C
	LogitScale float64     `json:"logit_scale"` // of cosines
	Classes    []string    `json:"classes"`
	Class      string      `json:"class,omitempty"`      // that was asked for; else each image's winner
	Versus     string      `json:"versus,omitempty"`     // that it is held against
	Collection *Collection `json:"collection,omitempty"` // what scores are compared with
}

// Collection is what says which scores are usual.
type Collection struct {
	Path   string `json:"path"`
	Images int    `json:"images,omitempty"` // 0: means only, which do not say
}

// Result is the end of a run.
type Result struct {
	Images     int              `json:"images_explained"`
	Difference float64          `json:"largest_difference"` // of any image's sum from its logit
	Skipped    []source.Skipped `json:"skipped"`
	Complete   bool             `json:"complete"`                  // false where the run ended early
	Rounding   *source.Rounding `json:"precision_error,omitempty"` // of a model in reduced precision
}

// Explanation is where the logit of one image comes from. Parts are in units of the
// logit.
type Explanation struct {
	Name    string       `json:"name"`
	Sheet   string       `json:"sheet,omitempty"`
	Classes []ClassLogit `json:"classes"` // all, by descending logit

	Class  string  `json:"class"`
	Versus string  `json:"versus,omitempty"`
	Logit  float64 `json:"logit"`        // of the class by the model, less that of Versus
	Norm   float64 `json:"feature_norm"` // |f|

	Constant float64   `json:"constant"` // what the weights add to any image; of a vision transformer, nothing
	Pairs    Split     `json:"pairs"`
	Neurons  Split     `json:"neurons"` // the same parts, added up over heads
	Heads    []float64 `json:"heads"`   // the same parts, added up over neurons, [H]
	Places   Places    `json:"places"`  // the same parts, by where they come from
	HeadMaps HeadMaps  `json:"head_maps"`

	// Elsewhere is what is not the pairs', and what belongs to no place, where pairs are a part
	// of the feature.
	Elsewhere *Elsewhere `json:"elsewhere,omitempty"`

	Sum        float64 `json:"sum"`        // of all pairs and the constant; of a vision transformer, of places, the class token and the MLPs
	Difference float64 `json:"difference"` // of Sum from Logit: rounding

	crop canvas.Image // what the model sees, for the sheet
}

// Elsewhere is what a vision transformer adds to a logit by no pair, or at no place.
// Pairs and all pairs sum to the logit; so do ClassToken, MLPs and the places.
type Elsewhere struct {
	Pairs      float64 `json:"pairs"`       // what no pair of the layer's neurons adds
	ClassToken float64 `json:"class_token"` // what heads read of the class token
	MLPs       float64 `json:"mlps"`        // what the MLPs write to it, and what it is when it enters
}

// ClassLogit is what the model says of a class.
type ClassLogit struct {
	Name        string  `json:"name"`
	Logit       float64 `json:"logit"`
	Probability float64 `json:"probability"` // among the classes
}

// Split is a logit by units: those listed, and what the others sum to.
type Split struct {
	For       []Part  `json:"for"`     // the largest, descending
	Against   []Part  `json:"against"` // the smallest, ascending
	Listed    float64 `json:"listed"`  // their sum
	Rest      float64 `json:"rest"`    // the sum of the others
	RestUnits int     `json:"rest_units"`
}

// Part is what a unit adds.
type Part struct {
	Unit  string   `json:"unit"`  // such as h12n624 or n624
	Index int      `json:"index"` // h*C+n, or n
	Part  float64  `json:"part"`
	Share *float64 `json:"share"` // of the logit; null where that is zero

	Score *float64 `json:"score,omitempty"` // of a pair
	// Of a collection; the score's mean is that of a pair.
	Mean    *float64 `json:"mean,omitempty"`
	Usual   *float64 `json:"usual,omitempty"`   // what the mean would add
	Unusual *float64 `json:"unusual,omitempty"` // Part less Usual
	Rank    *int     `json:"rank,omitempty"`    // of the score among the collected images', 1 the largest

	Words []artefact.Term `json:"words,omitempty"`

	// Of the pairs that are drawn: what each place adds, [M], and what the position
	// embedding adds, or, of a vision transformer, the class token. They sum to Part.
	Places     []float64 `json:"places,omitempty"`
	Position   *float64  `json:"position,omitempty"`
	ClassToken *float64  `json:"class_token,omitempty"`
}

// HeadMaps is a logit by the heads that read places: in an attention pool its own, in a vision
// transformer those of all layers. Listed and Rest sum to the logit with the constant, or, of a
// vision transformer, with what the MLPs add.
type HeadMaps struct {
	Maps      []HeadMap `json:"maps"`   // of the largest by size, or those that were asked for, in their order
	Listed    float64   `json:"listed"` // the sum of these heads' parts, each head once
	Rest      float64   `json:"rest"`   // the sum of the other heads'
	RestHeads int       `json:"rest_heads"`
}

// HeadMap is what a head adds, or all heads of a layer together: what each place adds, [M], and
// what the position embedding adds, or, of a vision transformer, the class token, sum to Part.
type HeadMap struct {
	Head       string    `json:"head"` // such as h12, l10h3 or l10
	Part       float64   `json:"part"`
	Share      *float64  `json:"share"` // of the logit; null where that is zero
	Places     []float64 `json:"places"`
	Position   *float64  `json:"position,omitempty"`
	ClassToken *float64  `json:"class_token,omitempty"`
}

// Places is a logit by places: Sum, Position and the constant sum to it; see Elsewhere of a
// vision transformer.
type Places struct {
	Rows      int       `json:"rows"`
	Cols      int       `json:"cols"`
	Parts     []float64 `json:"parts"` // [rows,cols]
	Sum       float64   `json:"sum"`
	Position  float64   `json:"position"`            // of the position embedding, which belongs to no place
	Positions []float64 `json:"positions,omitempty"` // the same by token, the class token first; none of a vision transformer
}
