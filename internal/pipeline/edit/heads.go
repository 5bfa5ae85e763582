package edit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// headChoice are the factors of the heads of one layer of a vision transformer.
type headChoice struct {
	layer   int
	factors []float64 // [H]
}

// namesHeads reports whether units are named that are heads, such as l10h3.
func (o *Options) namesHeads() bool {
	isHead := func(name string) bool { return unit.NamesHead(name) && !strings.ContainsAny(name, "nN") }
	return slices.ContainsFunc(o.Remove, isHead) || slices.ContainsFunc(o.Scale, func(s Scaled) bool { return isHead(s.Unit) })
}

// chooseHeads collects the heads that are asked for, and tells them to the origin.
func (e *editor) chooseHeads() (*headChoice, error) {
	layers, heads := e.model.Config.Layered()
	if err := e.model.Require(clip.Residual); err != nil {
		return nil, usage.Errorf("a head alone: %w: heads are removed from the weights of layers", err)
	}
	switch {
	case e.Images.NeuronLayer != nil:
		return nil, usage.Errorf("{neuron-layer} is for pairs and neurons, not for heads")
	case e.MaskPath != "" || len(e.Texts) > 0:
		return nil, usage.Errorf("heads, and units that {remove-mask} or {remove-text} chooses: edit them one after the other")
	case e.By != ByZero:
		return nil, hint.With(usage.Errorf("{by} %s: what heads give at all tokens on average is not collected, want {by} %s", e.By, ByZero),
			"ablate, with parts that collect keeps, takes heads to their means in features")
	}
	c := &headChoice{layer: -1, factors: slices.Repeat([]float64{1}, heads)}
	all := unit.Layers{Heads: heads}
	set := func(option, name string, factor float64) error {
		head, ok := all.FindHead(name, layers*heads)
		switch {
		case !ok:
			return fmt.Errorf("%s: %w", option, unit.Unknown(name, fmt.Sprintf("a head, l0h0 to l%dh%d, together with no other units", layers-1, heads-1)))
		case math.IsNaN(factor) || math.IsInf(factor, 0):
			return usage.Errorf("{scale} %s=%g: want a finite factor", name, factor)
		case c.layer >= 0 && c.layer != head/heads:
			return hint.With(usage.Errorf("heads of layers %d and %d: their weights are edited one layer at a time", c.layer, head/heads),
				"edit what was written again, for the other layer")
		case c.factors[head%heads] != 1 && c.factors[head%heads] != factor:
			return usage.Errorf("head %s has two factors: %g and %g", name, c.factors[head%heads], factor)
		}
		c.layer, c.factors[head%heads] = head/heads, factor
		return nil
	}
	for _, name := range e.Remove {
		if err := set("{remove}", name, 0); err != nil {
			return nil, err
		}
	}
	for _, s := range e.Scale {
		if err := set("{scale}", s.Unit, s.Factor); err != nil {
			return nil, err
		}
	}
	e.from.Edit = c.origin(all)
	return c, nil
}

// origin is what the manifest says of the choice.
func (c *headChoice) origin(all unit.Layers) *origin.Edit {
	o := &origin.Edit{By: ByZero}
	sum := sha256.New()
	var units []string
	for h, f := range c.factors {
		sum.Write(binary.LittleEndian.AppendUint64(nil, math.Float64bits(f)))
		if f != 1 {
			o.Heads++
			units = append(units, all.Head(c.layer*all.Heads+h)+"="+strconv.FormatFloat(f, 'g', -1, 64))
		}
	}
	o.Units, o.Factors = strings.Join(units, " "), hex.EncodeToString(sum.Sum(nil))
	return o
}
