package live

import (
	"github.com/clipnh/clipnh/internal/pipeline/explain"
	"github.com/clipnh/clipnh/internal/report"
)

// HeadsText is what heads add along a text, r·t of what a head adds to an image and the text's
// embedding, a unit vector.
type HeadsText struct {
	Text   string             `json:"text"`
	Heads  []NearHead         `json:"heads"`  // 16, by descending deviation
	Images []report.NearImage `json:"images"` // 16, by descending cosine of feature and text; none where the features are not known
	Groups []report.GroupMean `json:"groups,omitempty"`
	Lost   int                `json:"tokens_lost,omitempty"` // of a text that is too long for the model
}

// NearHead is what a head adds along a text.
type NearHead struct {
	Head      string              `json:"head"`
	Mean      float64             `json:"mean"`      // over images
	Deviation float64             `json:"deviation"` // over images: how far what it adds along the text differs
	Explained float64             `json:"explained"` // of the variance of what it adds, by the text
	Images    []report.ImageValue `json:"images"`    // 4, to which it adds most along the text
}

// HeadsExplained is where the logit of an image comes from, by heads.
type HeadsExplained struct {
	Name        string           `json:"name"`
	Target      string           `json:"target"`  // the class that is explained, or one against another
	Classes     []ClassAnswer    `json:"classes"` // by descending logit
	Logit       float64          `json:"logit"`
	Norm        float64          `json:"feature_norm"`
	Constant    float64          `json:"constant"` // what no head adds: the MLPs and the class token that enters the first layer, of an attention pool a constant of the weights
	For         []HeadPart       `json:"for"`      // by descending part
	Against     []HeadPart       `json:"against"`  // by ascending part
	Rest        float64          `json:"rest"`     // all other heads
	RestHeads   int              `json:"rest_heads"`
	Sum         float64          `json:"sum"`
	Places      report.Places    `json:"places"`
	Explanation HeadsExplanation `json:"explanation"`
}

// HeadPart is what a head adds to a logit.
type HeadPart struct {
	Head string  `json:"head"`
	Part float64 `json:"part"`
}

// HeadsExplanation is as explain prints it.
type HeadsExplanation struct {
	HeadMaps explain.HeadMaps `json:"head_maps"`
}
