package report

// ImageShard is some images, from number First on.
type ImageShard struct {
	First  int           `json:"first"`
	Images []ImageRecord `json:"images"`
}

// ImageRecord is what the model makes of an image.
type ImageRecord struct {
	Classes  []ClassLogit `json:"classes"` // by descending logit, at most 12; empty without class embeddings
	Logit    float64      `json:"logit"`   // of the first
	Constant float64      `json:"constant"`
	For      []PairPart   `json:"for"`     // descending
	Against  []PairPart   `json:"against"` // ascending
	Rest     float64      `json:"rest"`    // all other pairs
	Sum      float64      `json:"sum"`     // of pairs and constant
	Norm     float64      `json:"feature_norm"`

	Nearest   []NearImage `json:"nearest"` // by cosine of features
	Strongest []UnitScore `json:"strongest"`

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

// UnitScore is a pair that is strong on an image, by its norm over its mean norm.
type UnitScore struct {
	Pair  int     `json:"pair"`
	Score float64 `json:"score"`
	Norm  float64 `json:"norm"`
}

// Places is a logit by place; they sum, with Position and the constant, to the logit.
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
	Years  []YearMean  `json:"years,omitempty"`
}

// NearPair is a pair beside a text.
type NearPair struct {
	Pair   int     `json:"pair"`
	Cosine float64 `json:"cosine"`
	Norm   float64 `json:"norm"` // mean
}

// YearMean is the mean cosine of the images of a year and a text.
type YearMean struct {
	Year   string  `json:"year"`
	Mean   float64 `json:"mean"`
	Images int     `json:"images"`
}

// Moved compares the report with another one.
type Moved struct {
	Other    string  `json:"other"`  // its title
	By       string  `json:"by"`     // pair, direction or scores
	Shared   int     `json:"shared"` // images that both have, by name
	Moved    []Shift `json:"moved"`
	Appeared []Shift `json:"appeared"`
	Died     []Shift `json:"died"`
}

// Shift is a pair here and there.
type Shift struct {
	Here       int     `json:"here"`  // None: nowhere
	There      int     `json:"there"` // in the other report
	Similarity float64 `json:"similarity"`
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
}

// What a Mark says.
const (
	MarkFile   = "report.json"
	Tool       = "clipnh report"
	Unfinished = "unfinished"
	Complete   = "complete"
)
