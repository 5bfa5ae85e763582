package live

import (
	"github.com/clipnh/clipnh/internal/pipeline/explain"
	"github.com/clipnh/clipnh/internal/report"
)

// Status is what can be asked.
type Status struct {
	Text    Ability `json:"text"`    // any text, embedded now
	Image   Ability `json:"image"`   // explanations of the collection's images
	Drop    Ability `json:"drop"`    // those of an image that is sent
	Toggle  Ability `json:"toggle"`  // one image, and accuracy over the collection, without pairs or heads
	Segment Ability `json:"segment"` // labels of pixels
	Scores  Ability `json:"scores"`  // of a pair, on all images
	Thumbs  Ability `json:"thumbs"`  // of images that have none in the report

	Classes  []string `json:"classes"`   // that are taken where a request names none
	Images   int      `json:"images"`    // of the collection; 0 until the scores are read
	MaxOff   int      `json:"max_off"`   // units that can be taken out at a time
	MaxBytes int64    `json:"max_bytes"` // of an image that is sent
}

// Ability is whether a part works, and why not.
type Ability struct {
	On      bool   `json:"on"`
	Loading bool   `json:"loading,omitempty"` // not yet
	Reason  string `json:"reason,omitempty"`  // where it does not work, not yet, or not in full
}

// Text is what is near a text. Its other fields are those of a word of the report.
type Text struct {
	Text string `json:"text"`
	report.TextRecord
	Lost int `json:"tokens_lost,omitempty"` // of a text that is too long for the model
}

// ToggleRequest says which units to take out, and what to look at.
type ToggleRequest struct {
	Off     []string `json:"off"`     // units, such as h21n624, or n17 for all pairs of a neuron; of heads l10h3, or l10 for a layer
	By      string   `json:"by"`      // "mean" or "zero": what takes the place of what they add
	Image   *int     `json:"image"`   // of the collection, may be null
	Classes []string `json:"classes"` // of that image; null: the default ones
}

// Toggle is what taking units out does.
type Toggle struct {
	Off      []string      `json:"off"` // pairs, in the order of heads and neurons, or heads
	By       string        `json:"by"`
	Before   *Accuracy     `json:"before"` // null where it cannot be told
	After    *Accuracy     `json:"after"`
	Reason   string        `json:"accuracy_reason,omitempty"` // why
	Image    *ToggledImage `json:"image"`                     // null where none was named, or its feature is not known
	Edit     string        `json:"edit"`                      // the command line that makes this model; empty where nothing is off, or where edit_note says why
	EditNote string        `json:"edit_note,omitempty"`       // of a vision transformer: why there is no such command, or what else it changes
}

// Accuracy is how often the class of largest logit is an image's label, 0 to 1.
type Accuracy struct {
	All     float64 `json:"all"`
	Top5    float64 `json:"top5"`
	Correct int     `json:"correct"` // images
	Images  int     `json:"images"`

	ByClass []float64 `json:"by_class"` // in the order of Classes of Status; 0 where there are no images
	Classes []int     `json:"class_images"`
	ByGroup []float64 `json:"by_group"` // in the order of the report's groups
	Groups  []int     `json:"group_images"`

	WorstClass *Worst `json:"worst_class"` // null where no class has images
	WorstGroup *Worst `json:"worst_group"` // null without groups
}

// Worst is the class or group of lowest accuracy, of those that have images; of equal ones
// the first.
type Worst struct {
	Number   int     `json:"group"` // of the class or group
	Name     string  `json:"name"`
	Accuracy float64 `json:"accuracy"`
}

// ToggledImage is what taking pairs out does to one image. Both sides explain the same
// class, that of the largest logit before.
type ToggledImage struct {
	Image  int    `json:"image"`
	Name   string `json:"name"`
	Class  string `json:"class"`
	Before Side   `json:"before"`
	After  Side   `json:"after"`
}

// Side is what a model says of an image.
type Side struct {
	Logit   float64              `json:"logit"` // of the class
	Norm    float64              `json:"feature_norm"`
	Classes []explain.ClassLogit `json:"classes"` // by descending logit
	Places  *explain.Places      `json:"places"`  // null without the model and the images
}

// Explained is where the logit of an image comes from, in the form that images have in a
// report.
type Explained struct {
	Name     string            `json:"name"`
	Target   string            `json:"target"`  // the class that is explained, or one against another
	Classes  []ClassAnswer     `json:"classes"` // by descending logit
	Logit    float64           `json:"logit"`
	Norm     float64           `json:"feature_norm"`
	Constant float64           `json:"constant"`
	For      []report.PairPart `json:"for"`
	Against  []report.PairPart `json:"against"`
	Rest     float64           `json:"rest"` // all other pairs
	Sum      float64           `json:"sum"`
	Places   report.Places     `json:"places"`
	Edit     string            `json:"edit"`                // the command line that makes the model without the pairs that are off; empty without any, or where edit_note says why
	EditNote string            `json:"edit_note,omitempty"` // of a vision transformer: why there is no such command, or what else it changes

	Explanation *explain.Explanation `json:"explanation"` // the same and more, as explain prints it

	Unit *DroppedUnit `json:"unit"` // of an image that was sent; null where no unit was named
}

// ClassAnswer is what the model says of a class.
type ClassAnswer struct {
	Class       string   `json:"class"`
	Logit       float64  `json:"logit"`
	Probability float64  `json:"probability"`            // among the classes
	Before      *float64 `json:"before,omitempty"`       // the probability with no pair off; none where none is
	BeforeLogit *float64 `json:"before_logit,omitempty"` // the logit with no pair off; none where none is
}

// DroppedUnit says where an image's score of a pair lies among those of the collection.
type DroppedUnit struct {
	Unit   string  `json:"unit"`
	Pair   int     `json:"pair"`
	Score  float64 `json:"score"`
	Mean   float64 `json:"mean"` // of the collection
	Rank   int     `json:"rank"` // 1 and the number of larger scores
	Images int     `json:"of"`   // images of the collection
}

// PairScores are the scores of a pair on all images of the collection.
type PairScores struct {
	Unit   string    `json:"unit"`
	Scores []float32 `json:"scores"` // by image
}

// Segmented is the class of each pixel of an image.
type Segmented struct {
	Width   int          `json:"width"`
	Height  int          `json:"height"`
	Classes []ClassShare `json:"classes"` // in the order of the numbers
	PNG     []byte       `json:"png"`     // numbers of classes, with a palette of their colours; base64
}

// ClassShare is a class in an image.
type ClassShare struct {
	Class  string  `json:"class"`
	Colour string  `json:"colour"` // #rrggbb
	Share  float64 `json:"share"`  // of the pixels, 0 to 1
}
