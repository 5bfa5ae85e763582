package pipeline

// The kinds of artefact in manifests.
const (
	kindEmbeddings      = "embeddings"       // [M,O], unit vectors of texts
	kindScores          = "scores"           // a folder: s [B,H,C] and what directions are made of
	kindMeanScores      = "mean scores"      // the same with the mean of s, [H,C]
	kindDense           = "dense"            // r [B,H,C,O], or summed over heads [B,C,O]
	kindMeans           = "means"            // of r, [H,C,O] or [C,O]
	kindDirections      = "directions"       // principal components, [H,C,O] or [C,O]
	kindHeads           = "heads"            // Σ_n r, [B,H,O]
	kindMeanHeads       = "mean heads"       // its mean, [H,O]
	kindAttention       = "attention"        // of every token, [B,H,T,T]
	kindMeanAttention   = "mean attention"   // its mean, [H,T,T]
	kindActivations     = "activations"      // tokens before the positional embedding, [B,C,T]
	kindMeanActivations = "mean activations" // their mean, [C,T]
	kindLayer4          = "layer4"           // mean norms, [2,blocks,T]: of maps, of token contributions
	kindSinkDrops       = "sink drops"       // of attention without each neuron, [B,C]
	kindMeanSinkDrops   = "mean sink drops"  // their mean, [C]
	kindSinkChanges     = "sink changes"     // mean, of pairs' norms without the sink, [H,C]
	kindStatistics      = "statistics"       // a folder: features [B,O], sums and extremes of s
	kindPolysemanticity = "polysemanticity"  // of units, [H,C] or [C]
	kindNorms           = "norms"            // of the strongest centred contributions, [H,C,K] or [C,K]
	kindMask            = "mask"             // bool, which units are kept, [H,C] or [C]
	kindFeatures        = "features"         // of pictures, not normalised, [B,O], or [V,B,O] of several variants
	kindCodes           = "codes"            // of directions over words, a sparse matrix [U,M] and what goes with it
	kindUnfinished      = "coded units"      // of codes under way, [U,V]
	kindDescriptions    = "descriptions"     // codes as JSON
	kindSegmentation    = "segmentation"     // counts of pixels as JSON, of B scenes
	kindRatios          = "concept ratios"   // of B pictures as JSON; of shards only
)

// The files of a folder that Collect writes.
const (
	featuresFile       = "features.npy"        // [B,O], beside statistics
	sumsFile           = "sums.npy"            // Σ_b s, [H,C] float64
	sumsLowFile        = "sums.low.npy"        // what sums.npy leaves of them, to be added; see lowrank.Sums
	largestFile        = "largest.npy"         // the largest s, [H,C,K], descending
	largestImagesFile  = "largest.images.npy"  // the rows of features that they are of
	smallestFile       = "smallest.npy"        // the smallest s, [H,C,K], ascending
	smallestImagesFile = "smallest.images.npy" // the rows of features that they are of

	headsFile       = "heads.npy"       // [B,H,O]
	attentionFile   = "attention.npy"   // [B,H,T,T]
	activationsFile = "activations.npy" // [B,C,T]
	layer4File      = "layer4.npy"      // [1,2,blocks,T]

	scoresFile     = "scores.npy"           // s, [B,H,C]
	valueFile      = "directions.value.npy" // W_V, [H,D,C]
	outFile        = "directions.out.npy"   // W_O, [O,H,D]: v[h,n] = Σ_d W_O[:,h,d] W_V[h,d,n]
	biasFile       = "bias.npy"             // b, [H,O]
	directionsFile = "directions.npy"       // v written out, [H,C,O]
	imagesFile     = "images.txt"           // names of the pictures, one a line
)
