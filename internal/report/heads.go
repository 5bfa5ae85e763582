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

// MovedHeads compares the heads of two collections, here and there, or of reports of them.
type MovedHeads struct {
	Here   string `json:"here"`
	There  string `json:"there"`
	By     string `json:"by"`     // how heads are compared: head, each with that of the same name, by CKA; means, each with that of the same name, by means alone; cka, each with the one of the largest CKA
	Shared int    `json:"shared"` // images that both have: of one name, and the same file as far as checksums are known

	OtherFiles int `json:"other_files"` // images of one name whose files differ

	HereHeads  int `json:"here_heads"`  // heads here
	HereAlive  int `json:"here_alive"`  // of these, not dead: of a mean norm of 1 % of the largest here or more
	ThereHeads int `json:"there_heads"` // heads there
	ThereAlive int `json:"there_alive"` // of these, not dead

	// Of matched heads: the largest CKA that chance finds for a head, at the 95th percentile of the
	// heads here. It is computed with the images there in a random order. Null with 1,000 shared
	// images or more, where it is small, and of heads that are compared by name.
	Chance *float64 `json:"chance"`

	Same   int `json:"same"`   // heads alive on both sides that differ by no more than rounding
	Differ int `json:"differ"` // those that differ by more

	Moved    []HeadShift `json:"moved"`    // of Differ, what differs most comes first
	Appeared []HeadShift `json:"appeared"` // alive there only, by descending norm
	Died     []HeadShift `json:"died"`     // alive here only, by descending norm
}

// How heads are compared: each with that of the same name, as of one architecture, by CKA on shared
// images or, where these are few, by means; or with the one of the largest CKA.
const (
	ByHead      = "head"
	ByHeadMeans = "means"
	ByCKA       = "cka"
)

// HeadShift is a head here and the one that it is compared with there.
type HeadShift struct {
	Here      int    `json:"here"`       // number of the head; -1: none
	There     int    `json:"there"`      // number of the head; -1: none
	HereName  string `json:"here_name"`  // such as l10h3; empty: none
	ThereName string `json:"there_name"` // empty: none

	// CKA on shared images, without bias, -1 to 1; by means, the cosine of the means. Of a head
	// without a match, the largest with any head of the other side.
	Similarity float64  `json:"similarity"`
	Shift      *float64 `json:"shift"` // distance of the means, over the root mean square of the distance of single images from their mean here; 0 where that is 0; null of matched heads
	NormHere   float64  `json:"norm_here"`
	NormThere  float64  `json:"norm_there"`
	ShareHere  float64  `json:"norm_share_here"`  // of the mean norm in the sum of those of all heads here, 0 to 1
	ShareThere float64  `json:"norm_share_there"` // the same there
}
