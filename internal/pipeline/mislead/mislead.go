// Package mislead finds words that move images of one class toward another in the eyes of a
// zero-shot classifier without naming it: what a picture of the one may show beside it to be
// taken for the other ("semantic adversarial examples").
//
// With t_from and t_to the unit vectors of the two classes' texts, the margin of an image is a
// sum over units along d = t_to - t_from. Of the units, those count whose component v has the
// largest |v·d|. With c[u] the code of v[u] over words, word w has the weight
//
//	Σ_u c[u,w]·(v[u]·d)
//
// over these units. It does not depend on the signs of components.
//
// Source: Gandelsman, Efros and Steinhardt, arXiv:2406.04341. There, the largest product counts
// in place of the sum.
package mislead

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// Options says which class is to be taken for which, and by which units and words.
type Options struct {
	// Of all units: their components, and codes that are read or computed. Units are not named.
	// EmbeddingsPath is needed with codes too.
	coding.DescribeOptions

	From, To string // classes
	Texts
	K       int      // units
	List    int      // words
	LeftOut []string // words that are not listed, as they name To
	// MaxCosine is the largest cosine of a listed word's embedding with that of To, both less
	// the mean of the words' embeddings.
	MaxCosine float64

	// Images are a collection of scores or features, with labels by a table or those of its data
	// set; ScoresPath may be empty.
	Images    source.Options
	TablePath string

	Sentences int
	Seed      uint64 // that sentences are drawn with
}

// Texts say where the embeddings of the classes come from.
type Texts struct {
	Model     string
	Details   model.Details
	Vocab     string // of texts that the model embeds
	Templates []textlist.Template
	Classes   []string // that the embeddings at TextsPath are of, among them both
	TextsPath string   // instead of a model; may be empty
}

// Result is what was found.
type Result struct {
	From      string   `json:"from"`       // the class that images show
	To        string   `json:"to"`         // the one that they are to be taken for
	Unit      string   `json:"unit"`       // pair or neuron
	Units     []Unit   `json:"units"`      // that count, by descending size of their product
	MaxCosine float64  `json:"max_cosine"` // of a word with the class
	Words     []Word   `json:"words"`      // by descending weight
	LeftOut   []Word   `json:"left_out"`   // words that name the class and are heavier than the last of the others; by descending weight
	Images    *Images  `json:"images,omitempty"`
	Sentences []string `json:"sentences,omitempty"`
}

// Unit is a unit and the product of its component with the difference of the classes.
type Unit struct {
	Unit    string          `json:"unit"`
	Product float64         `json:"product"` // positive where a larger projection moves toward the class
	Terms   []artefact.Term `json:"terms"`
}

// Word is a word that moves images.
type Word struct {
	coding.Weighed
	Cosine float64 `json:"cosine"`             // with the class
	Why    string  `json:"left_out,omitempty"` // why it was left out: given, name or cosine
	Moved  *Moved  `json:"moved,omitempty"`    // in the images that show the first class
}

// Run finds the words.
func Run(ctx context.Context, o Options, say ui.Reporter) (*Result, error) {
	m := &misleader{Options: o, say: say, team: par.NewTeam(o.Threads)}
	result, err := m.run(ctx)
	if err := errors.Join(err, m.close()); err != nil {
		return nil, err
	}
	return result, nil
}

// A misleader is a Run under way.
type misleader struct {
	Options
	say  ui.Reporter
	team par.Team

	pcs    *artefact.Components
	coder  *coding.Describer
	words  *artefact.Embeddings // unit vectors
	src    *source.Source       // images; nil: none
	labels []bool               // by a table, which of them show From; nil: by that of the data set
	label  int                  // of From, in the data set
	to     []float32            // [O]
	toward []float32            // d, [O]
}

func (m *misleader) close() error {
	var failed error
	if m.pcs != nil {
		failed = m.pcs.Close()
	}
	if m.coder != nil {
		failed = errors.Join(failed, m.coder.Close())
	}
	if m.src != nil {
		failed = errors.Join(failed, m.src.Close())
	}
	return failed
}

func (m *misleader) run(ctx context.Context) (*Result, error) {
	if m.From == m.To {
		return nil, usage.Errorf("{from} and {to} are both %s: want two classes", foreign.Quote(m.From))
	}
	if err := m.open(ctx); err != nil {
		return nil, err
	}
	if err := m.embed(ctx); err != nil {
		return nil, err
	}
	r := &Result{From: m.From, To: m.To, Unit: m.pcs.Units.Kind(), MaxCosine: m.MaxCosine, Words: []Word{}, LeftOut: []Word{}}
	var err error
	if r.Units, err = m.units(ctx); err != nil {
		return nil, err
	}
	if err := m.choose(r); err != nil {
		return nil, err
	}
	if m.src != nil {
		if err := m.measure(ctx, r); err != nil {
			return nil, err
		}
	}
	r.Sentences = m.sentences(r.Words)
	return r, nil
}

// open opens components, codes and images, which must be of one model.
func (m *misleader) open(ctx context.Context) error {
	var err error
	if m.Images.ScoresPath != "" {
		if artefact.IsDense(m.Images.ScoresPath) {
			return fmt.Errorf("%s: contributions that are written out, want a folder of scores or of features", m.Images.ScoresPath)
		}
		from := m.Images
		from.FeaturesOnly = true
		if m.src, err = source.Open(ctx, from, m.Threads, m.say); err != nil {
			return err
		}
		m.src.TellBlock(true, m.say)
		if err := m.openLabels(ctx); err != nil {
			return err
		}
		m.Of = artefact.OfModel(m.src.Origin)
	}
	if m.pcs, err = m.Artefacts.Components(m.PCsPath, m.Of); err != nil {
		return err
	}
	if m.src != nil && m.src.OutDim != m.pcs.OutDim {
		return fmt.Errorf("%s: components of %s, want %d, as the features of %s have", m.PCsPath, quantity.Of(m.pcs.OutDim, "dimension"), m.src.OutDim, m.Images.ScoresPath)
	}
	m.pcs.AnyLength = true
	described := m.DescribeOptions
	described.Opened = m.pcs
	if m.coder, err = coding.OpenDescriber(described); err != nil {
		return err
	}
	facts := artefact.OfModel(artefact.OriginOf(m.pcs.Artefact)).Texts(m.Words)
	if m.words, err = m.Artefacts.UnitEmbeddings(m.EmbeddingsPath, facts, m.pcs.OutDim); err != nil {
		return err
	}
	if n := m.words.Texts; n != len(m.Words) {
		return fmt.Errorf("%s: embeddings of %s, but %s has %d", m.EmbeddingsPath, quantity.Of(n, "word"), m.WordsPath, len(m.Words))
	}
	return nil
}

// embed finds the unit vectors of the classes, and their difference.
func (m *misleader) embed(ctx context.Context) error {
	made := artefact.OriginOf(m.pcs.Artefact)
	o := model.TextOptions{Artefacts: m.Artefacts, Vocab: m.Vocab, Templates: m.Templates, Path: m.TextsPath, Threads: m.Threads}
	names := []string{m.From, m.To}
	var rows []float32
	var err error
	if m.TextsPath != "" {
		names = m.Classes
		rows, err = o.Read(made, m.pcs.OutDim, names, "class", m.say)
	} else {
		rows, err = m.encode(ctx, o, names)
	}
	if err != nil {
		return err
	}
	O := m.pcs.OutDim
	row := func(option, name string) ([]float32, error) {
		i := slices.Index(names, name)
		if i >= 0 {
			return rows[i*O : (i+1)*O], nil
		}
		err := usage.Errorf("{%s} %s: not among the %d {classes}", option, foreign.Quote(name), len(names))
		if meant := hint.Meant(name, names); len(meant) > 0 {
			return nil, hint.With(err, fmt.Sprintf("did you mean %q?", meant[0]))
		}
		return nil, err
	}
	from, err := row("from", m.From)
	if err != nil {
		return err
	}
	if m.to, err = row("to", m.To); err != nil {
		return err
	}
	m.toward = make([]float32, O)
	for i, x := range attribution.Difference(m.to, from) {
		m.toward[i] = float32(x)
	}
	return nil
}

// encode has the model embed texts, which must be the one that components were made with.
func (m *misleader) encode(ctx context.Context, o model.TextOptions, texts []string) ([]float32, error) {
	made := artefact.OriginOf(m.pcs.Artefact)
	opened, err := model.OpenFor(ctx, m.Model, m.Details, made)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	opened.Tell(m.say)
	if err := opened.WantFor(m.Artefacts, m.PCsPath, made, m.pcs.OutDim); err != nil {
		return nil, err
	}
	return o.Embeddings(ctx, opened, texts, "class", m.say)
}

// units finds the units whose components are closest to the difference of the classes, along it
// or against it, and their words.
func (m *misleader) units(ctx context.Context) ([]Unit, error) {
	against := make([]float32, len(m.toward))
	for i, x := range m.toward {
		against[i] = -x
	}
	near, err := m.pcs.Nearest(ctx, slices.Concat(m.toward, against), m.K, m.team)
	if err != nil {
		return nil, err
	}
	for i := range near[1] {
		near[1][i].Cosine = -near[1][i].Cosine
	}
	all := slices.DeleteFunc(slices.Concat(near[0], near[1]), func(n artefact.Near) bool { return n.Cosine == 0 })
	slices.SortFunc(all, func(a, b artefact.Near) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Cosine), math.Abs(a.Cosine)), cmp.Compare(a.Unit, b.Unit))
	})
	all = slices.CompactFunc(all, func(a, b artefact.Near) bool { return a.Unit == b.Unit }) // of few units, those of both ends
	all = all[:min(m.K, len(all))]
	indices := make([]int, len(all))
	for i, n := range all {
		indices[i] = n.Unit
	}
	described, err := m.coder.Describe(ctx, indices)
	if err != nil {
		return nil, err
	}
	units := make([]Unit, len(all))
	for i, n := range all {
		units[i] = Unit{Unit: m.pcs.Units.Name(n.Unit), Product: n.Cosine, Terms: described[i].Terms}
	}
	return units, nil
}
