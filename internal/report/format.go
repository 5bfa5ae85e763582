// Package report is the files of a report: a folder that shows every neuron-head pair of a
// model on a collection of images, as a static site.
//
// What pages show is in data files, data/NAME.js, one line each:
//
//	clipnhData("NAME","TEXT",2);
//
// where TEXT has, seven bits a character, deflated: a line of JSON as the types here have
// it, and then the numbers of its columns. A page loads a file by a script element, which
// works from file:// too. Names are overview, index, images, n/NEURON, h/HEAD, i/SHARD,
// t/SHARD and moved.
//
// Axis letters: B images, H heads, C neurons, K classes, M words of the list, S the side
// of a map. Units are numbered as everywhere: pairs h*C+n, neurons n. Images are numbered as
// the rows of the scores.
package report

// Format is the version of data files, which a reader must know. Those of OldestFormat have
// the same types, but for ImageShard, and columns within the JSON.
const (
	Format       = 2
	OldestFormat = 1
)

// Names of data files.
const (
	OverviewName = "overview"
	IndexName    = "index"
	ImagesName   = "images"
	MovedName    = "moved"
)

// How much of a unit is listed.
const (
	StrongestImages = 12
	WeakestImages   = 4
	QuantileImages  = 4 // at each of Quantiles
	Words           = 8
	Neighbours      = 8
	Labels          = 5 // of the highest means, and as many of the lowest
	Effects         = 5 // classes that its ablation changes most
	Bins            = 64
	IndexWords      = 4
	IndexImages     = 4
	ShardImages     = 64  // images of a file i/SHARD
	ShardTexts      = 256 // words of a file t/SHARD
	Parts           = 12  // pairs for a class, and as many against it
)

// Quantiles are where middling images are taken, as shares of the ranking by norm from the
// weakest on.
var Quantiles = []float64{0.1, 0.5, 0.9}

// Overview is the first file that a page loads.
type Overview struct {
	Format int    `json:"format"`
	Title  string `json:"title"`

	Model ModelFacts `json:"model"`
	Data  DataFacts  `json:"data"`

	Accuracy *Accuracy  `json:"accuracy"` // null without labels or class embeddings
	Ablation []Ablation `json:"ablation"` // by descending share; empty without them

	Histograms map[string]Histogram `json:"histograms"` // over pairs: norm, polysemanticity, score
	Lists      []List               `json:"lists"`      // strongest, purest, best_described
	Thumbs     *Thumbs              `json:"thumbs"`     // null without images
	Inputs     []Input              `json:"inputs"`
	Parts      []Part               `json:"parts"`
	Shards     Shards               `json:"shards"`
}

// ModelFacts say which model it is.
type ModelFacts struct {
	Name      string `json:"name"`
	Weights   string `json:"weights_sha256"`
	Tensors   string `json:"tensors_sha256"`
	Heads     int    `json:"heads"`   // H
	Neurons   int    `json:"neurons"` // C
	OutDim    int    `json:"out_dim"`
	Block     string `json:"block"`
	InputSize int    `json:"input_size"` // side of what the tower takes; 0: not known without the model
	Precision string `json:"precision"`

	// Of a vision transformer: pair h*C+n is head h mod LayerHeads of layer FirstLayer +
	// h/LayerHeads, and neurons are those of layer FirstLayer-1. Else 0.
	FirstLayer int `json:"first_layer,omitempty"`
	LayerHeads int `json:"layer_heads,omitempty"`

	Wording Wording `json:"wording"` // none in a report of an older build
}

// Wording is what pages need to know to say what is true of the model.
type Wording struct {
	Form    string `json:"form"`    // which explanations hold: FormPool or FormLayers
	Token   string `json:"token"`   // what heads read beside places, such as "class token"
	Rest    string `json:"rest"`    // what a feature has beside its pairs, such as "constant"
	RestOf  string `json:"rest_of"` // what that is of, in a few words; may be empty
	Example string `json:"example"` // a pair of the model, to show how pairs are written
}

// Forms of models.
const (
	FormPool   = "pool"   // all pairs of an attention pool, whose sum with a constant is the feature
	FormLayers = "layers" // pairs of a layer's neurons with heads of later layers, a part of the feature
)

// DataFacts say which images there are.
type DataFacts struct {
	Name    string   `json:"name"`
	Images  int      `json:"images"`  // B
	Classes []string `json:"classes"` // of class embeddings; empty without them
	Labels  []string `json:"labels"`  // what labels of images stand for; empty without labels
	Groups  []string `json:"groups"`  // empty without groups

	// Images that are shown and were other ones when the scores were collected.
	Changed       int   `json:"changed,omitempty"`
	ChangedImages []int `json:"changed_images,omitempty"` // which they are, ascending
}

// Accuracy is the share of images whose class of largest logit is their label.
type Accuracy struct {
	All     float64   `json:"all"`
	Images  int       `json:"images"` // with a label
	ByClass []float64 `json:"by_class"`
	Classes []int     `json:"class_images"` // images of each
	ByGroup []float64 `json:"by_group"`
	Groups  []int     `json:"group_images"`
}

// Ablation is a point of a curve: the strongest units keep their contributions, those of
// the others are replaced by their means.
type Ablation struct {
	Share   float64 `json:"share"`   // of units kept
	Pairs   float64 `json:"pairs"`   // accuracy when pairs are kept
	Neurons float64 `json:"neurons"` // when neurons are
}

// Histogram is how often numbers fall into equal bins from Low to High.
type Histogram struct {
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Counts []int   `json:"counts"`
}

// List is the first pairs by some measure.
type List struct {
	Name  string `json:"name"`
	Units []Unit `json:"units"`
}

// Unit is a pair in a list.
type Unit struct {
	Unit   string  `json:"unit"`  // such as h3n149
	Pair   int     `json:"pair"`  // h*C+n
	Value  float64 `json:"value"` // of the measure
	Words  []Term  `json:"words"`
	Images []int   `json:"images"`
	Zero   bool    `json:"zero,omitempty"` // its weights are zero, so that no image is stronger than another
}

// Term is a word of a code.
type Term struct {
	Word        int     `json:"word"` // in the list of words of Index
	Coefficient float32 `json:"coefficient"`
}

// Measures of thumbnails: pixels, and the quality of their JPEG.
const (
	ThumbSize    = 96
	ThumbQuality = 82
)

// Thumbs says where thumbnails are: thumbs/NNN.jpg are sheets of Columns x Rows squares of
// Size pixels, row by row; the i-th of Of has its place i mod (Columns·Rows) in sheet
// i/(Columns·Rows).
type Thumbs struct {
	Size    int    `json:"size"`
	Columns int    `json:"columns"`
	Rows    int    `json:"rows"`
	Sheets  int    `json:"sheets"`
	Of      Column `json:"of"` // images that have one, ascending
}

// Input is what the report was made from.
type Input struct {
	Kind string `json:"kind"`
	Path string `json:"path"` // as it was given
	// Relative is the path from the folder of the report, in its mark; empty of an
	// absolute path.
	Relative string `json:"relative,omitempty"`
	SHA256   string `json:"sha256"`
	Command  string `json:"command"` // that makes such a file, which need not be the one that was typed; empty if not known

	Made string `json:"made,omitempty"` // what its manifest says it was made from, as JSON; empty without a manifest

	Dataset  string `json:"dataset,omitempty"`   // of images, how they are laid out; their hash is that of names and sizes
	LabelKey string `json:"label_key,omitempty"` // of images, the name of their labels that was given
}

// Part is a part of a report that may be lacking.
type Part struct {
	Name    string `json:"name"`
	Present bool   `json:"present"`
	Need    string `json:"need,omitempty"` // what would add it
}

// Shards say how many of what is in a file.
type Shards struct {
	Images    int `json:"images"`
	Texts     int `json:"texts"`
	TextCount int `json:"text_count"` // words that are in such files, the first ones of Index.Words
}

// Index has what lists, search and the map of all pairs read, for all units.
type Index struct {
	Words   []string     `json:"words"`   // that terms name, those of the report's units; what most units have comes first
	Pairs   IndexColumns `json:"pairs"`   // [H,C]
	Neurons IndexColumns `json:"neurons"` // [C]
}

// IndexColumns are columns over U units. One that is not known has no numbers.
type IndexColumns struct {
	Norm            Column `json:"norm"`            // mean, [U]
	Polysemanticity Column `json:"polysemanticity"` // [U]
	Score           Column `json:"score"`           // rank correlation of words and scores, [U]
	Sign            Column `json:"sign"`            // 1: a larger score adds the direction of its component; 0: takes it away, [U]
	Effect          Column `json:"effect"`          // largest change of a class's mean logit by ablation, [U]
	Words           Column `json:"words"`           // [U,4]
	Coefficients    Column `json:"coefficients"`    // [U,4]
	Images          Column `json:"images"`          // of largest norm, [U,4]
}

// Images are the images of the collection.
type Images struct {
	Names  []string `json:"names"`            // [B]
	Labels Column   `json:"labels"`           // into DataFacts.Labels, [B]
	Groups Column   `json:"groups,omitempty"` // into DataFacts.Groups, [B]
}

// Hits are images of units and their values, [U,k].
type Hits struct {
	Images Column `json:"images"`
	Values Column `json:"values"` // of neurons, norms; of pairs, scores
}

// Neuron is a neuron and its pairs.
type Neuron struct {
	Neuron int    `json:"neuron"`
	Name   string `json:"name"`

	Strongest Hits      `json:"strongest"` // by descending norm, [12]
	Weakest   Hits      `json:"weakest"`   // by descending norm, the last ones, [4]
	Quantiles Hits      `json:"quantiles"` // [3,4]
	Norm      Summary   `json:"norm"`
	Words     []Term    `json:"words"`
	Histogram Histogram `json:"histogram"` // of norms

	Polysemanticity *float64 `json:"polysemanticity"`

	Pairs Pairs `json:"pairs"`
	Maps  *Maps `json:"maps"` // activations; null without model and images
}

// Summary is a distribution over images.
type Summary struct {
	Mean      float64 `json:"mean"`
	Deviation float64 `json:"deviation"`
	Smallest  float64 `json:"smallest"`
	Median    float64 `json:"median"`
	Largest   float64 `json:"largest"`
}

// Pairs are the pairs of a neuron, by head. Columns are [H] unless said otherwise, lists of
// k hold min(k,B), and a column that is not known has no numbers. The norm of a pair's
// contribution with score s is
//
//	sqrt(square·s² + 2·cross·s + constant)
type Pairs struct {
	Square   Column `json:"square"`   // |v|²
	Cross    Column `json:"cross"`    // v·b
	Constant Column `json:"constant"` // |b|²

	NormMean    Column `json:"norm_mean"`
	NormSD      Column `json:"norm_deviation"`
	NormLargest Column `json:"norm_largest"`
	ScoreMean   Column `json:"score_mean"`
	ScoreSD     Column `json:"score_deviation"`

	Strongest Hits   `json:"strongest"` // by descending norm, [H,12]
	Weakest   Hits   `json:"weakest"`   // by descending norm, the last ones, [H,4]
	Quantiles Hits   `json:"quantiles"` // [H,3,4]
	Adds      Column `json:"adds"`      // bit i: strongest image i is not among those of the neuron

	Words        Column `json:"words"`        // [H,8]
	Coefficients Column `json:"coefficients"` // [H,8]
	Residual     Column `json:"residual"`     // norm of what the words leave of the unit component
	Spearman     Column `json:"spearman"`     // rank correlation of words' prediction and score
	AUC          Column `json:"auc"`          // of the prediction for the strongest 1 %
	FirstRho     Column `json:"first_spearman"`
	FirstAUC     Column `json:"first_auc"`

	Polysemanticity Column `json:"polysemanticity"`

	Histogram struct {
		Low    Column `json:"low"`
		High   Column `json:"high"`
		Counts Column `json:"counts"` // of scores, [H,64]
	} `json:"histogram"`

	ByDirection Near `json:"by_direction"` // cosines of v, [H,8]
	ByScores    Near `json:"by_scores"`    // correlations of scores, [H,8]

	Scores Column `json:"scores"` // on all images, [H,B]; none of many pairs and images

	LabelMeans LabelMeans `json:"label_means"`
	Ablation   Effect     `json:"ablation"`
}

// Near are units and how near they are, nearest first.
type Near struct {
	Pairs  Column `json:"pairs"`
	Values Column `json:"values"`
}

// LabelMeans are mean scores by label: the 5 highest, descending, and the 5 lowest,
// ascending, [H,5].
type LabelMeans struct {
	Highest Column `json:"highest"` // labels
	High    Column `json:"high"`
	Lowest  Column `json:"lowest"`
	Low     Column `json:"low"`
}

// Effect is what mean ablation of a pair does to classes, by descending absolute change of
// the mean logit of the class over images labelled so, [H,5].
type Effect struct {
	Classes  Column `json:"classes"`
	Logit    Column `json:"logit"`    // after less before
	Accuracy Column `json:"accuracy"` // likewise
}

// Maps are maps of some images, each scaled to 255 at its largest absolute value.
type Maps struct {
	Side   int       `json:"side"` // S
	Images []int     `json:"images"`
	Scale  []float32 `json:"scale"`  // value of 255
	Values Column    `json:"values"` // [images,S,S]; u8
}

// Head is a head.
type Head struct {
	Head      int        `json:"head"`
	Name      string     `json:"name"`
	Words     []HeadWord `json:"words"` // by descending norm
	Strongest []Unit     `json:"strongest"`
	Attention []float32  `json:"attention"` // mean over the images shown, [S,S]; empty without model
	Sink      float64    `json:"sink"`      // mean attention of the class token to itself
	Maps      *Maps      `json:"maps"`      // attention of images shown
}

// HeadWord is a word that comes first for pairs of a head.
type HeadWord struct {
	Word  int     `json:"word"`
	Norm  float64 `json:"norm"` // sum of the pairs' mean norms
	Pairs int     `json:"pairs"`
}
