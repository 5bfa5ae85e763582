package report

import "github.com/clipnh/clipnh/internal/report"

// columns are what is known of units from their values on all images: of pairs, scores,
// of neurons, norms. Lists of k have min(k,B).
type columns struct {
	images int // B

	square, cross []float32 // |v|² and v·b of pairs, [U]

	norm      []report.Summary // of norms, [U]; of pairs without median and smallest
	value     []report.Summary // of values, mean and deviation only, [U]
	low, high []float32        // of values, [U]
	counts    []int32          // of values, [U,Bins]

	strongest, weakest, quantiles hits
	farthest                      []int32   // images farthest from the mean, [U,topImages at most]; nil as inertia
	strength                      []float32 // mean of the largest centred norms; nil as inertia
	inertia                       []float32 // see polysemanticity; nil where features are not known

	labels *labelMeans // nil: no labels

	scores []float32 // of pairs on all images, [U,B]; nil if there are many
}

// hits are images and values of units, [U,each].
type hits struct {
	each   int
	images []int32
	values []float32
}

func newHits(units, each int) hits {
	return hits{each, make([]int32, units*each), make([]float32, units*each)}
}

func (h hits) of(u int) ([]int32, []float32) {
	return h.images[u*h.each : (u+1)*h.each], h.values[u*h.each : (u+1)*h.each]
}

// labelMeans are the labels of highest and of lowest mean score, [U,each].
type labelMeans struct {
	each     int
	images   []int // by label
	high     hits  // labels and means, descending
	low      hits  // ascending
	occurred []int // labels that images have
}

// effects is what mean ablation of a pair does to classes: those whose mean logit, over
// the images labelled so, changes most.
//
// Without the pair, the feature of an image with score s is f' = f - (s - mean)·v, so
//
//	logit  = 100 (f·t - (s - mean) v·t) / |f'|
//	|f'|²  = |f|² - 2 (s - mean) f·v + (s - mean)² |v|²
type effects struct {
	each    int
	changed hits      // classes and changes of the logit, [U,each]
	right   []float32 // changes of the accuracy, [U,each]
	largest []float32 // change of a logit, of either sign, [U]

	images   []int       // [E]
	features []float32   // [E,O]
	squares  []float64   // |f|², [E]
	products [][]float64 // f·t of all classes, [E,K]
	order    [][]int32   // classes by descending product, [E,K]
	labels   []int       // [E]
	own      []float64   // f·t of the label, [E]
	before   []float64   // logit of the label, [E]
	hit      []float64   // 1 where the label wins, [E]
	margin   []float64   // by which it wins, or loses, [E]
	counts   []float64   // images by label
}

// mapSet has the maps of the images that units show first.
type mapSet struct {
	side    int     // S
	images  []int   // ascending
	wanted  [][]int // neurons whose activations an image is shown with, ascending, by image
	results []mapped
}

// mapped is what the tower makes of an image. Maps are in steps of 1/255 of their largest
// value.
type mapped struct {
	Failed      bool           `json:"failed"`
	Attention   []byte         `json:"attention"`  // [H,S,S]
	Attentions  []float32      `json:"attentions"` // the largest, [H]
	Sink        []float32      `json:"sink"`       // attention of the class token to itself, [H]
	Activation  []byte         `json:"activation"` // of the wanted neurons, [wanted,S,S]
	Activations []float32      `json:"activations"`
	Places      *report.Places `json:"places"`
}
