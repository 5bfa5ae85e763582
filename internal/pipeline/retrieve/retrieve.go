// Package retrieve finds the images that neurons and pairs contribute most to, and
// draws them.
package retrieve

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// Options says of which units to find the strongest images, and what
// to show of them.
type Options struct {
	source.Options // with ScoresPath, a Model is for texts and heat maps only

	Neurons []string // numbers, or names such as n624 or l9n624, each with all of its pairs
	Pairs   []string // names such as h12n624, each with its neuron

	// Texts stand for the TextPairs pairs whose principal direction is closest.
	Texts       []string
	TextPairs   int
	WeighByNorm bool   // of near pairs, the largest products of cosine and norm come first
	PCsPath     string // .npy [H,C,O]
	Vocab       string
	Templates   []textlist.Template
	Top         int    // images of a unit
	SaveDir     string // for sheets and images; may be empty
	Store       *cache.Store
	Copies      bool // a copy of each image for each unit, as the reference's, in place of one for all
	CopySide    int  // images are shrunk to so many pixels a side; 0: not
	SheetHeads  int  // pairs of a neuron on its sheet, the strongest
	Threads     int

	coding.WordsOptions // what directions are made of
}

// Result is what Retrieve found.
type Result struct {
	Images   int              `json:"images"` // that were compared
	Found    []FoundPair      `json:"found,omitempty"`
	Neurons  []Neuron         `json:"neurons"`
	Skipped  []source.Skipped `json:"skipped"`
	Changed  []string         `json:"changed,omitempty"`         // images that are drawn and were other ones when the scores were collected
	Rounding *source.Rounding `json:"precision_error,omitempty"` // of a model in reduced precision
}

// FoundPair is a pair whose direction is close to a text.
type FoundPair struct {
	Text   string  `json:"text"`
	Pair   string  `json:"pair"`
	Cosine float64 `json:"cosine"`
	Norm   float32 `json:"norm"` // the largest of its contribution to an image; reports and explore have the mean
}

// Neuron is a neuron's own strongest images, and those of its pairs.
type Neuron struct {
	Neuron string `json:"neuron"` // such as n624
	Units  []Unit `json:"units"`  // the neuron, then its pairs, the strongest first
	Sheet  string `json:"sheet,omitempty"`

	index int
}

// Unit is a neuron or pair and its strongest images.
type Unit struct {
	Unit  string          `json:"unit"` // such as n624 or h12n624
	Words []artefact.Term `json:"words,omitempty"`
	Top   []Hit           `json:"top"` // by descending norm
	Heat  string          `json:"heat,omitempty"`

	head int // wholeNeuron for all of them
}

// wholeNeuron stands for the sum over heads.
const wholeNeuron = -1

// Hit is an image that a unit is strong on.
type Hit struct {
	Rank  int     `json:"rank"`  // from 1
	Image int     `json:"image"` // its row in the scores: its place among the images that could be read
	Name  string  `json:"name"`
	Norm  float32 `json:"norm"` // of the contribution, uncentred
	Path  string  `json:"path,omitempty"`
}

// Run finds, for neurons and for their pairs, the images whose
// contribution has the largest norm. For a neuron that is the contribution
// summed over heads; nothing is centred, and bias shares are part of it. Of
// equal norms the earlier image comes first.
//
// With a SaveDir, it stores these images and draws them on sheets; see draw.
// An image that cannot be read is named and left out. A result that comes with an error
// is whole, and lacks only the paths of what could not be drawn.
func Run(ctx context.Context, o Options, say ui.Reporter) (*Result, error) {
	from := o.Options
	from.LayerFrom = append([]string{o.PCsPath, o.NeuronPCsPath}, o.DecompositionPaths...)
	if o.ScoresPath != "" {
		from.Model = ""
		if !artefact.IsDense(o.ScoresPath) {
			from.Data.Path = "" // rows have names; labels are not needed
		}
	}
	if err := source.WantOutside("{save-dir}", o.SaveDir, o.Data, o.Paths...); err != nil {
		return nil, err
	}
	src, err := source.Open(ctx, from, o.Threads, say)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	if artefact.IsDense(o.ScoresPath) && o.Data.Path == "" {
		say.Note("%s: its rows have no names, so that images are numbers from 0; {data-path} and {dataset}, those that it was collected from, give names", o.ScoresPath)
	}
	near, err := o.find(ctx, src, say)
	if err != nil {
		return nil, err
	}
	asked, err := o.asked(src, near)
	if err != nil {
		return nil, err
	}
	words, err := o.openWords(ctx, src, asked)
	if err != nil {
		return nil, err
	}
	var d *renderer
	if o.SaveDir != "" { // what is wrong with its inputs is known before the scores are read
		if d, err = o.newDrawing(ctx, src, say); err != nil {
			return nil, err
		}
		defer d.close()
		if _, err := os.Lstat(o.SaveDir); errors.Is(err, fs.ErrNotExist) {
			d.madeFolder = true
		}
		if err := canRetrieveInto(o.SaveDir, o.Copies, asked); err != nil {
			return nil, err
		}
	}
	result := &Result{Skipped: []source.Skipped{}}
	r := newRanking(src, asked, o.Top, o.Threads)
	if err := r.run(ctx, say); err != nil {
		return nil, err
	}
	result.Rounding = src.Rounding
	result.Images, result.Skipped = r.seen, append(append(result.Skipped, src.Skipped...), src.Unlisted...)
	result.Neurons = r.result()
	if len(near) > 0 {
		result.Found = o.choose(near, result.Neurons, say)
		if asked, err = o.asked(src, result.Found); err != nil {
			return nil, err
		}
		result.Neurons = only(result.Neurons, asked)
	}
	for _, n := range result.Neurons {
		for i := range n.Units {
			u := &n.Units[i]
			if u.head == wholeNeuron {
				u.Words = words.Neuron(n.index)
			} else {
				u.Words = words.Pair(u.head*src.Neurons + n.index)
			}
		}
	}
	if d == nil {
		return result, nil
	}
	skipped, err := d.draw(ctx, result)
	if errors.Is(err, context.Canceled) {
		return nil, err
	}
	result.Skipped, result.Changed = append(result.Skipped, skipped...), d.recorded.Tell(say)
	if err != nil {
		result.forgetMissing()
	}
	return result, err
}

// forgetMissing takes back the paths of files that are not there.
func (r *Result) forgetMissing() {
	keep := func(path *string) {
		if _, err := os.Stat(*path); err != nil {
			*path = ""
		}
	}
	for i := range r.Neurons {
		n := &r.Neurons[i]
		keep(&n.Sheet)
		for j := range n.Units {
			u := &n.Units[j]
			keep(&u.Heat)
			for k := range u.Top {
				keep(&u.Top[k].Path)
			}
		}
	}
}

// find returns the pairs closest to each text, from which choose takes those that stand for
// it. How the checkpoint is read is said, if nobody did.
func (o Options) find(ctx context.Context, src *source.Source, say ui.Reporter) ([]FoundPair, error) {
	if len(o.Texts) == 0 {
		return nil, nil
	}
	of := src.Origin
	m, err := model.OpenFor(ctx, o.Model, o.Details, of)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if src.Tower == nil {
		m.Tell(say)
	}
	if err := m.WantFor(o.Artefacts, o.ScoresPath, of, src.OutDim); err != nil {
		return nil, err
	}
	of = of.WithWeights(m.Origin())
	pcs, err := o.Artefacts.ComponentsOfUnits(o.PCsPath, artefact.Of(of), unit.Shape{src.Heads, src.Neurons}, src.OutDim)
	if err != nil {
		return nil, err
	}
	defer pcs.Close()
	encoder, err := model.NewEncoder(m.Checkpoint, o.Vocab, o.Threads, say)
	if err != nil {
		return nil, err
	}
	texts, err := encoder.Embed(ctx, o.Texts, o.Templates, func(int) {})
	if err != nil {
		return nil, err
	}
	nearest, err := pcs.Nearest(ctx, texts, o.TextPairs*nearPairs, par.NewTeam(o.Threads))
	if err != nil {
		return nil, err
	}
	var found []FoundPair
	for i := range nearest {
		named := unit.Layered{Shape: pcs.Units.Shape, Layers: src.Units().Layers}
		for _, near := range nearest[i] {
			found = append(found, FoundPair{Text: o.Texts[i], Pair: named.Name(near.Unit), Cosine: near.Cosine})
		}
	}
	return found, nil
}

// askedNeuron is a neuron and which of its pairs are wanted.
type askedNeuron struct {
	index int
	heads []int // ascending
}

// neuronOf finds a neuron by its number or its name.
func neuronOf(src *source.Source, name string) (int, error) {
	n, err := strconv.Atoi(name)
	if err != nil {
		found, err := src.NeuronUnits().Find([]string{name})
		if err != nil {
			return 0, usage.Errorf("{neur-idxs}: %w", err)
		}
		return found[0], nil
	}
	if n < 0 || n >= src.Neurons {
		return 0, usage.Errorf("{neur-idxs}: neuron %d: want 0 to %d", n, src.Neurons-1)
	}
	return n, nil
}

// asked returns the neurons in the order in which they are first named: alone,
// in a pair, or by a text.
func (o Options) asked(src *source.Source, found []FoundPair) ([]askedNeuron, error) {
	if src.Heads == 0 { // summed over heads
		if len(o.Pairs) > 0 || slices.ContainsFunc(found, func(f FoundPair) bool { return unit.NamesHead(f.Pair) }) {
			return nil, usage.Errorf("%s: contributions summed over heads: want neurons, which {neur-idxs} names, not pairs", o.ScoresPath)
		}
	}
	var all []askedNeuron
	add := func(neuron int, heads ...int) {
		at := slices.IndexFunc(all, func(a askedNeuron) bool { return a.index == neuron })
		if at < 0 {
			at = len(all)
			all = append(all, askedNeuron{index: neuron})
		}
		all[at].heads = append(all[at].heads, heads...)
		slices.Sort(all[at].heads)
		all[at].heads = slices.Compact(all[at].heads)
	}
	heads := make([]int, src.Heads)
	for h := range heads {
		heads[h] = h
	}
	for _, name := range o.Neurons {
		n, err := neuronOf(src, name)
		if err != nil {
			return nil, err
		}
		if at := slices.IndexFunc(all, func(a askedNeuron) bool { return a.index == n }); at >= 0 {
			if first := o.Neurons[at]; first != name { // all are of o.Neurons so far, in order
				return nil, usage.Errorf("{neur-idxs} %s is given twice: %s is the same neuron", name, first)
			}
			return nil, usage.Errorf("{neur-idxs} %s is given twice", name)
		}
		add(n, heads...)
	}
	names := slices.Clone(o.Pairs)
	for _, f := range found {
		names = append(names, f.Pair)
	}
	pairs, err := src.Units().Find(names)
	if err != nil {
		return nil, usage.Errorf("{pairs}: %w", err)
	}
	for _, p := range pairs {
		if src.Heads == 0 {
			add(p)
			continue
		}
		add(p%src.Neurons, p/src.Neurons)
	}
	if len(all) == 0 {
		return nil, errors.New("no neurons and no pairs to look at")
	}
	return all, nil
}
