package audit

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/permutation"
	"github.com/clipnh/clipnh/internal/trend"
)

// contrasts are those of one label, in the choosing half.
type contrasts struct {
	label    int
	images   []*audited
	samples  []sample // of the images
	groups   []string // that there are, in their order
	of       []int    // group of each image
	design   *permutation.Design
	ahead    []bool    // of each contrast: whether the group's margins are larger than the rest's
	indicate [][]bool  // [contrasts][images], whether an image is of the side that is ahead
	gap      []float64 // of each contrast: by how much the margins are larger
}

// A survivor is a pair that may turn out to be found.
type survivor struct {
	contrasts *contrasts
	contrast  int
	pair      int
	r         float64
}

// contrastsOf returns the contrasts of labels that have several groups.
func (a *auditor) contrastsOf() []*contrasts {
	var all []*contrasts
	for lo := 0; lo < len(a.cells); {
		hi := lo + 1
		for hi < len(a.cells) && a.cells[hi].label == a.cells[lo].label {
			hi++
		}
		if hi-lo > 1 {
			all = append(all, a.newContrasts(a.cells[lo:hi]))
		}
		lo = hi
	}
	return all
}

func (a *auditor) newContrasts(cells []cell) *contrasts {
	c := &contrasts{label: cells[0].label}
	for g, cell := range cells {
		c.groups = append(c.groups, cell.group)
		for _, i := range cell.images {
			if i.half == choosing {
				c.images, c.of = append(c.images, i), append(c.of, g)
				c.samples = append(c.samples, sample{i.row, i.label, i.rival, i.length})
			}
		}
	}
	c.design = permutation.NewDesign(c.of, permutation.Permuted(c.of, a.Permutations, a.Seed, firstStream+streamOf(cells)))
	for _, g := range c.design.Contrasts {
		margins, count := [2]float64{}, [2]float64{}
		side := func(i int) int {
			if c.of[i] == g {
				return 1
			}
			return 0
		}
		for i, image := range c.images {
			margins[side(i)] += image.margin
			count[side(i)]++
		}
		difference := margins[1]/count[1] - margins[0]/count[0]
		indicate := make([]bool, len(c.images))
		for i := range indicate {
			indicate[i] = (side(i) == 1) == (difference >= 0)
		}
		c.ahead, c.indicate, c.gap = append(c.ahead, difference >= 0), append(c.indicate, indicate), append(c.gap, math.Abs(difference))
	}
	return c
}

// streamOf is the random stream of the cells of a label.
func streamOf(cells []cell) uint64 {
	return slices.MinFunc(cells, func(x, y cell) int { return cmp.Compare(x.stream, y.stream) }).stream
}

// firstStream keeps the permutations' random numbers apart from those of the halves.
const firstStream = 1 << 32

// groupAhead names the group of a contrast whose margins are larger: of two groups
// either, else the group itself or all others.
func (c *contrasts) groupAhead(contrast int) string {
	g := c.design.Contrasts[contrast]
	switch {
	case c.ahead[contrast]:
		return c.groups[g]
	case len(c.groups) == 2:
		return c.groups[1-g]
	}
	return "not " + c.groups[g]
}

// find returns the pairs, or heads, whose share of the margin goes with a contrast, after the
// correction for all of them. They are looked at in blocks, so that memory does not grow with
// images times pairs.
func (a *auditor) find(ctx context.Context) ([]survivor, error) {
	all := a.contrastsOf()
	a.sayContrasts(all)
	var kept []survivor
	units := a.subject.count()
	progress := a.say.Progress()
	progress.Start(int64(len(all))*int64(units), a.subject.counted(), "permute")
	defer progress.Done()
	for _, c := range all {
		var values []float32
		for first := 0; first < units; {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			n := a.subject.block(first, len(c.images), c.design.Width())
			values = slices.Grow(values[:0], len(c.images)*n)[:len(c.images)*n]
			if err := a.subject.shares(values, c.samples, first, n); err != nil {
				return nil, err
			}
			c.design.Add(values, n, a.team) // values are standardised now
			alone := permutation.NewFamily([]*permutation.Design{c.design})
			kept = append(kept, c.survivors(values, first, n, alone.Least(a.Level, len(c.images)))...)
			first += n
			progress.Add(int64(n))
		}
	}
	return a.significant(all, kept), nil
}

// survivors are the pairs of a block, of standardised values, whose |r| with a contrast
// is at least some value.
func (c *contrasts) survivors(values []float32, first, n int, least float64) []survivor {
	var kept []survivor
	r := make([]float64, n)
	for at, indicate := range c.indicate {
		clear(r)
		ahead := 0.0
		for i, yes := range indicate {
			if !yes {
				continue
			}
			ahead++
			for u, x := range values[i*n : (i+1)*n] {
				r[u] += float64(x)
			}
		}
		total := float64(len(indicate))
		length := math.Sqrt(ahead * (total - ahead) / total) // of the centred indicator
		for u := range r {
			if r[u] /= length; math.Abs(r[u]) >= least-1e-4 { // exact ones come later
				kept = append(kept, survivor{c, at, first + u, r[u]})
			}
		}
	}
	return kept
}

// significant are the survivors that the permutations of all pairs and labels leave, the
// most significant first.
func (a *auditor) significant(all []*contrasts, kept []survivor) []survivor {
	family := familyOf(all)
	a.family = family
	least := make(map[*contrasts]float64, len(all))
	for _, c := range all {
		least[c] = family.Least(a.Level, len(c.images))
	}
	kept = slices.DeleteFunc(kept, func(s survivor) bool { return math.Abs(s.r) < least[s.contrasts]-1e-4 })
	slices.SortStableFunc(kept, func(x, y survivor) int {
		_, p := trend.Significance(x.r, len(x.contrasts.images))
		_, q := trend.Significance(y.r, len(y.contrasts.images))
		return cmp.Or(cmp.Compare(p, q), cmp.Compare(x.pair, y.pair))
	})
	a.contrasts = all
	return kept
}

// sayContrasts fills in what is known of contrasts before any pair is.
func (a *auditor) sayContrasts(all []*contrasts) {
	for _, c := range all {
		for at, g := range c.design.Contrasts {
			x := Contrast{
				Label: a.Options.Classes[c.label], Group: c.groups[g], Images: len(c.images), Ahead: c.ahead[at], Difference: c.gap[at],
			}
			for m, concept := range a.Options.Concepts {
				values, yes := make([]float64, len(c.images)), make([]bool, len(c.images))
				for i, image := range c.images {
					values[i], yes[i] = image.conceptShare[m], c.of[i] == g
				}
				if fit := trend.PointBiserial(values, yes); !math.IsNaN(fit.P) {
					x.Concepts = append(x.Concepts, ConceptFit{concept, fit.R, fit.P})
				}
			}
			a.result.Contrasts = append(a.result.Contrasts, x)
		}
	}
}
