package report

// builder is a Run under way.
type builder struct {
	*inputs

	features    []float32 // of images, [B,O]
	lengths     []float64 // their norms, [B]; nil where pairs do not sum to features
	neuronNorms []float32 // [C,B], until they are ranked
	neuronFar   []float32 // distances from the mean, [C,B], likewise
	ranked      *ranked   // first classes of images; nil without classes
	pairsOf     *columns  // what is known of pairs
	neurons     *columns  // and of neurons, whose scores are norms

	sketch                *sketch // of scores, until neighbours are found
	byDirection, byScores *near
	effects               *effects // nil: no labels or no classes

	wordList []string // that units have
	wordOf   []int32  // the number in it of a word of the list that was given
	wordAt   []int    // and back

	maps      *mapSet // nil without model
	textCount int     // words that have a record
}
