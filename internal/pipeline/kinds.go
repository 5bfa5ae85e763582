package pipeline

// The kinds of artefact in manifests.
const (
	kindEmbeddings = "embeddings"  // [M,O], unit vectors of texts
	kindScores     = "scores"      // a folder: s [B,H,C] and what directions are made of
	kindMeanScores = "mean scores" // the same with the mean of s, [H,C]
	kindDense      = "dense"       // r [B,H,C,O], or summed over heads [B,C,O]
	kindMeans      = "means"       // of r, [H,C,O] or [C,O]
	kindDirections = "directions"  // principal components, [H,C,O] or [C,O]
	kindNorms      = "norms"       // of the strongest centred contributions, [H,C,K] or [C,K]
)

// The files of a folder of scores.
const (
	scoresFile     = "scores.npy"           // s, [B,H,C]
	valueFile      = "directions.value.npy" // W_V, [H,D,C]
	outFile        = "directions.out.npy"   // W_O, [O,H,D]: v[h,n] = Σ_d W_O[:,h,d] W_V[h,d,n]
	biasFile       = "bias.npy"             // b, [H,O]
	directionsFile = "directions.npy"       // v written out, [H,C,O]
	imagesFile     = "images.txt"           // names of the pictures, one a line
)
