package audit

import (
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/pipeline/source"
)

// Result is what an audit found.
type Result struct {
	Model   string   `json:"model"`
	Weights string   `json:"weights"` // SHA-256
	Scores  string   `json:"scores,omitempty"`
	Labels  string   `json:"labels,omitempty"` // table; else the folders of the images
	Classes []string `json:"classes"`
	Units   string   `json:"units"`   // what is looked for: pairs, or heads of the first order
	Heads   int      `json:"heads"`   // H
	Neurons int      `json:"neurons"` // C; 0 where units are heads

	Images     int    `json:"images"`      // audited
	Unlabelled int    `json:"unlabelled"`  // images of the source that no row is of
	MeanImages int    `json:"mean_images"` // that means are over: all of the source
	Half       [2]int `json:"half"`        // images that pairs are chosen on, and that effects are measured on

	Seed         uint64  `json:"seed"`
	Permutations int     `json:"permutations"`
	Level        float64 `json:"level"`

	Before    Accuracies `json:"before"`   // of all images, the model as it is
	Untouched Accuracies `json:"held_out"` // of the measuring half, the model as it is
	After     Accuracies `json:"held_out_after"`

	Contrasts []Contrast `json:"contrasts"`
	Found     int        `json:"found"` // pairs, or heads, whose corrected probability is at most the level
	Pairs     []Pair     `json:"pairs"` // of these, those that widen differences first, by how much
	Curve     []Point    `json:"curve"` // from no pair removed on
	Chosen    int        `json:"chosen"`
	Commands  []string   `json:"commands"`                   // that make the chosen checkpoint; none if nothing is chosen
	ByZero    bool       `json:"commands_by_zero,omitempty"` // these take heads out by zero, as means do not tell edit what heads give

	Dir      string           `json:"dir,omitempty"` // not in the folder itself, which may be moved
	Files    []string         `json:"files"`
	Skipped  []source.Skipped `json:"skipped"`
	Changed  []string         `json:"changed,omitempty"`         // images on the sheet that were other ones when the scores were collected
	Rounding *source.Rounding `json:"precision_error,omitempty"` // of a model in reduced precision

	chosenPoint int // of Curve
}

// Tried is how many pairs, or heads, there are.
func (r *Result) Tried() int {
	if r.OfHeads() {
		return r.Heads
	}
	return r.Heads * r.Neurons
}

// OfHeads reports whether units are heads.
func (r *Result) OfHeads() bool { return r.Units == "heads" }

// say has a text about pairs speak of heads where these were looked for.
func (r *Result) say(text string) string {
	if r.OfHeads() {
		return strings.NewReplacer("pair", "head", "Pair", "Head").Replace(text)
	}
	return text
}

// The halves.
const (
	choosing  = 0
	measuring = 1
)

// Accuracies are those of some images, as shares of 1.
type Accuracies struct {
	Mean   float64 `json:"mean"`  // over images
	Worst  float64 `json:"worst"` // of the group with the smallest
	Gap    float64 `json:"gap"`   // mean less worst
	Group  int     `json:"group"` // of the smallest, its index in Groups
	Groups []Group `json:"groups"`
}

// Group is the images of one group of a label.
type Group struct {
	Label    string  `json:"label"`
	Group    string  `json:"group"`
	Images   int     `json:"images"`
	Correct  int     `json:"correct"`
	Accuracy float64 `json:"accuracy"`
	Margin   float64 `json:"margin"` // mean
}

// Contrast is a group of a label against the label's other groups, in the choosing half.
// Ahead is whether its margins are the larger ones.
type Contrast struct {
	Label      string       `json:"label"`
	Group      string       `json:"group"`
	Images     int          `json:"images"` // of the label
	Ahead      bool         `json:"ahead"`
	Difference float64      `json:"difference"` // of mean margins, at least 0
	Concepts   []ConceptFit `json:"concepts,omitempty"`
}

// ConceptFit is how an image's cosine with a concept goes with the group.
type ConceptFit struct {
	Concept string  `json:"concept"`
	R       float64 `json:"r"`
	P       float64 `json:"p"` // of this one alone
}

// Pair is a neuron-head pair, or a head, that goes with groups.
type Pair struct {
	Unit   string `json:"unit"`
	Index  int    `json:"index"` // h*C+n; of a head of layer l, l*H+h
	Widens bool   `json:"widens"`
	// Effect is by how much it widens the difference between the mean margins of groups,
	// in logits, the mean over contrasts.
	Effect   float64             `json:"effect"`
	R        float64             `json:"r"` // of Fits, that of smallest P
	P        float64             `json:"p"` // corrected for all pairs and contrasts
	Label    string              `json:"label"`
	Group    string              `json:"group"` // which R is of
	Fits     []Fit               `json:"fits"`
	Words    []artefact.Term     `json:"words"`
	Texts    []artefact.HeadText `json:"texts,omitempty"` // of a head, those that span what it adds
	Concepts []Closeness         `json:"concepts,omitempty"`
	Top      []Top               `json:"top"`

	index int
}

// Fit is how a pair's share of the margin goes with one contrast, in the choosing half.
// R is positive where the group that is ahead has the larger shares.
type Fit struct {
	Label  string  `json:"label"`
	Group  string  `json:"group"` // that is ahead
	R      float64 `json:"r"`
	P      float64 `json:"p"`      // corrected
	Effect float64 `json:"effect"` // difference of mean shares, in logits
}

// Closeness is the cosine of a pair's direction with a concept. Heads have no one direction.
type Closeness struct {
	Concept string  `json:"concept"`
	Cosine  float64 `json:"cosine"`
}

// Top is one of the images that a pair contributes most to, its bias share aside, or that a
// head moves furthest from its mean. Score is the pair's, or how far.
type Top struct {
	Name  string  `json:"name"`
	Label string  `json:"label"`
	Group string  `json:"group"`
	Score float64 `json:"score"`
}

// Point is what is left with some pairs removed.
type Point struct {
	Removed  int     `json:"removed"`
	Worst    float64 `json:"worst"` // of the measuring half
	Mean     float64 `json:"mean"`
	Choosing Share   `json:"choosing"` // of the half that pairs are chosen on
}

// Share is a worst-group and a mean accuracy.
type Share struct {
	Worst float64 `json:"worst"`
	Mean  float64 `json:"mean"`
}

// untold is what is said where means of heads do not tell what they give.
const untold = source.Untold + ": the commands take heads out by zero, not by mean"
