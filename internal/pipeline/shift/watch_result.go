package shift

import (
	"cmp"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/trend"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
)

// The tests that p-values are of.
const (
	TestPermutation = "permutation" // trend.PValue
	TestWelch       = "welch"       // trend.WelchP
)

// The controls of false discoveries.
const (
	ControlIndependent = "bh" // Benjamini and Hochberg
	ControlDependent   = "by" // Benjamini and Yekutieli
)

// What intervals are.
const (
	bootstrapIntervals = "bootstrap"
	welchIntervals     = "welch"
	NoIntervals        = "none"
)

// WatchOptions say which collections to compare, in which concepts.
type WatchOptions struct {
	ConceptOptions
	Reference, Scores string  // folders of scores, of the same model
	List              int     // concepts, and pairs, to name at most, those that moved most
	FalseDiscovery    float64 // rate of false discoveries among what has changed, 0 to 1
	Bootstrap         int     // replicates; 0: no intervals
	Seed              uint64
	Test              string  // of TestPermutation and TestWelch
	Dependent         bool    // rates of false discoveries hold however tests depend on one another
	FailAbove         float64 // changes that are larger exceed it, if they are discoveries
	SavePath          string  // JSON; may be empty
	PlotPath          string  // .png or .svg; may be empty
	JUnitPath         string  // .xml; may be empty
	MetricsPath       string  // OpenMetrics text; may be empty
	Store             *cache.Store
	Threads           int
}

// measured is how many concepts to measure intervals of: those that are listed, or drawn.
func (o WatchOptions) measured() int {
	if o.PlotPath == "" {
		return o.List
	}
	return max(o.List, mostDrawn)
}

// minImages is how many images a collection must have: means of fewer are no matter for
// intervals. Below reliableImages tests and intervals are called approximate.
const (
	minImages      = 20
	reliableImages = 50
)

// confidence is that of the intervals.
const confidence = 0.95

// WatchResult is what moved between two collections, most first.
type WatchResult struct {
	Reference       string  `json:"reference"`
	ReferenceImages int     `json:"reference_images"`
	Scores          string  `json:"scores"`
	Images          int     `json:"images"`
	K               int     `json:"k"` // pairs that stand for a concept
	Bootstrap       int     `json:"bootstrap"`
	Seed            uint64  `json:"seed"`
	Confidence      float64 `json:"confidence"`

	Test            string   `json:"test"`      // that p is of, permutation or welch
	Control         string   `json:"control"`   // that q is by, bh or by
	Intervals       string   `json:"intervals"` // bootstrap, welch or none
	FalseDiscovery  float64  `json:"false_discovery_rate"`
	FailAbove       *float64 `json:"fail_above,omitempty"`
	Exceeding       int      `json:"exceeding"` // concepts, or pairs where there are none, that changed by more
	WatchedConcepts int      `json:"watched_concepts"`
	WatchedPairs    int      `json:"watched_pairs"`
	ChangedConcepts int      `json:"changed_concepts"`
	ChangedPairs    int      `json:"changed_pairs"`
	Concepts        []Change `json:"concepts"` // at most List
	Pairs           []Change `json:"pairs"`    // at most List, those that have changed
	Path            string   `json:"path,omitempty"`
	Plot            string   `json:"plot,omitempty"`
	JUnit           string   `json:"junit,omitempty"`
	Metrics         string   `json:"openmetrics,omitempty"`

	drawn       []Change // what a figure shows, whatever List is
	allConcepts []Change
	worst       *Change // of those exceeding; nil if none does
}

// Change is a concept by its ratio, or a pair by its score, in two collections.
type Change struct {
	Name          string            `json:"name"`              // the concept's text, or h12n624
	Pairs         []artefact.Pair   `json:"pairs,omitempty"`   // of a concept
	Neurons       []artefact.Neuron `json:"neurons,omitempty"` // whose pairs these are, where neurons stand for it
	ReferenceMean float64           `json:"reference_mean"`
	Mean          float64           `json:"mean"`
	// Difference is that of the means over the pooled standard deviation; null, for
	// infinite, of values that never vary and have moved.
	Difference *float64 `json:"difference"`
	P          float64  `json:"p"`             // of as large a difference of two parts of one collection
	Q          float64  `json:"q"`             // the least rate of false discoveries at which it has changed
	Changed    bool     `json:"changed"`       // Q is at most the rate asked for
	Low        *float64 `json:"low,omitempty"` // of the interval
	High       *float64 `json:"high,omitempty"`

	Quantiles []Quantile `json:"quantiles,omitempty"` // of scores, where one side is a summary

	size   float64 // |difference|, perhaps infinite
	number int     // of the concept or pair
}

// Quantile is what a share of the scores of a pair lies below, on both sides, to the width
// of a sketch's cells.
type Quantile struct {
	Share     float64 `json:"share"`
	Reference float64 `json:"reference"`
	Value     float64 `json:"value"`
}

// newWatchResult says what is compared. It warns of small collections.
func newWatchResult(o WatchOptions, both [2]*watched, say ui.Reporter) *WatchResult {
	r := &WatchResult{
		Reference: o.Reference, ReferenceImages: both[0].images, Scores: o.Scores, Images: both[1].images,
		Seed: o.Seed, Confidence: confidence, Test: cmp.Or(o.Test, TestPermutation), Control: ControlIndependent, FalseDiscovery: o.FalseDiscovery,
		Path: o.SavePath, Plot: o.PlotPath, JUnit: o.JUnitPath, Metrics: o.MetricsPath,
	}
	if o.Dependent {
		r.Control = ControlDependent
	}
	if !math.IsInf(o.FailAbove, 1) {
		r.FailAbove = &o.FailAbove
	}
	if n := min(both[0].images, both[1].images); n < reliableImages {
		say.Warn("%s in the smaller collection: with fewer than %d, intervals and rates of false discoveries are approximate", quantity.Of(n, "image"), reliableImages)
	}
	return r
}

// take lists what changed most: of concepts all that are to be measured, of pairs those that
// are discoveries.
func (r *WatchResult) take(concepts, pairs []Change, units unit.Layered, o WatchOptions) {
	changed := func(c Change) bool { return c.Changed }
	for _, of := range []struct {
		all   []Change
		count *int
	}{{concepts, &r.ChangedConcepts}, {pairs, &r.ChangedPairs}} {
		for _, c := range of.all {
			if c.Changed {
				*of.count++
			}
		}
	}
	r.Concepts = most(concepts, o.measured(), func(Change) bool { return true })
	r.Pairs = most(pairs, o.List, changed)
	for i, c := range r.Pairs {
		r.Pairs[i].Name = units.Name(c.number)
	}
	judged := concepts
	if len(concepts) == 0 {
		judged = pairs
	}
	exceeds := func(c Change) bool { return c.Changed && c.size > o.FailAbove }
	for _, c := range judged {
		if exceeds(c) {
			r.Exceeding++
		}
	}
	if worst := most(judged, 1, exceeds); len(worst) > 0 {
		r.worst = &worst[0]
		if len(concepts) == 0 {
			r.worst.Name = units.Name(r.worst.number)
		}
	}
}

// Worst is the largest change among those that exceed FailAbove; nil if none does.
func (r *WatchResult) Worst() *Change { return r.worst }

// Judges is what changes are held against FailAbove: concept, or pair where there are no
// concepts.
func (r *WatchResult) Judges() string {
	if r.WatchedConcepts == 0 {
		return "pair"
	}
	return "concept"
}

// cut leaves as many concepts as are to be listed, and remembers those that are drawn.
func (r *WatchResult) cut(o WatchOptions) {
	r.drawn = r.Concepts
	if r.WatchedConcepts == 0 {
		r.drawn = r.Pairs
	}
	r.drawn = r.drawn[:min(len(r.drawn), mostDrawn)]
	r.Concepts = r.Concepts[:min(len(r.Concepts), o.List)]
}

// ranked returns n quantities in their order, with how much they changed and whether they
// are discoveries.
func ranked(of [2]*trend.Moments, n int, o WatchOptions) []Change {
	test := trend.PValue
	if o.Test == TestWelch {
		test = trend.WelchP
	}
	all, p := make([]Change, n), make([]float64, n)
	for i := range all {
		d := trend.Difference(of[0], of[1], i)
		p[i] = test(of[0], of[1], i)
		all[i] = Change{ReferenceMean: of[0].Mean(i), Mean: of[1].Mean(i), Difference: defined(d), P: p[i], size: math.Abs(d), number: i}
	}
	q := trend.FalseDiscovery(p)
	if o.Dependent {
		q = trend.AnyDependence(q)
	}
	for i := range all {
		all[i].Q, all[i].Changed = q[i], q[i] <= o.FalseDiscovery
	}
	return all
}

// most returns, of those that are wanted, the changes of largest size, at most n; of equal
// ones the first comes first.
func most(all []Change, n int, wanted func(Change) bool) []Change {
	found := []Change{}
	for _, c := range all {
		if wanted(c) {
			found = append(found, c)
		}
	}
	slices.SortStableFunc(found, func(a, b Change) int { return cmp.Compare(b.size, a.size) })
	return slices.Clip(found[:min(len(found), n)])
}

func numbersOf(changes []Change) []int {
	var numbers []int
	for _, c := range changes {
		numbers = append(numbers, c.number)
	}
	return numbers
}

// mostDrawn is how many concepts a figure of what differs has room for.
const mostDrawn = 24
