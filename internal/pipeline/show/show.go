// Package show says what one unit is: its words, the images on which it is strong, usual
// and weak, and the units beside it.
package show

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/trend"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
)

// Options says which unit to show, and what of it.
type Options struct {
	Artefacts  artefact.Reader
	ScoresPath string // a folder of scores
	Unit       string // such as h3n149, or n149
	Top        int    // images of each kind
	Beside     int    // units of each kind
	PCsPath    string // of pairs, .npy [H,C,O], for words; may be empty
	Threads    int

	coding.WordsOptions
}

// Result is what is known of a unit. Norms are those of contributions, not centred, bias
// shares included; a neuron's contribution is the sum over heads.
type Result struct {
	Unit   string          `json:"unit"`
	Head   *int            `json:"head,omitempty"` // of a pair
	Neuron int             `json:"neuron"`
	Images int             `json:"images"`
	Words  []artefact.Term `json:"words"`
	From   string          `json:"words_from,omitempty"` // which codes; the coefficients of two are not on one scale
	Norms  trend.Summary   `json:"norms"`

	Uncoded bool `json:"-"` // the codes are of some units only, and not of this one

	// Of a pair: its scores, and the norm of v, which a score of 1 adds.
	Scores    *trend.Summary `json:"scores,omitempty"`
	Direction *float64       `json:"direction_norm,omitempty"`

	Strongest []Hit   `json:"strongest"`
	Median    []Hit   `json:"median"` // of the middle of the ranking
	Weakest   []Hit   `json:"weakest"`
	Beside    []Group `json:"beside"`
}

// Hit is an image and its place in the ranking by norm.
type Hit struct {
	Rank  int      `json:"rank"`  // from 1, by descending norm; of equal norms the earlier image comes first
	Image int      `json:"image"` // its row in the scores
	Name  string   `json:"name"`
	Norm  float32  `json:"norm"`
	Score *float32 `json:"score,omitempty"` // of a pair
}

// Group is the pairs of the same neuron, or of the same head: all are counted, and the
// strongest listed, and the one that is shown.
type Group struct {
	Of    string `json:"of"`    // what they share: n149, or h3 (l9n149 and l10h3 of a vision transformer)
	Count int    `json:"count"` // the unit itself included
	Units []Unit `json:"units"` // by descending mean norm; of equal ones the first unit comes first
}

// Unit is one of a group.
type Unit struct {
	Unit    string          `json:"unit"`
	Rank    int             `json:"rank"` // from 1, by mean norm
	Mean    float64         `json:"mean_norm"`
	Largest float64         `json:"largest_norm"`
	Image   string          `json:"strongest_image"` // the one of largest norm
	Words   []artefact.Term `json:"words"`

	pair int // h*C+n
}

// Run reads the scores of the unit and of those beside it, and no others. It keeps a norm
// and a score of each image, as little as its name.
func Run(ctx context.Context, o Options, say ui.Reporter) (*Result, error) {
	s, err := o.Artefacts.Scores(o.ScoresPath, nil)
	if err != nil {
		return nil, err
	}
	result, err := o.run(ctx, s, say)
	if err := errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	return result, nil
}

func (o Options) run(ctx context.Context, s *artefact.Scores, say ui.Reporter) (*Result, error) {
	units := unit.Layered{Shape: unit.Shape{s.OV.Heads, s.OV.Neurons}, Layers: artefact.LayersOf(s.Artefact)}
	head, neuron, err := parse(o.Unit, units)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.ScoresPath, err)
	}
	names, err := s.Names()
	if err != nil {
		return nil, err
	}
	if s.Images == 0 {
		return nil, fmt.Errorf("%s: scores of no image", o.ScoresPath)
	}
	words, err := coding.OpenWords(o.Artefacts, o.WordsOptions, units.Shape, artefact.DerivedFrom(s.Artefact), o.PCsPath, o.Threads)
	if err != nil {
		return nil, err
	}
	defer words.Close()
	m := newMeasurement(s, units, head, neuron, par.NewTeam(o.Threads))
	if err := m.run(ctx, say); err != nil {
		return nil, err
	}
	result := m.result(strings.ToLower(o.Unit), names, o.Top, o.Beside)
	return result, result.describe(ctx, words, s.OV.Neurons)
}

// wholeNeuron stands for the sum over heads.
const wholeNeuron = -1

// parse reads the name of a unit. The head of a neuron is wholeNeuron.
func parse(name string, pairs unit.Layered) (head, neuron int, err error) {
	found, err := pairs.Find([]string{name})
	if err != nil {
		return 0, 0, err
	}
	head, neuron = found[0]/pairs.Neurons(), found[0]%pairs.Neurons()
	if !unit.NamesHead(name) { // all pairs of the neuron were found
		head = wholeNeuron
	}
	return head, neuron, nil
}

// describe adds the words of the unit and of those beside it.
func (r *Result) describe(ctx context.Context, words *coding.Words, neurons int) error {
	var pairs []int
	if r.Head != nil {
		pairs = append(pairs, *r.Head*neurons+r.Neuron)
	}
	for _, g := range r.Beside {
		for _, u := range g.Units {
			pairs = append(pairs, u.pair)
		}
	}
	var alone []int
	if r.Head == nil {
		alone = []int{r.Neuron}
	}
	if err := words.Code(ctx, pairs, alone); err != nil {
		return err
	}
	orNone := func(terms []artefact.Term) []artefact.Term { return append([]artefact.Term{}, terms...) }
	r.From = words.From(r.Head != nil)
	if r.Words = orNone(words.Neuron(r.Neuron)); r.Head != nil {
		r.Words = orNone(words.Pair(pairs[0]))
	}
	if codes, unit := words.Codes(r.Head != nil), r.Neuron; codes != nil {
		if r.Head != nil {
			unit = pairs[0]
		}
		r.Uncoded = !codes.IsCoded(unit)
	}
	for _, g := range r.Beside {
		for i := range g.Units {
			g.Units[i].Words = orNone(words.Pair(g.Units[i].pair))
		}
	}
	return nil
}
