package report

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/unit"
)

// ImageRecord is what the model makes of an image.
type ImageRecord struct {
	Classes  []ClassLogit `json:"classes"` // by descending logit; empty without class embeddings
	Logit    float64      `json:"logit"`   // of the first
	Constant float64      `json:"constant"`
	For      []PairPart   `json:"for"`     // descending
	Against  []PairPart   `json:"against"` // ascending
	Rest     float64      `json:"rest"`    // all other pairs
	Sum      float64      `json:"sum"`     // of pairs and constant
	Norm     float64      `json:"feature_norm"`

	Nearest   []NearImage `json:"nearest"`   // by cosine of features
	Strongest []UnitScore `json:"strongest"` // pairs, by how far their score is from its mean

	Places    *Places `json:"places"`    // null without the model
	Attention *Maps   `json:"attention"` // of all heads; Images are heads
}

// ClassLogit is a class of an image.
type ClassLogit struct {
	Class       int     `json:"class"`
	Logit       float64 `json:"logit"`
	Probability float64 `json:"probability"`
}

// PairPart is what a pair adds to a logit.
type PairPart struct {
	Pair  int     `json:"pair"`
	Part  float64 `json:"part"`
	Score float64 `json:"score"`
}

// NearImage is an image beside another one.
type NearImage struct {
	Image  int     `json:"image"`
	Cosine float64 `json:"cosine"`
}

// UnitScore is a pair that is strong on an image.
type UnitScore struct {
	Pair       int     `json:"pair"`
	Score      float64 `json:"score"`
	Deviations float64 `json:"deviations"` // of the score from its mean, in standard deviations
}

// Places is a logit by place; they sum, with Position and the constant, to the logit. Position
// is of the position embedding, or, of a vision transformer, whose constant is 0, of the class
// token and the MLPs.
type Places struct {
	Side     int       `json:"side"`
	Parts    []float32 `json:"parts"` // [S,S]
	Position float64   `json:"position"`
}

// TextShard is some words of the list, from number First on.
type TextShard struct {
	First int          `json:"first"`
	Texts []TextRecord `json:"texts"`
}

// TextRecord is a word and what is near it.
type TextRecord struct {
	Word   string      `json:"word"`
	Pairs  []NearPair  `json:"pairs"`  // 16, by descending cosine of component and text
	Images []NearImage `json:"images"` // 16, by descending cosine of feature and text
	Groups []GroupMean `json:"groups,omitempty"`
}

// NearPair is a pair beside a text.
type NearPair struct {
	Pair   int     `json:"pair"`
	Cosine float64 `json:"cosine"`
	Norm   float64 `json:"norm"` // mean
}

// GroupMean is the mean cosine of the images of a group and a text.
type GroupMean struct {
	Group  string  `json:"group"`
	Mean   float64 `json:"mean"`
	Images int     `json:"images"`
}

// Moved compares the report, here, with another collection, there.
//
// With fewer than SharedLeast shared images scores are not compared.
type Moved struct {
	Here   string `json:"here"`
	There  string `json:"there"`
	By     string `json:"by"`     // how pairs are matched: ByPair, ByScores or ByDirection
	Shared int    `json:"shared"` // images that both have: of one name, and the same file as far as checksums are known

	OtherFiles int `json:"other_files"` // images of one name whose files differ

	HereNames  PairNames `json:"here_names"`
	ThereNames PairNames `json:"there_names"`

	HerePairs  int `json:"here_pairs"`  // pairs here
	HereAlive  int `json:"here_alive"`  // of these, not dead: of a mean norm of 1 % of the largest here or more
	TherePairs int `json:"there_pairs"` // pairs there
	ThereAlive int `json:"there_alive"` // of these, not dead

	Same   int `json:"same"`   // pairs alive on both sides that differ by no more than rounding
	Differ int `json:"differ"` // those that differ by more

	Moved    []Shift `json:"moved"`    // of Differ, what differs most comes first
	Appeared []Shift `json:"appeared"` // alive there only, by descending norm
	Died     []Shift `json:"died"`     // alive here only, by descending norm
}

// SharedLeast is how many images two collections must have in common for the scores of
// pairs to be compared.
const SharedLeast = 10

// PairNames is what the names of pairs h*C+n follow from; see ModelFacts.
type PairNames struct {
	Neurons    int `json:"neurons"` // C
	FirstLayer int `json:"first_layer,omitempty"`
	LayerHeads int `json:"layer_heads,omitempty"`
}

// Name labels a pair: h3n149, or l10h3n149 of a vision transformer.
func (n PairNames) Name(pair int) string {
	return unit.Layers{First: n.FirstLayer, Heads: n.LayerHeads}.Pair(pair, n.Neurons)
}

// How pairs are matched: each with the one of the same name, as of one architecture; or
// with the one whose scores on shared images, or else whose direction, is most alike.
const (
	ByPair      = "pair"
	ByScores    = "scores"
	ByDirection = "direction"
)

// Shift is a pair here and the one that it is matched with there.
type Shift struct {
	Here  int `json:"here"`  // None: nowhere
	There int `json:"there"` // None: nowhere

	// Correlation of scores on shared images; the cosine of directions without any.
	Similarity float64 `json:"similarity"`
	Shift      float64 `json:"shift"` // the mean score there less that here, in standard deviations of the scores here (A); 0 if they do not vary here, or a side is None
	NormHere   float64 `json:"norm_here"`
	NormThere  float64 `json:"norm_there"`
}

// Mark is report.json, by which a folder is known to be a report. It is written first, as
// unfinished, and last.
type Mark struct {
	Format int     `json:"format"`
	Tool   string  `json:"tool"` // Tool
	State  string  `json:"state"`
	Key    string  `json:"key"` // hash of inputs and options
	Inputs []Input `json:"inputs"`

	// Changed are the names of the images that are shown and were other ones when the scores
	// were collected, of a complete report.
	Changed []string `json:"changed,omitempty"`
}

// MostMark bounds the mark of a report in bytes: it may have the names of many images.
const MostMark = 256 << 20

// Input is the first input of a kind, with its path as it is from here, where dir is the
// folder of the report: beside the folder if it is still there, or else as it was given.
func (m Mark) Input(dir, kind string) (Input, bool) {
	i := slices.IndexFunc(m.Inputs, func(i Input) bool { return i.Kind == kind })
	if i < 0 {
		return Input{}, false
	}
	in := m.Inputs[i]
	in.Path = filepath.FromSlash(in.Path)
	if in.Relative != "" {
		beside := filepath.Join(dir, filepath.FromSlash(in.Relative))
		if _, err := os.Stat(beside); err == nil {
			in.Path = beside
		}
	}
	return in, true
}

// What a Mark says.
const (
	MarkFile   = "report.json"
	Tool       = "clipnh report"
	Unfinished = "unfinished"
	Complete   = "complete"
)
