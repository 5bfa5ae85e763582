package live

import (
	"time"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/textlist"
)

// An Input is something that answers are made from.
type Input string

// The inputs.
const (
	Scores     Input = "scores"
	Model      Input = "model"
	Vocab      Input = "vocab"
	Images     Input = "images"
	Components Input = "components"
	MLPs       Input = "mlps"
	Classes    Input = "classes"

	explained Input = "image tower" // of the model, if it can explain images
)

// Options say where the inputs are. Each may be empty.
type Options struct {
	Artefacts artefact.Reader
	Threads   int

	ScoresPath  string            // of scores, or of heads
	Parts       []string          // of the features of heads: MLPs
	ClassesPath string            // class embeddings, in the order of the labels
	Data        dataset.Options   // the images, with their labels
	Images      imageprep.Options // how they are read
	Names       []string          // of the images, by their numbers; thumbnails need them
	Listing     string            // fingerprint of the list of the images, for where the scores are not there; empty: not known
	GroupNames  []string          // groups of images; nil: none
	GroupOf     []int             // that of each image, -1 of none
	ModelPath   string
	Details     model.Details // of the model; what they leave open is as in the scores
	Vocab       string
	Templates   []textlist.Template // that texts are put into
	PCsPath     string

	Norms []float64 // mean norms of pairs, [H,C]; nil: not known

	Report  string        // the folder of the report
	Weights origin.Origin // that the model must have, as far as they are known
	Force   bool          // another model is used anyway, with a warning

	Edit func(EditCommand) string // spells the command line; may be nil

	Why   map[Input]string // why an input is not there, in place of that it was not given
	Given map[Input]bool   // inputs that were asked for: it is an error if they cannot be opened
}

// How much is kept, and how many requests may wait.
const (
	keptTexts   = 4096     // embeddings: 16 MB for RN50
	keptPasses  = 16       // of images through the tower: 66 MB for RN50x16
	keptAnswers = 256      // to texts, by heads: some 3 kB each
	keptThumbs  = 32 << 20 // bytes of thumbnails, which are some 3 kB each
	waitTower   = 16       // requests, the current one included
	waitScores  = 32
	waitThumbs  = 64
	mostDrawn   = 4                // thumbnails at a time, each with its image in memory
	patience    = 10 * time.Second // that a request waits for what is being read
	maxText     = 1000             // bytes
	maxTexts    = 64               // classes that a request names
	nearest     = 16               // pairs and images of a text
	maxList     = 100
	maxMaps     = 32
	maxThumb    = 512 // pixels
)
