package report

// A report of heads shows what heads add to the image feature, as collect --mode heads keeps it,
// and the texts that span each. It has the data files overview, images, heads and h/HEAD, which
// are these; its ModelFacts have no neurons, and its Wording has the form FormHeads.

// HeadsName is the data file of all heads.
const HeadsName = "heads"

// FormHeads are heads, of all layers of a vision transformer or of an attention pool.
const FormHeads = "heads"

// How much of a head is listed.
const (
	HeadTexts  = 20 // texts
	TextImages = 4  // images of each
)

// HeadList has what lists, search and the map of all heads read, for all of them.
type HeadList struct {
	Heads []HeadSummary `json:"heads"`
}

// HeadSummary is a head in the list.
type HeadSummary struct {
	Name      string   `json:"name"`
	Norm      float64  `json:"norm"`      // mean
	Share     *float64 `json:"share"`     // see HeadRecord
	Explained *float64 `json:"explained"` // of its outputs' variance, by its texts
	Texts     []string `json:"texts"`     // in the order in which they were taken
	Images    []int    `json:"images"`    // along the first text, or, without it, of largest norm
	Along     bool     `json:"along"`     // they are along the text
}

// HeadRecord is the file of a head. The norm is that of what the head adds to an image's feature,
// not centred; along a text it adds r·t, with t the text's embedding as a unit vector.
type HeadRecord struct {
	Head  int      `json:"head"`
	Name  string   `json:"name"`
	Norm  Ranking  `json:"norm"`
	Share *float64 `json:"share"` // mean over images of r·f/|f|², which sums to 1 over all parts of the feature f; null where f is not known

	Explained *float64     `json:"explained"` // of its outputs' variance, by all of its texts; null where the file of texts does not say it
	Texts     []HeadPhrase `json:"texts"`
	Along     *Ranking     `json:"along"` // the first text; null without the texts' embeddings

	Maps *HeadMaps `json:"maps"` // null without model and images
}

// HeadPhrase is one of a head's texts.
type HeadPhrase struct {
	Text      string       `json:"text"`
	Explained *float64     `json:"explained"` // share of the variance by the texts up to this one; null where the file of texts does not say it
	Images    []ImageValue `json:"images"`    // to which the head adds most along it
}

// Ranking says how numbers of images are spread, and which images have the largest, the usual and
// the smallest ones, each by descending number. Of equal numbers the earlier image comes first.
type Ranking struct {
	Summary
	Histogram Histogram      `json:"histogram"`
	Strongest []ImageValue   `json:"strongest"`
	Quantiles [][]ImageValue `json:"quantiles"` // at each of Quantiles
	Weakest   []ImageValue   `json:"weakest"`
}

// ImageValue is an image with a number.
type ImageValue struct {
	Image int     `json:"image"`
	Value float64 `json:"value"`
}

// HeadMaps are what a head adds to images by the places that it reads: along its first text, signed,
// or, without it, the norms of the parts. Along a text, the parts of the places and of the class token sum to
// what the head adds.
type HeadMaps struct {
	Side   int    `json:"side"` // S
	Images []int  `json:"images"`
	Token  Column `json:"token"`  // of the class token, [images]
	Values Column `json:"values"` // [images,S,S]
}
