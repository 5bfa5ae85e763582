package artefact

import "github.com/clipnh/clipnh/internal/cache"

// The kinds of artefact in manifests.
const (
	KindEmbeddings      = "embeddings"       // [M,O], unit vectors of texts
	KindScores          = "scores"           // a folder: s [B,H,C] and what weight products are made of
	KindPublished       = "published scores" // the same in the published form: s and what the pairs of a head share, [B,H,C+O]
	KindMeanScores      = "mean scores"      // the same with the mean of s, [H,C]
	KindDense           = "dense"            // r [B,H,C,O], or summed over heads [B,C,O]
	KindMeans           = "means"            // of r, [H,C,O] or [C,O]
	KindComponents      = "components"       // principal components, [H,C,O] or [C,O]
	KindHeads           = "heads"            // Σ_n r, [B,H,O]; what heads of a vision transformer add, [B,L,H,O], or factors of it, see IsFactored
	KindMeanHeads       = "mean heads"       // its mean
	KindMLPs            = "mlps"             // what MLPs of a vision transformer add, [B,L+1,O]
	KindMeanMLPs        = "mean mlps"        // its mean, [L+1,O]
	KindTokens          = "tokens"           // what its heads add by each token that they read, [B,L,T,H,O], or factors of it
	KindMeanTokens      = "mean tokens"      // its mean, [L,T,H,O]
	KindClassParts      = "class parts"      // what each layer's heads add by the class token that they read, [B,L,O]
	KindMeanClassParts  = "mean class parts" // its mean, [L,O]
	KindImageFeatures   = "image features"   // [B,O], not normalised
	KindMeanFeatures    = "mean features"    // their mean, [O]
	KindAttention       = "attention"        // of every token, [B,H,T,T]
	KindMeanAttention   = "mean attention"   // its mean, [H,T,T]
	KindActivations     = "activations"      // tokens before the positional embedding, [B,C,T]
	KindMeanActivations = "mean activations" // their mean, [C,T]
	KindLayer4          = "layer4"           // mean norms, [2,blocks,T]: of maps, of token contributions
	KindSinkDrops       = "sink drops"       // of attention without each neuron, [B,C]
	KindMeanSinkDrops   = "mean sink drops"  // their mean, [C]
	KindSinkChanges     = "sink changes"     // mean, of pairs' norms without the sink, [H,C]
	KindStatistics      = "statistics"       // a folder: features [B,O], sums and extremes of s
	KindSummary         = "summary"          // a folder: means [1,H,C], extremes and a sketch of s, no rows of images
	KindPolysemanticity = "polysemanticity"  // of units, [H,C] or [C]
	KindWordScores      = "word scores"      // how true units' words are, [H,C,4] or [C,4]
	KindNorms           = "norms"            // of the strongest centred contributions, [H,C,K] or [C,K]
	KindMask            = "mask"             // bool, which units are kept, [H,C] or [C]
	KindFeatures        = "features"         // of images, not normalised, [B,O], or [V,B,O] of several variants
	KindCodes           = "codes"            // of components over words, a sparse matrix [U,M] and what goes with it
	KindUnfinishedCodes = "coded units"      // of codes under way, [U,V]
	KindDescriptions    = "descriptions"     // codes as JSON
	KindTextSpans       = "text spans"       // texts that span the outputs of heads, as text or JSON, [H,K]
	KindSegmentation    = "segmentation"     // counts of pixels as JSON, of B scenes
	KindProbabilities   = "probabilities"    // of classes at the pixels of an image, [Y,X,M]
	KindRatios          = "concept ratios"   // of B images as JSON; of shards only
	KindCheckpoint      = "checkpoint"       // of a model with edited pairs, [H,C,O]
	KindListing         = "image list"       // names, sizes and labels of B images; see package imagelist
	KindONNX            = "onnx model"       // an image tower as a graph in ONNX
	KindONNXWeights     = "onnx weights"     // of one, in a file beside it
)

// The files of a folder of a collection.
const (
	FeaturesFile       = "features.npy"        // [B,O], beside statistics, or of image features
	SumsFile           = "sums.npy"            // Σ_b s, [H,C] float64
	SumsLowFile        = "sums.low.npy"        // what sums.npy leaves of them, to be added; see lowrank.Sums
	LargestFile        = "largest.npy"         // the largest s, [H,C,K], descending
	LargestImagesFile  = "largest.images.npy"  // the rows of features that they are of
	SmallestFile       = "smallest.npy"        // the smallest s, [H,C,K], ascending
	SmallestImagesFile = "smallest.images.npy" // the rows of features that they are of

	// Of a summary, beside the four files of extremes.
	MeansFile        = "means.npy"     // the mean of s, [1,H,C]
	SketchFile       = "scores.sketch" // sums of powers and counts of s; see package sketch
	ExtremesFile     = "extremes.npy"  // the numbers of the images that extremes are of, int64, ascending
	ExtremeNamesFile = "extremes.txt"  // their names, one a line
	SkippedFile      = "skipped.json"  // images that could not be read, as manifests list them

	FeaturesFolder = "features" // in a folder of scores: a collection of image features
	LayerFolder    = "layer"    // and a number: a collection of the pairs of one of several layers of neurons
	WorkEnd        = ".work"    // behind the name of codes: a folder of those that a run has finished

	HeadsFile       = "heads.npy"       // [B,H,O], or [B,L,H,O]
	MLPsFile        = "mlps.npy"        // [B,L+1,O]
	TokensFile      = "tokens.npy"      // [B,L,T,H,O]
	ClassPartsFile  = "cls_attn.npy"    // [B,L,O]
	FactorsFile     = "factors.npy"     // [B,L,H,F] of heads, [B,L,T,H,F] of tokens
	MatricesFile    = "matrices.npy"    // that factors are multiplied by, [L,H,F,O]
	AttentionFile   = "attention.npy"   // [B,H,T,T]
	ActivationsFile = "activations.npy" // [B,C,T]
	Layer4File      = "layer4.npy"      // [1,2,blocks,T]

	PublishedFile  = "published.npy"        // s and what the pairs of a head share, [B,H,C+O]
	ScoresFile     = "scores.npy"           // s, [B,H,C]
	ValueFile      = "directions.value.npy" // W_V, [H,D,C]
	OutFile        = "directions.out.npy"   // W_O, [O,H,D]: v[h,n] = Σ_d W_O[:,h,d] W_V[h,d,n]
	BiasFile       = "bias.npy"             // b, [H,O]
	DirectionsFile = "directions.npy"       // v written out, [H,C,O]
	ImagesFile     = "images.txt"           // names of the images, one a line
)

// statisticsFiles are the files that every image has added something to.
var statisticsFiles = []string{
	SumsFile, SumsLowFile, LargestFile, LargestImagesFile, SmallestFile, SmallestImagesFile,
	MeansFile, SketchFile, ExtremesFile, ExtremeNamesFile, SkippedFile,
}

// IsStatistics reports whether a file of a folder is one that every image has
// added something to.
func IsStatistics(name string) bool {
	for _, file := range statisticsFiles {
		if file == name {
			return true
		}
	}
	return false
}

// collections are the kinds that are collected from images, which can be repaired
// chunk by chunk, or done again as a whole where they are means.
var collections = map[string]bool{
	KindScores: true, KindDense: true, KindHeads: true, KindAttention: true, KindActivations: true, KindStatistics: true, KindSummary: true, KindLayer4: true,
	KindSinkDrops: true, KindSinkChanges: true, KindMeanScores: true, KindMeanHeads: true, KindMeanAttention: true, KindMeanActivations: true,
	KindMLPs: true, KindMeanMLPs: true, KindTokens: true, KindMeanTokens: true, KindImageFeatures: true, KindMeanFeatures: true,
	KindClassParts: true, KindMeanClassParts: true, KindPublished: true,
}

// IsCollection reports whether an artefact was collected from images. Means of
// contributions are written by collect and by svd.
func IsCollection(m cache.Manifest) bool {
	return collections[WholeKind(m.Kind)] || m.Kind == KindMeans && m.Origin.Images != nil
}

// IsResult reports whether artefacts of a kind are results in one JSON file.
func IsResult(kind string) bool { return kind == KindSegmentation || kind == KindRatios }
