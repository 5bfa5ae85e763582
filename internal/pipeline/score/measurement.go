package score

import (
	"cmp"
	"context"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/rank"
	"github.com/clipnh/clipnh/internal/ui"
)

// measurement is what is found of every unit.
type measurement struct {
	*inputs
	draws int

	state []state // of each of in.units
	best  []best  // with attributes
	found []findings
}

// state says whether a unit is measured.
type state uint8

const (
	measured state = iota
	noComponent
	constant
)

// findings are the measures of one description, by unit in the order of in.units.
type findings struct {
	words, first           []measure
	floorWords, floorFirst []measure // of measured units, draw after draw
}

func newMeasurement(in *inputs) *measurement {
	m := &measurement{inputs: in, draws: in.Draws, state: make([]state, len(in.units)), found: make([]findings, len(in.descriptions))}
	if m.draws == 0 {
		m.draws = max(1, (leastDraws+len(in.units)-1)/max(1, len(in.units)))
	}
	if in.attributes != nil {
		m.best = make([]best, len(in.units))
	}
	return m
}

// run measures all units, block by block.
func (m *measurement) run(ctx context.Context, say ui.Reporter) error {
	progress := say.Progress()
	progress.Start(int64(len(m.units)), m.progressUnit(), "score")
	defer progress.Done()
	each, O := m.blockUnits(), m.scores.OV.OutDim
	vectors := make([]float32, min(each, len(m.units))*O)
	for lo := 0; lo < len(m.units); lo += each {
		if err := ctx.Err(); err != nil {
			return err
		}
		units := m.units[lo:min(lo+each, len(m.units))]
		b, err := m.load(units)
		if err != nil {
			return err
		}
		for i := range units {
			if b.null[i] {
				m.state[lo+i] = noComponent
			} else if !b.fit[i] {
				m.state[lo+i] = constant
			}
		}
		if m.attributes != nil {
			m.team.For(len(units), func(first, last, _ int) {
				for i := first; i < last; i++ {
					m.best[lo+i] = m.attributes.best(b.ranks[i*m.scores.Images:][:m.scores.Images])
				}
			})
		}
		measure := func(write func(dst []float32, d *description, u int), d *description, of func(u int) int) []measure {
			m.team.For(len(units), func(first, last, _ int) {
				for i := first; i < last; i++ {
					write(vectors[i*O:][:O], d, of(units[i]))
				}
			})
			return b.predict(vectors[:len(units)*O])
		}
		for at, d := range m.descriptions {
			f := &m.found[at]
			itself := func(u int) int { return u }
			f.words = append(f.words, measure(m.vector, d, itself)...)
			f.first = append(f.first, measure(m.first, d, itself)...)
			for draw := range m.draws {
				if err := ctx.Err(); err != nil {
					return err
				}
				other := func(u int) int { return d.other(m.Seed, u, draw) }
				f.floorWords = append(f.floorWords, b.measuredOnly(measure(m.vector, d, other))...)
				f.floorFirst = append(f.floorFirst, b.measuredOnly(measure(m.first, d, other))...)
			}
		}
		progress.Add(int64(len(units)))
	}
	return nil
}

// measuredOnly leaves out the measures of units that cannot be measured.
func (b *block) measuredOnly(all []measure) []measure {
	var kept []measure
	for i, x := range all {
		if b.fit[i] {
			kept = append(kept, x)
		}
	}
	return kept
}

// result sums up what was found.
func (m *measurement) result() *Result {
	r := &Result{Unit: m.pcs.Units.Kind(), Images: m.scores.Images, Top: m.top(), Draws: m.draws, Seed: m.Seed, Descriptions: []Description{}}
	for _, s := range m.state {
		switch s {
		case measured:
			r.Units++
		case noComponent:
			r.Left.NoComponent++
		case constant:
			r.Left.Constant++
		}
	}
	if m.attributes != nil {
		r.Attributes = len(m.attributes.all)
	}
	for at, d := range m.descriptions {
		r.Descriptions = append(r.Descriptions, m.summary(d, &m.found[at]))
	}
	return r
}

// summary sums up one description.
func (m *measurement) summary(d *description, f *findings) Description {
	s := Description{Name: d.name, All: []Unit{}}
	s.Words, s.FirstWord = m.measures(f.words, f.floorWords), m.measures(f.first, f.floorFirst)
	if m.attributes != nil {
		s.NamesBest, s.ContainsBest = new(int), new(int)
	}
	for i, u := range m.units {
		if m.state[i] != measured {
			continue
		}
		unit := Unit{
			Unit: m.pcs.Units.Name(u), Index: u, Correlation: f.words[i].correlation, AUC: f.words[i].auc,
			FirstCorrelation: f.first[i].correlation, FirstAUC: f.first[i].auc, Terms: d.codes.Terms(u, m.Words),
		}
		if len(unit.Terms) == 0 {
			s.NoWords++
		}
		if m.attributes != nil {
			best := &m.best[i]
			unit.Best, unit.BestAUC = m.attributes.all[best.attribute].Names[0], &best.auc
			names, contains := isNamed(&m.attributes.all[best.attribute], unit.Terms)
			unit.Names = names
			if names {
				*s.NamesBest++
			}
			if contains {
				*s.ContainsBest++
			}
		}
		s.All = append(s.All, unit)
	}
	return s
}

// measures sums up the measures of the units that were measured.
func (m *measurement) measures(all, floor []measure) Measures {
	var kept []measure
	for i, x := range all {
		if m.state[i] == measured {
			kept = append(kept, x)
		}
	}
	correlation := func(x measure) float64 { return x.correlation }
	auc := func(x measure) float64 { return x.auc }
	return Measures{distribution(kept, floor, correlation), distribution(kept, floor, auc)}
}

// distribution is that of one measure.
func distribution(all, floor []measure, of func(measure) float64) Distribution {
	x, y := sorted(all, of), sorted(floor, of)
	if len(x) == 0 {
		return Distribution{}
	}
	d := Distribution{
		Low: rank.Quantile(x, 0.25), Median: rank.Quantile(x, 0.5), High: rank.Quantile(x, 0.75),
		Floor: Floor{
			P2: rank.Quantile(y, 0.025), Low: rank.Quantile(y, 0.25), Median: rank.Quantile(y, 0.5), High: rank.Quantile(y, 0.75),
			P95: rank.Quantile(y, 0.95), P97: rank.Quantile(y, 0.975),
		},
	}
	for _, v := range y {
		d.Floor.Mean += v / float64(len(y))
	}
	above := 0
	for _, v := range x {
		if v > d.Floor.P95 {
			above++
		}
	}
	d.Above = float64(above) / float64(len(x))
	return d
}

func sorted(all []measure, of func(measure) float64) []float64 {
	values := make([]float64, len(all))
	for i, x := range all {
		values[i] = of(x)
	}
	slices.Sort(values)
	return values
}

// Extremes returns the k units of highest and of lowest correlation, best and worst
// first; of equal ones the first unit comes first. No unit is in both.
func (d *Description) Extremes(k int) (highest, lowest []Unit) {
	order := slices.Clone(d.All)
	slices.SortStableFunc(order, func(a, b Unit) int { return cmp.Compare(b.Correlation, a.Correlation) })
	highest = order[:min(k, len(order))]
	rest := slices.Clone(order[len(highest):])
	slices.SortStableFunc(rest, func(a, b Unit) int {
		return cmp.Or(cmp.Compare(a.Correlation, b.Correlation), cmp.Compare(a.Index, b.Index))
	})
	return highest, rest[:min(k, len(rest))]
}

// The measures of a unit in a saved file: correlation and AUC of its words, and of its
// first word alone.
const savedMeasures = 4

// checkSave returns an error unless what is measured can be saved.
func (in *inputs) checkSave() error {
	n := len(in.DecompositionPaths) + len(in.Ways)
	if in.SavePath == "" || n == 1 {
		return nil
	}
	return saveError(n)
}

// save writes the measures of all units, [H,C,4] or [C,4]. Those that were left out
// have what predicts nothing, correlations of 0 and AUCs of 0.5.
func (m *measurement) save() error {
	d, f := m.descriptions[0], &m.found[0]
	values := make([]float32, m.pcs.Units.Count()*savedMeasures)
	for i := range values {
		values[i] = float32(i%2) / 2
	}
	for i, u := range m.units {
		if m.state[i] != measured {
			continue
		}
		row := values[u*savedMeasures:][:savedMeasures]
		row[0], row[1] = float32(f.words[i].correlation), float32(f.words[i].auc)
		row[2], row[3] = float32(f.first[i].correlation), float32(f.first[i].auc)
	}
	from, err := m.origin(d)
	if err != nil {
		return err
	}
	shape := append(slices.Clone([]int(m.pcs.Units.Shape)), savedMeasures)
	return m.Writer.SaveFloat32(artefact.KindWordScores, m.SavePath, append(m.pcs.Units.Axes(), "V"), shape, values, from)
}
