package collect

import (
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/source"
)

// Options says what to collect from which images.
type Options struct {
	Model     string
	Details   model.Details // of the model
	Data      dataset.Options
	Stride    int         // every Stride-th image
	Shard     shard.Shard // of these; the zero Shard is all
	BatchSize int
	Threads   int
	Mode      string           // one of Modes
	Precision kernel.Precision // of the products in the tower
	Device    string           // that runs the tower, one of device.Names; empty is this program
	Lens      int              // the block of the last stage that ModeLens looks at
	// NeuronLayer is the layer of a vision transformer whose neurons' pairs are looked at;
	// nil for a ResNet, and in modes that are not about pairs.
	NeuronLayer *int
	Published   bool   // the form of published caches: of parts of features as unit vectors, of neurons as modes_published.go has it
	Mean        bool   // only the mean over the images
	StatsOnly   bool   // features, and sums and extremes of scores
	NoFeatures  bool   // with StatsOnly: no row for any image, but a sketch of scores
	TopK        int    // of which StatsOnly keeps the largest and the smallest
	FitTopK     bool   // fewer where there are not as many images
	SavePath    string // .dat or .npy: one tensor, contributions written out; else a folder, scores; see Shard.Path
	// DType is the type of a folder's rows. Zero is float16 of the parts of a vision
	// transformer's features as they are, and float32 of all else.
	DType npy.DType
	// WrittenOut keeps heads and tokens of a vision transformer in a folder as older builds do,
	// and not as factors.
	WrittenOut bool
	Expand     bool // directions beside the weight slices
	Strict     bool // stop at an image that cannot be read
	Restart    bool // discard what is at SavePath
	Store      *cache.Store
	Verify     bool // compare what is already complete with its checksums
	Images     imageprep.Options
}

// Result is what Collect wrote.
type Result struct {
	Path     string           `json:"path"`
	Kind     string           `json:"kind"`
	Shape    []int            `json:"shape"`
	Images   int              `json:"images"`            // with a row
	Skipped  []source.Skipped `json:"skipped"`           // with what the listing left out
	Factors  bool             `json:"factors,omitempty"` // rows are factors, as decomp.Factors has them
	Complete bool             `json:"already_complete"`  // nothing was left to do
	// Precision says that the tower computed in reduced precision; empty for float32.
	Precision string `json:"precision,omitempty"`
	// Device is nil where this program ran the tower, and where no image was left to do.
	Device *OnDevice `json:"device,omitempty"`
	// Rounding is its error, nil for float32 and where no image was left to do.
	Rounding *source.Rounding `json:"precision_error,omitempty"`
	// Loss is that of float16 in the parts of a vision transformer's features; nil of other
	// rows, and where no image was left to do.
	Loss *Loss `json:"float16_error,omitempty"`
}

// A Loss is how far float16 moved what the first images of a run add to features: the largest
// difference from float32, as a share of the largest value.
type Loss struct {
	Images int     `json:"images"`
	Parts  float64 `json:"parts"`
}

// ChunkImages is how many images are kept or lost together. A larger chunk
// would make Ctrl-C wait longer, a smaller one would sync the disk more often.
const ChunkImages = 32

// chunkBytes bounds a chunk whose rows are large, as those of dense
// contributions are.
const chunkBytes = 256 << 20

// chunkOf returns how many images of values numbers each make a chunk.
func chunkOf(values int) int { return max(1, min(ChunkImages, chunkBytes/(4*values))) }
