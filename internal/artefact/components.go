package artefact

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/unit"
)

// Components are the principal components of units, unit vectors in a file, whose
// rows are read as they are needed.
type Components struct {
	Path     string
	Units    unit.Layered
	OutDim   int
	Artefact *cache.Artefact // nil for a file of another program

	// AnyLength accepts other lengths than 1 of another program's components, as a code has
	// coefficients for any.
	AnyLength bool

	tensor *Tensor
	ov     *decomp.OV // instead of a file
	team   par.Team   // with ov
}

// Components opens a file of components, [H,C,O] of pairs or [C,O] of neurons.
func (r Reader) Components(path string, facts Facts) (*Components, error) {
	t, err := r.Tensor(path, facts, KindComponents)
	if err != nil {
		return nil, err
	}
	if n := len(t.Shape); n != 2 && n != 3 || Product(t.Shape) == 0 {
		t.Close()
		return nil, t.WrongShape("[H,C,O] of pairs or [C,O] of neurons")
	}
	r.warnOfSigns(path, t.Artefact)
	last := len(t.Shape) - 1
	return &Components{Path: path, Units: unit.Layered{Shape: slices.Clone(t.Shape[:last]), Layers: LayersOf(t.Artefact)}, OutDim: t.Shape[last], Artefact: t.Artefact, tensor: t}, nil
}

// EnoughImages is how many images the rule of signs wants, if the majority of the topK
// strongest is to mean something.
func EnoughImages(topK int) int { return 4 * topK }

// MostTopK is the largest topK for which so many images are enough, or 1.
func MostTopK(images int) int { return max(1, images/4) }

// warnOfSigns repeats to those who use components what was said when they were made.
func (r Reader) warnOfSigns(path string, a *cache.Artefact) {
	if r.Warn == nil || a == nil || a.Manifest.Images == 0 || a.Manifest.Origin.SVD == nil {
		return
	}
	if images, topK := a.Manifest.Images, a.Manifest.Origin.SVD.TopK; images < EnoughImages(topK) {
		r.Warn("%s: signs are unreliable: they were decided with {top-k-pca} %d and %s; make it again of %s or more, or with {top-k-pca} %d",
			path, topK, quantity.Of(images, "image"), quantity.Of(EnoughImages(topK), "image"), MostTopK(images))
	}
}

// ComponentsOf opens components of these units, of O dimensions.
func (r Reader) ComponentsOf(path string, facts Facts, units unit.Shape, outDim int) (*Components, error) {
	c, err := r.Components(path, facts)
	if err != nil {
		return nil, err
	}
	return c.of(units, outDim)
}

// of is the components, which are closed unless they are of these units, of O dimensions.
func (c *Components) of(units unit.Shape, outDim int) (*Components, error) {
	if err := c.Want(units, outDim); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Want returns an error unless the components are of these units, of O dimensions: OtherUnits where
// they are of pairs and not of neurons, or the other way round.
func (c *Components) Want(units unit.Shape, outDim int) error {
	if slices.Equal(c.Units.Shape, units) && c.OutDim == outDim {
		return nil
	}
	if err := c.tensor.otherUnits(len(units) + 1); err != nil {
		return err
	}
	return c.tensor.WrongShape(npy.ShapeString(append(slices.Clone(units), outDim)) + ", a component for every " + units.Kind() + " of the model")
}

// ComponentsBeside opens components of the pairs or of the neurons of scores with these weights.
func (r Reader) ComponentsBeside(path string, facts Facts, ov *decomp.OV) (*Components, error) {
	c, want, err := r.componentsLike(path, facts, unit.Shape{ov.Heads, ov.Neurons})
	if err != nil {
		return nil, err
	}
	if !slices.Equal(c.Units.Shape, want) || c.OutDim != ov.OutDim {
		c.Close()
		return nil, fmt.Errorf("%s: shape %s, want %s as the scores have it", path,
			npy.ShapeString(append(slices.Clone([]int(c.Units.Shape)), c.OutDim)), npy.ShapeString(append(slices.Clone([]int(want)), ov.OutDim)))
	}
	return c, nil
}

// ComponentsOfUnits opens components of these pairs, [H,C], of O dimensions, or of their neurons,
// each of which stands for all of its pairs.
func (r Reader) ComponentsOfUnits(path string, facts Facts, pairs unit.Shape, outDim int) (*Components, error) {
	c, want, err := r.componentsLike(path, facts, pairs)
	if err != nil {
		return nil, err
	}
	return c.of(want, outDim)
}

// componentsLike opens components, and says which units they must be of: these pairs, or, if they
// are of neurons, the neurons of these.
func (r Reader) componentsLike(path string, facts Facts, pairs unit.Shape) (*Components, unit.Shape, error) {
	c, err := r.Components(path, facts)
	if err == nil && !c.Units.IsPairs() {
		pairs = pairs[1:]
	}
	return c, pairs, err
}

// A Neuron is one with all of its pairs, and how close its component is to a text.
type Neuron struct {
	Unit   string  `json:"unit"`   // such as l9n624
	Cosine float64 `json:"cosine"` // of its component and the text's embedding
}

// NeuronsOf are units as neurons; none of pairs.
func NeuronsOf(near []Near, units unit.Layered) (neurons []Neuron) {
	if units.IsPairs() {
		return nil
	}
	for _, n := range near {
		neurons = append(neurons, Neuron{units.Name(n.Unit), n.Cosine})
	}
	return neurons
}

// PairsWithin are the pairs that units of a shape stand for, seen through heads: themselves, or all
// of a neuron, those of the first head first.
func PairsWithin(near []Near, units unit.Shape, heads int) []Near {
	if units.IsPairs() {
		return near
	}
	all := make([]Near, 0, len(near)*heads)
	for _, n := range near {
		for h := range heads {
			all = append(all, Near{h*units.Neurons() + n.Unit, n.Cosine})
		}
	}
	return all
}

// DirectionsOf are pairs' components as far as the weights alone tell: v/|v|, which is
// PC0 up to its sign, the direction that a larger score adds. It is zero where v is.
func DirectionsOf(p *decomp.OV, team par.Team) *Components {
	return &Components{Path: "the weights", Units: unit.Layered{Shape: unit.Shape{p.Heads, p.Neurons}}, OutDim: p.OutDim, ov: p, team: team}
}

// Close closes the file.
func (c *Components) Close() error {
	if c.ov != nil {
		return nil
	}
	return c.tensor.Close()
}

// Read returns the components of some units, [len(units),O].
func (c *Components) Read(units []int) ([]float32, error) {
	rows := make([]float32, len(units)*c.OutDim)
	for lo := 0; lo < len(units); {
		hi := lo + 1 // of a run of units that follow one another
		for hi < len(units) && units[hi] == units[hi-1]+1 {
			hi++
		}
		if err := c.ReadRange(rows[lo*c.OutDim:hi*c.OutDim], units[lo]); err != nil {
			return nil, err
		}
		lo = hi
	}
	return rows, nil
}

// ReadRows hands over the components of all units in groups, in order.
func (c *Components) ReadRows(do func(first int, rows []float32) error) error {
	units := c.Units.Count()
	group := max(1, min(units, blockElements/c.OutDim))
	buf := make([]float32, group*c.OutDim)
	for lo := 0; lo < units; lo += group {
		rows := buf[:min(group, units-lo)*c.OutDim]
		if err := c.ReadRange(rows, lo); err != nil {
			return err
		}
		if err := do(lo, rows); err != nil {
			return err
		}
	}
	return nil
}

// ReadRange fills rows [U,O] with the components of the units from first on.
func (c *Components) ReadRange(rows []float32, first int) error {
	t := c.tensor
	if c.ov != nil {
		c.ov.UnitDirections(rows, first, c.team)
	} else if t.file == nil {
		copy(rows, t.data[first*c.OutDim:])
	} else if err := t.file.ReadFloat32(rows, int64(first)*int64(c.OutDim)); err != nil {
		return err
	}
	if i := FirstNonFinite(rows); i >= 0 {
		return fmt.Errorf("%s: component of %s: element %d is %g, want a finite number", c.Path, c.Units.Name(first+i/c.OutDim), i%c.OutDim, rows[i])
	}
	if c.ov != nil || c.Artefact != nil || c.AnyLength {
		return nil // made here, or taken as they are
	}
	return c.tensor.unitVectors(rows, first)
}

// notOne is how far from 1 the length of a component may be that another program wrote: more
// than half precision or bfloat16 move that of a unit vector.
const notOne = 0.01

// unitVectors returns an error unless rows of the tensor, from number first on, are unit
// vectors, or zero, as of units without a component.
func (t *Tensor) unitVectors(rows []float32, first int) error {
	outDim := t.Shape[len(t.Shape)-1]
	for i := range len(rows) / outDim {
		length := decomp.Norm(rows[i*outDim : (i+1)*outDim])
		if length == 0 || math.Abs(length-1) <= notOne {
			continue
		}
		shape := t.Shape[:len(t.Shape)-1]
		name := unit.Layered{Shape: slices.Clone(shape)}.Name(first + i)
		return hint.With(fmt.Errorf("%s: row %d, the component of %s, has the length %.4g, want 1 (or 0 where there is none)", t.Path, first+i, name, length),
			"divide every row by its length in the program that wrote it")
	}
	return nil
}

// ComponentRows fills rows with those of a tensor of components, from number first on, which must
// be unit vectors where another program wrote them.
func (t *Tensor) ComponentRows(rows []float32, first int) error {
	if err := t.Read(rows, first*t.Shape[len(t.Shape)-1]); err != nil || t.Artefact != nil {
		return err
	}
	return t.unitVectors(rows, first)
}

// A Near is a unit and the product of its component with a text's embedding,
// which is the cosine as both are unit vectors.
type Near struct {
	Unit   int
	Cosine float64
}

// textsPerBlock bounds the products of texts and components in memory: with the
// rows that a block of components has, some 64 MiB.
const textsPerBlock = 256

// Nearest returns, for each of texts [M,O], the k units whose component has the
// largest product with it, best first; of equal ones the first unit comes first.
func (c *Components) Nearest(ctx context.Context, texts []float32, k int, team par.Team) ([][]Near, error) {
	O, units := c.OutDim, c.Units.Count()
	M, k := len(texts)/O, min(k, units)
	rowsPerBlock := max(1, min(units, 1<<16, blockElements/O))
	products := make([]float32, min(M, textsPerBlock)*rowsPerBlock)
	block := make([]float32, rowsPerBlock*O)
	best := make([][]Near, M)
	for i := range best {
		best[i] = make([]Near, 0, k+1)
	}
	for lo := 0; lo < units; lo += rowsPerBlock {
		n := min(rowsPerBlock, units-lo)
		rows := block[:n*O]
		if err := c.ReadRange(rows, lo); err != nil {
			return nil, err
		}
		for from := 0; from < M; from += textsPerBlock {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			to := min(from+textsPerBlock, M)
			kernel.Sgemm(1, kernel.Dense(texts[from*O:], to-from, O), kernel.Dense(rows, n, O).T(), 0, kernel.Dense(products, to-from, n), team)
			team.For(to-from, func(first, last, _ int) {
				for i := first; i < last; i++ {
					best[from+i] = keepNearest(best[from+i], products[i*n:(i+1)*n], lo, k)
				}
			})
		}
	}
	return best, nil
}

// keepNearest merges the products of units, the first of number first, into the
// k best.
func keepNearest(best []Near, products []float32, first, k int) []Near {
	for j := 0; j < len(products); j++ {
		if len(best) == k { // none is above itself
			if j += kernel.Exceeding(products[j:], products[j:], float32(best[k-1].Cosine)); j == len(products) {
				break
			}
		}
		near := Near{first + j, float64(products[j])}
		at := len(best)
		for at > 0 && near.Cosine > best[at-1].Cosine {
			at--
		}
		best = slices.Insert(best, at, near)
		best = best[:min(len(best), k)]
	}
	return best
}

// A Pair is a neuron-head pair and how close its component is to a text.
type Pair struct {
	Head   int     `json:"head"` // h, of all layers that have heads of pairs
	Neuron int     `json:"neuron"`
	Cosine float64 `json:"cosine"`
	Unit   string  `json:"unit,omitempty"` // the label, where it names layers: l10h3n624
}

// Name labels the pair, such as h12n624.
func (p Pair) Name() string {
	if p.Unit != "" {
		return p.Unit
	}
	return fmt.Sprintf("h%dn%d", p.Head, p.Neuron)
}

// PairsOf are units as pairs.
func PairsOf(near []Near, units unit.Layered) []Pair {
	pairs, neurons := make([]Pair, len(near)), units.Neurons()
	for i, n := range near {
		pairs[i] = Pair{Head: n.Unit / neurons, Neuron: n.Unit % neurons, Cosine: n.Cosine}
		if units.Layers.Heads > 0 {
			pairs[i].Unit = units.Name(n.Unit)
		}
	}
	return pairs
}
