package score

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/describe"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// description is the codes of units.
type description struct {
	name  string
	codes *artefact.Codes
	pool  []int // units that have words, ascending, of which others are drawn
	way   *coding.Coding
}

// describe reads the decompositions and computes the codes of the ways.
func (in *inputs) describe(ctx context.Context, say ui.Reporter) error {
	for _, path := range in.DecompositionPaths {
		codes, err := in.readCodes(path)
		if err != nil {
			return err
		}
		in.descriptions = append(in.descriptions, &description{name: path, codes: codes})
	}
	for _, way := range in.Ways {
		d, err := in.compute(ctx, way, say)
		if err != nil {
			return err
		}
		in.descriptions = append(in.descriptions, d)
	}
	for _, d := range in.descriptions {
		for u := range d.codes.Rows.Rows {
			if words, _ := d.codes.Rows.Slice(u); len(words) > 0 {
				d.pool = append(d.pool, u)
			}
		}
		if len(d.pool) < 2 {
			return fmt.Errorf("%s: %s with words, want 2 or more, to compare each with the words of others", d.name, quantity.Of(len(d.pool), "unit"))
		}
	}
	return nil
}

// readCodes reads a decomposition, which must be of these components and words, and
// have a code for every unit that is asked for.
func (in *inputs) readCodes(path string) (*artefact.Codes, error) {
	facts := artefact.Of(artefact.OriginOf(in.scores.Artefact)).Texts(in.Words)
	if a := in.pcs.Artefact; a != nil {
		facts = facts.Parent("components", a.Hash())
	}
	codes, err := in.Artefacts.Codes(path, facts)
	if err != nil {
		return nil, err
	}
	if units := codes.Units(); units.Shape != nil && !slices.Equal(units.Shape, in.pcs.Units.Shape) {
		return nil, fmt.Errorf("%s: codes of %ss, want %ss, as the components are of", path, units.Kind(), in.pcs.Units.Kind())
	}
	if err := codes.Want(in.pcs.Units.Count(), len(in.Words)); err != nil {
		return nil, err
	}
	if len(in.Units) == 0 { // those that were coded
		in.units = slices.DeleteFunc(in.units, func(u int) bool { return !codes.IsCoded(u) })
	}
	for _, u := range in.units {
		if !codes.IsCoded(u) {
			return nil, fmt.Errorf("%s: %s is not among the units that were coded", path, in.pcs.Units.Name(u))
		}
	}
	return codes, nil
}

// otherUnits is how many units are coded beside those asked for, to draw from.
const otherUnits = 256

// compute computes codes of the units that are asked for, and of others where these
// are few.
func (in *inputs) compute(ctx context.Context, way Way, say ui.Reporter) (*description, error) {
	collected := in.CollectPath
	if way.Method != describe.TextSpan {
		collected = "" // another of the ways reads it
	}
	c, err := coding.Open(coding.Options{
		Artefacts: in.Artefacts, PCsPath: in.PCsPath, EmbeddingsPath: in.EmbeddingsPath, Words: in.Words, WordsPath: in.WordsPath,
		Method: way.Method, Normalize: way.Normalize, Components: in.Components, CollectPath: collected, Threads: in.Threads,
	})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	units := slices.Clone(in.units)
	if count := in.pcs.Units.Count(); len(units) < otherUnits && len(units) < count {
		random := rand.New(rand.NewPCG(in.Seed, 0))
		units = append(units, random.Perm(count)[:min(otherUnits, count)]...)
		slices.Sort(units)
		units = slices.Compact(units)
	}
	if err := c.Prepare(ctx, len(units)); err != nil {
		return nil, err
	}
	K := in.Components
	all := &omp.Codes{Count: len(units), Atoms: K, Words: len(in.Words)}
	progress := say.Progress()
	progress.Start(int64(len(units)), in.progressUnit(), way.Method.String()+", "+way.Normalize.String())
	defer progress.Done()
	for lo := 0; lo < len(units); lo += coding.BatchUnits {
		batch := units[lo:min(lo+coding.BatchUnits, len(units))]
		told := 0
		codes, err := c.Code(ctx, batch, func(steps int) {
			progress.Add(int64(steps/K - told))
			told = steps / K
		})
		if err != nil {
			return nil, err
		}
		all.Sizes, all.Support, all.Coefficients = append(all.Sizes, codes.Sizes...), append(all.Support, codes.Support...), append(all.Coefficients, codes.Coefficients...)
		all.Residuals, all.Stops = append(all.Residuals, codes.Residuals...), append(all.Stops, codes.Stops...)
	}
	return &description{name: way.String(), codes: artefact.NewCodes(all, units, in.pcs.Units.Count()), way: c}, nil
}

func (in *inputs) progressUnit() ui.Unit {
	if in.pcs.Units.IsPairs() {
		return ui.Pairs
	}
	return ui.Neurons
}

// vector writes Σ_w c_w e_w of a unit's code to dst [O].
func (in *inputs) vector(dst []float32, d *description, unit int) {
	words, values := d.codes.Rows.Slice(unit)
	in.combine(dst, words, values)
}

// first writes c_w e_w of a unit's first word to dst [O], zero where it has none.
func (in *inputs) first(dst []float32, d *description, unit int) {
	words, values := d.codes.Rows.Slice(unit)
	if i := firstTerm(values); i >= 0 {
		words, values = words[i:i+1], values[i:i+1]
	}
	in.combine(dst, words, values)
}

// firstTerm is the place of the largest absolute coefficient; of equal ones the first,
// as words ascend. It is -1 of none.
func firstTerm(values []float32) int {
	best := -1
	for i, v := range values {
		if v == 0 { // an element that is stored, as another program may
			continue
		}
		if best < 0 || max(v, -v) > max(values[best], -values[best]) {
			best = i
		}
	}
	return best
}

func (in *inputs) combine(dst []float32, words []int32, values []float32) {
	O := len(dst)
	sum := make([]float64, O)
	for i, w := range words {
		for o, x := range in.words.Rows[int(w)*O:][:O] {
			sum[o] += float64(values[i]) * float64(x)
		}
	}
	for o, x := range sum {
		dst[o] = float32(x)
	}
}

// other draws a unit other than u from those that have words. The draw depends on the
// seed, the unit and the number of the draw.
func (d *description) other(seed uint64, u, draw int) int {
	random := rand.New(rand.NewPCG(seed, uint64(u)<<32|uint64(uint32(draw+1))))
	self, found := slices.BinarySearch(d.pool, u)
	if !found {
		return d.pool[random.IntN(len(d.pool))]
	}
	at := random.IntN(len(d.pool) - 1)
	if at >= self {
		at++
	}
	return d.pool[at]
}
