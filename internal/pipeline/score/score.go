// Package score measures how well the words of units predict their scores.
//
// A unit's code c over words w predicts the unit's score on an image as
//
//	g · Σ_w c_w e_w
//
// with the words' embeddings e, unit vectors, and g the image's feature without the
// unit's own contribution, as a unit vector. It is compared with the projection of
// that contribution on the unit's component, which has the component's sign: by
// Spearman's rank correlation over all images, and by the AUC of the unit's strongest
// images against the rest. The first word, of largest absolute coefficient, is
// measured alone too, with the sign of its coefficient. The floor is the same for the
// words of other units, drawn at random.
package score

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/describe"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// Options says which descriptions to measure on which images.
type Options struct {
	Artefacts      artefact.Reader
	ScoresPath     string // a folder of scores of images, better not those of the components
	PCsPath        string // components that are described
	EmbeddingsPath string // of the words
	Words          []string
	WordsPath      string

	DecompositionPaths []string // codes to measure, .npz
	Ways               []Way    // and ways to compute codes, which are measured too
	Components         int      // K, words of a code that is computed
	CollectPath        string   // see coding.Options

	Units          []string // names; empty: all
	Draws          int      // of other units, for each unit; 0: as many as make leastDraws in all
	Seed           uint64
	List           int    // units to name, of the highest and of the lowest correlation
	AttributesPath string // csv of what is true of images; may be empty
	Writer         artefact.Writer
	SavePath       string // .npy of one description's measures; may be empty
	Threads        int
}

// Way is a way to compute codes.
type Way struct {
	Method    describe.Method
	Normalize omp.Normalization
}

// String names the way.
func (w Way) String() string { return w.Method.String() + ":" + w.Normalize.String() }

// Result is what Run measured.
type Result struct {
	Unit         string        `json:"unit"`   // pair or neuron
	Units        int           `json:"units"`  // that were measured
	Images       int           `json:"images"` // of the scores
	Top          int           `json:"top_images"`
	Draws        int           `json:"draws"` // of other units, for each unit
	Seed         uint64        `json:"seed"`
	Left         Left          `json:"left_out"`
	Attributes   int           `json:"attributes,omitempty"` // that enough images have and lack
	Descriptions []Description `json:"descriptions"`
	Path         string        `json:"path,omitempty"`
}

// Left is how many units were not measured.
type Left struct {
	NoComponent int `json:"no_component"`
	Constant    int `json:"constant_scores"` // the score is the same on all images
}

// Description is what was measured of one way to describe units.
type Description struct {
	Name      string   `json:"name"` // the file, or method:normalization
	NoWords   int      `json:"without_words"`
	Words     Measures `json:"words"`      // all of a code
	FirstWord Measures `json:"first_word"` // alone

	// With attributes: of the units, how many have a first word that is their best
	// attribute, and how many have one in which its name occurs as a word.
	NamesBest    *int `json:"names_best_attribute,omitempty"`
	ContainsBest *int `json:"contains_best_attribute,omitempty"`

	All []Unit `json:"units"`
}

// Measures are those of all units, and of words drawn at random.
type Measures struct {
	Correlation Distribution `json:"correlation"`
	AUC         Distribution `json:"auc"`
}

// Distribution is that of a measure over units.
type Distribution struct {
	Low    float64 `json:"quartile_1"`
	Median float64 `json:"median"`
	High   float64 `json:"quartile_3"`
	Above  float64 `json:"above_floor"` // share of units above the floor's 95th percentile
	Floor  Floor   `json:"floor"`
}

// Floor is the distribution of a measure for words of other units.
type Floor struct {
	Mean   float64 `json:"mean"`
	P2     float64 `json:"percentile_2_5"`
	Low    float64 `json:"quartile_1"`
	Median float64 `json:"median"`
	High   float64 `json:"quartile_3"`
	P95    float64 `json:"percentile_95"`
	P97    float64 `json:"percentile_97_5"`
}

// Unit is what was measured of one unit.
type Unit struct {
	Unit        string  `json:"unit"` // such as h12n624
	Index       int     `json:"index"`
	Correlation float64 `json:"correlation"`
	AUC         float64 `json:"auc"`

	FirstCorrelation float64         `json:"first_word_correlation"`
	FirstAUC         float64         `json:"first_word_auc"`
	Terms            []artefact.Term `json:"terms"`

	Best    string   `json:"best_attribute,omitempty"` // of largest AUC
	BestAUC *float64 `json:"best_attribute_auc,omitempty"`
	Names   bool     `json:"names_best_attribute,omitempty"`
}

// Limits.
const (
	leastTop   = 10   // images that count as a unit's strongest, at least
	leastDraws = 1000 // draws in all, at least
)

// Run measures descriptions of units. Units that have no component, or the same score
// on all images, are left out; one without words predicts nothing, a correlation of
// 0 and an AUC of 0.5. Results depend on the seed, and not on the number of threads.
func Run(ctx context.Context, o Options, say ui.Reporter) (*Result, error) {
	if err := artefact.MakeFolders(o.SavePath); err != nil {
		return nil, err
	}
	in, err := o.open(say)
	if err != nil {
		return nil, err
	}
	defer in.close()
	if err := in.checkSave(); err != nil {
		return nil, err
	}
	if in.attributes, err = o.readAttributes(in.scores); err != nil {
		return nil, err
	}
	if err := in.readFeatures(ctx); err != nil {
		return nil, err
	}
	if err := in.describe(ctx, say); err != nil {
		return nil, err
	}
	m := newMeasurement(in)
	if o.SavePath != "" {
		from, err := m.origin(m.descriptions[0])
		if err != nil {
			return nil, err
		}
		if err := o.Writer.MayReplace(o.SavePath, artefact.KindWordScores, from); err != nil {
			return nil, err
		}
	}
	if err := m.run(ctx, say); err != nil {
		return nil, err
	}
	result := m.result()
	if o.SavePath != "" {
		result.Path = o.SavePath
		if err := m.save(); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// inputs are what is measured, and on what.
type inputs struct {
	Options
	scores     *artefact.Scores
	pcs        *artefact.Components
	words      *artefact.Embeddings // unit vectors
	units      []int                // asked for, ascending
	attributes *attributes          // nil: none
	team       par.Team

	features []float32 // f, [B,O]
	squares  []float64 // |f|², [B]

	descriptions []*description
}

func (o Options) open(say ui.Reporter) (*inputs, error) {
	s, err := o.Artefacts.WholeScores(o.ScoresPath, nil)
	if err != nil {
		return nil, err
	}
	in := &inputs{Options: o, scores: s, team: par.NewTeam(o.Threads)}
	if err := in.openOthers(say); err != nil {
		return nil, errors.Join(err, in.close())
	}
	return in, nil
}

func (in *inputs) close() error {
	if in.pcs == nil {
		return in.scores.Close()
	}
	return errors.Join(in.scores.Close(), in.pcs.Close())
}

func (in *inputs) openOthers(say ui.Reporter) error {
	s, ov := in.scores, in.scores.OV
	if s.Images < 2*leastTop {
		return fmt.Errorf("%s: %s, want %d or more, of which %d count as a unit's strongest", in.ScoresPath, quantity.Of(s.Images, "image"), 2*leastTop, leastTop)
	}
	from := artefact.OriginOf(s.Artefact)
	var err error
	if in.pcs, err = in.Artefacts.ComponentsBeside(in.PCsPath, artefact.Of(from), ov); err != nil {
		return err
	}
	if err := in.warnOfSame(say); err != nil {
		return err
	}
	facts := artefact.OfModel(from).Texts(in.Words)
	if in.words, err = in.Artefacts.UnitEmbeddings(in.EmbeddingsPath, facts, ov.OutDim); err != nil {
		return err
	}
	if n := in.words.Texts; n != len(in.Words) {
		return fmt.Errorf("%s: embeddings of %s, but %s has %d", in.EmbeddingsPath, quantity.Of(n, "word"), in.WordsPath, len(in.Words))
	}
	if in.units, err = in.pcs.Units.Find(in.Units); err != nil {
		return fmt.Errorf("%s: %w", in.PCsPath, err)
	}
	slices.Sort(in.units)
	if len(in.Units) == 0 {
		in.units = make([]int, in.pcs.Units.Count())
		for u := range in.units {
			in.units[u] = u
		}
	}
	return nil
}

// warnOfSame warns where the components were computed from the images of the scores: from these
// scores, or from others of images of the same names, in a folder or an archive.
func (in *inputs) warnOfSame(say ui.Reporter) error {
	const better = "scores of other images say more about the words"
	made := artefact.OriginOf(in.pcs.Artefact)
	if parent := made.Parents["contributions"]; parent != "" && parent == in.scores.Hash() {
		say.Warn("%s: the components were computed from these images: %s", in.ScoresPath, better)
		return nil
	}
	subject := made.Subjects["contributions"]
	if subject == "" {
		return nil
	}
	names, err := in.scores.Names()
	if err != nil {
		return err
	}
	recorded := ""
	if from := artefact.OriginOf(in.scores.Artefact).Images; from != nil {
		recorded = from.Names // those that could not be read too
	}
	inside := dataset.NamesAs(names, []string{"-"}) // as in a folder
	if subject == recorded || subject == cache.ListHash(names) || subject == cache.ListHash(inside) {
		say.Warn("%s: the components were computed from images of the same names: %s", in.ScoresPath, better)
	}
	return nil
}

// featureImages is how many images' scores are in memory at a time.
const featureImages = 64

// readFeatures computes the image features from the scores. They are kept, O numbers
// an image.
func (in *inputs) readFeatures(ctx context.Context) error {
	p, B := in.scores.OV, in.scores.Images
	in.features, in.squares = make([]float32, B*p.OutDim), make([]float64, B)
	row := p.Heads * p.Neurons
	scores, values := kernel.Alloc(min(featureImages, B)*row), make([]float32, min(featureImages, B)*p.Inner())
	for lo := 0; lo < B; lo += featureImages {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(featureImages, B-lo)
		if err := in.scores.Read(scores[:n*row], lo); err != nil {
			return err
		}
		if err := in.scores.Features(in.features[lo*p.OutDim:], values, scores, lo, n, in.team); err != nil {
			return err
		}
	}
	for b := range in.squares {
		f := in.features[b*p.OutDim:][:p.OutDim]
		in.squares[b] = dot(f, f)
		if !(in.squares[b] > 0) || math.IsInf(in.squares[b], 1) {
			return fmt.Errorf("%s: the feature of image %d has no direction (zero or not finite)", in.ScoresPath, b)
		}
	}
	return nil
}

// top is how many images count as a unit's strongest: 1 %, and at least leastTop.
func (in *inputs) top() int { return max(leastTop, in.scores.Images/100) }

func dot(x, y []float32) float64 {
	sum := 0.0
	for i, v := range x {
		sum += float64(v) * float64(y[i])
	}
	return sum
}
