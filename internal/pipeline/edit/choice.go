package edit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// A choice is the factor of every pair. A pair that was named has the factor that it was
// named with, which may be 1; the others have 1.
type choice struct {
	units   unit.Layered
	factors []float64 // [H,C]
	by      []string  // what named the pair; empty of others
}

func newChoice(units unit.Layered) *choice {
	c := &choice{units, make([]float64, units.Count()), make([]string, units.Count())}
	for i := range c.factors {
		c.factors[i] = 1
	}
	return c
}

// set gives pairs a factor. by says what named them. A pair that has another factor
// already is an error.
func (c *choice) set(pairs []int, factor float64, by string) error {
	for _, u := range pairs {
		if c.by[u] != "" && c.factors[u] != factor {
			return usage.Errorf("%s %s has two factors: %g by %s, %g by %s", c.units.Kind(), c.units.Name(u), c.factors[u], c.by[u], factor, by)
		}
		c.factors[u], c.by[u] = factor, by
	}
	return nil
}

// named returns the pairs of a unit's name; that of a head of an attention pool names all of
// the head's. The error of a name that no unit has offers what
// can be edited.
func (c *choice) named(option, name string) ([]int, error) {
	if head, ok := c.units.Layers.FindHead(name, c.units.Shape[0]); ok && c.units.Layers.Separable() {
		pairs := make([]int, c.units.Neurons())
		for n := range pairs {
			pairs[n] = head*len(pairs) + n
		}
		return pairs, nil
	}
	pairs, err := c.units.Find([]string{name})
	if err != nil {
		if !c.units.Layers.Separable() && c.units.IsPairs() {
			_, err = unit.Layered{Shape: c.units.Shape[1:], Layers: c.units.Layers}.Find([]string{name})
		}
		return nil, fmt.Errorf("%s: %w", option, err)
	}
	return pairs, nil
}

// choose collects what is asked for, and tells it to the origin. The mask is nil where none
// is given, or it is another program's file.
func (e *editor) choose(ctx context.Context) (*choice, *cache.Artefact, error) {
	if len(e.Remove) == 0 && len(e.Scale) == 0 && e.MaskPath == "" && len(e.Texts) == 0 {
		return nil, nil, errNothing
	}
	c := newChoice(e.units)
	for _, name := range e.Remove {
		pairs, err := c.named("{remove}", name)
		if err == nil {
			err = c.set(pairs, 0, "{remove} "+name)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	for _, s := range e.Scale {
		by := fmt.Sprintf("%s=%g", s.Unit, s.Factor)
		if math.IsNaN(s.Factor) || math.IsInf(s.Factor, 0) {
			return nil, nil, usage.Errorf("{scale} %s: want a finite factor", by)
		}
		pairs, err := c.named("{scale}", s.Unit)
		if err == nil {
			err = c.set(pairs, s.Factor, "{scale} "+by)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if err := e.wantMeans(); err != nil {
		return nil, nil, err
	}
	mask, err := e.applyMask(c)
	if err != nil {
		return nil, nil, err
	}
	if err := e.applyTexts(ctx, c); err != nil {
		return nil, nil, err
	}
	e.from.Edit = e.describeChoice(c)
	return c, mask, nil
}

// applyMask removes the units that the mask does not keep, or those that it does.
func (e *editor) applyMask(c *choice) (*cache.Artefact, error) {
	path := e.MaskPath
	if path == "" {
		return nil, nil
	}
	units, mode := c.units.Shape, artefact.MaskOfPairs
	if a, err := npy.ReadFile(path); err == nil && len(a.Shape) == 1 { // what is wrong with it, its reader says
		units, mode = units[1:], artefact.MaskOfNeurons
	}
	keep, mask, err := e.Artefacts.Mask(path, e.facts().Mode(mode), units)
	if err != nil {
		return nil, err
	}
	var removed []int
	for u := range c.factors {
		if keep[u%len(keep)] == e.InvertMask { // neurons repeat for each head
			removed = append(removed, u)
		}
	}
	if err := c.set(removed, 0, "{remove-mask} "+path); err != nil {
		return nil, err
	}
	return mask, e.read("mask", path, mask)
}

// describeChoice is what the manifest says of the choice.
func (e *editor) describeChoice(c *choice) *origin.Edit {
	o := &origin.Edit{By: e.By, Units: c.text(), Factors: c.hash(), Invert: e.InvertMask}
	if len(e.Texts) > 0 {
		o.K = e.K
	}
	changed := &o.Pairs
	if e.last {
		changed = &o.Neurons
	}
	for _, f := range c.factors {
		if f != 1 {
			*changed++
		}
	}
	return o
}

// text lists units with the factors that they have, neurons where all of their pairs have
// the same: "n17=0 h3n149=0.5". It is empty if it would be longer than a manifest should
// have it.
func (c *choice) text() string {
	H, C := c.units.Count()/c.units.Neurons(), c.units.Neurons()
	whole := make([]bool, C)
	var b strings.Builder
	add := func(name string, factor float64) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(name + "=" + strconv.FormatFloat(factor, 'g', -1, 64))
	}
	for n := range C {
		whole[n] = H > 1 || !c.units.IsPairs()
		for h := range H {
			whole[n] = whole[n] && c.factors[h*C+n] == c.factors[n]
		}
		if whole[n] && c.factors[n] != 1 {
			add(c.units.Layers.Neuron(n), c.factors[n])
		}
	}
	for u, f := range c.factors {
		if b.Len() > origin.MaxTextList {
			return ""
		}
		if f != 1 && !whole[u%C] {
			add(c.units.Layers.Pair(u, C), f)
		}
	}
	return b.String()
}

// hash is the SHA-256 of the factors, little-endian float64.
func (c *choice) hash() string {
	sum := sha256.New()
	for _, f := range c.factors {
		sum.Write(binary.LittleEndian.AppendUint64(nil, math.Float64bits(f)))
	}
	return hex.EncodeToString(sum.Sum(nil))
}
