package live

import (
	"github.com/clipnh/clipnh/internal/pipeline/explain"
	"github.com/clipnh/clipnh/internal/pipeline/segment"
	"github.com/clipnh/clipnh/internal/report"
)

// Status is what can be asked.
type Status struct {
	Text    Ability `json:"text"`    // any text, embedded now
	Image   Ability `json:"image"`   // explanations of the collection's images
	Drop    Ability `json:"drop"`    // those of an image that is sent
	Toggle  Ability `json:"toggle"`  // accuracy over the collection without pairs
	Segment Ability `json:"segment"` // labels of pixels

	Classes  []string `json:"classes"`   // that are taken where a request names none
	Images   int      `json:"images"`    // of the collection; 0 until the scores are read
	MaxOff   int      `json:"max_off"`   // pairs that can be taken out at a time
	MaxBytes int64    `json:"max_bytes"` // of an image that is sent
}

// Ability is whether a part works, and why not.
type Ability struct {
	On     bool   `json:"on"`
	Reason string `json:"reason,omitempty"` // where it does not work, or not yet
}

// Text is what is near a text. Its other fields are those of a word of the report.
type Text struct {
	report.TextRecord
	Groups []GroupMean `json:"groups"`                // of images; empty without groups
	Lost   int         `json:"tokens_lost,omitempty"` // of a text that is too long for the model
}

// GroupMean is the mean cosine of the images of a group and a text.
type GroupMean struct {
	Group  string  `json:"group"`
	Mean   float64 `json:"mean"`
	Images int     `json:"images"`
}

// ToggleRequest says which pairs to take out, and what to look at.
type ToggleRequest struct {
	Off     []string `json:"off"`     // units, such as h21n624, or n17 for all pairs of a neuron
	By      string   `json:"by"`      // "mean" or "zero": what takes the place of what they add
	Image   *int     `json:"image"`   // of the collection, may be null
	Classes []string `json:"classes"` // of that image; null: the default ones
}

// Toggle is what taking pairs out does.
type Toggle struct {
	Off      []string      `json:"off"` // pairs, in the order of heads and neurons
	By       string        `json:"by"`
	Accuracy *Accuracy     `json:"accuracy"`                  // null where it cannot be told
	Reason   string        `json:"accuracy_reason,omitempty"` // why
	Image    *ToggledImage `json:"image"`                     // null where none was named
	Edit     string        `json:"edit"`                      // the command line that makes this model
}

// Accuracy is how often the class of largest logit is an image's label, 0 to 1.
type Accuracy struct {
	Images  int    `json:"images"`
	Before  Share  `json:"before"`
	After   Share  `json:"after"`
	Classes []Part `json:"classes"` // those that have images
	Groups  []Part `json:"groups"`  // likewise; empty without groups
	Worst   *Worst `json:"worst"`   // of groups, or of classes where there are no groups
}

// Share is the accuracy on all images.
type Share struct {
	Top1    float64 `json:"top1"`
	Top5    float64 `json:"top5"`
	Correct int     `json:"correct"`
}

// Part is the accuracy on some images.
type Part struct {
	Name   string  `json:"name"`
	Images int     `json:"images"`
	Before float64 `json:"before"`
	After  float64 `json:"after"`
}

// Worst is the part of lowest accuracy, before and after; of equal ones the first.
type Worst struct {
	Before Named `json:"before"`
	After  Named `json:"after"`
}

// Named is a part and its accuracy.
type Named struct {
	Name string  `json:"name"`
	Top1 float64 `json:"top1"`
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

// Dropped is what the model makes of an image that was sent.
type Dropped struct {
	Explanation *explain.Explanation `json:"explanation"`
	Unit        *DroppedUnit         `json:"unit"` // null where none was named
}

// DroppedUnit says where an image's score of a pair lies among those of the collection.
type DroppedUnit struct {
	Unit   string  `json:"unit"`
	Pair   int     `json:"pair"`
	Score  float64 `json:"score"`
	Mean   float64 `json:"mean"`   // of the collection
	Rank   int     `json:"rank"`   // 1 and the number of larger scores
	Images int     `json:"images"` // of the collection
}

// Segmented is the class of each pixel of an image.
type Segmented struct {
	Width   int                  `json:"width"`
	Height  int                  `json:"height"`
	Classes []string             `json:"classes"`
	Colours []string             `json:"colours"` // of the classes, #rrggbb
	Shares  []segment.ClassShare `json:"shares"`  // of the pixels, descending
	PNG     []byte               `json:"png"`     // numbers of classes, with a palette of their colours; base64
}
