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

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// headChoice are the factors of the heads of one layer of a vision transformer.
type headChoice struct {
	layer   int
	factors []float64 // [H]
	means   []float32 // of what the heads whose factors are not 1 add to features, [heads,O]; nil by zero
}

const howMeanHeads = "collect them with {mode} heads and {mean}, and give them as {means-path}"

// headOutputs takes what heads of a layer give on average, [W], out of the means of what all
// heads add to features, which it keeps of those that change; nil by zero.
func (e *editor) headOutputs(c *headChoice) ([]float64, error) {
	if e.By == ByZero {
		return nil, nil
	}
	if err := e.wantMeans(); err != nil {
		return nil, err
	}
	if e.ScoresPath != "" {
		return nil, hint.With(usage.Errorf("{scores} %s: scores do not say what heads add on average", e.ScoresPath), howMeanHeads)
	}
	t, err := e.Artefacts.Tensor(e.MeansPath, e.facts(), artefact.KindMeanHeads)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	if o := t.Origin(); o.Collect != nil && o.Collect.Form != "" {
		return nil, hint.With(usage.Errorf("{means-path} %s: collected with {form} %s, in which each image is scaled by its feature, want {form} own", e.MeansPath, o.Collect.Form), howMeanHeads)
	}
	layers, heads := e.model.Config.Layered()
	O := e.model.Config.OutDim
	if err := t.WantShape([]int{layers, heads, O}, ", means of heads"); err != nil {
		return nil, hint.With(err, howMeanHeads)
	}
	if err := e.prepareBeside(t.Artefact); err != nil {
		return nil, err
	}
	means := make([]float32, layers*heads*O)
	if err := t.Read(means, 0); err != nil {
		return nil, err
	}
	tokens, err := e.model.Tokens()
	if err != nil {
		return nil, err
	}
	found, ok := tokens.HeadOutputs(means, heads)
	const most = 0.02 // as of pairs
	switch {
	case !ok:
		return nil, hint.With(fmt.Errorf("%s: these means do not tell what heads of %s give on average: features have too few dimensions, or attention no bias", e.MeansPath, e.Model),
			"{by} zero needs no means")
	case found.Misfit > most:
		return nil, fmt.Errorf("%s: %w: means of another model: %.0f %% of their size is nothing that the heads of %s add",
			e.MeansPath, cache.ErrStale, 100*found.Misfit, e.Model)
	}
	for h, f := range c.factors {
		if f != 1 {
			c.means = append(c.means, means[(c.layer*heads+h)*O:][:O]...)
		}
	}
	W := tokens.Width
	return found.Outputs[c.layer*W : (c.layer+1)*W], e.read("means", e.MeansPath, t.Artefact)
}

// namesHeads reports whether units are named that are heads, such as l10h3, or all heads of a
// layer, such as l10.
func (o *Options) namesHeads() bool {
	isHead := func(name string) bool {
		return !strings.ContainsAny(name, "nN") && (unit.NamesHead(name) || unit.NamesLayer(name))
	}
	return slices.ContainsFunc(o.Remove, isHead) || slices.ContainsFunc(o.Scale, func(s Scaled) bool { return isHead(s.Unit) })
}

// chooseHeads collects the heads that are asked for, and tells them to the origin.
func (e *editor) chooseHeads() (*headChoice, error) {
	layers, heads := e.model.Config.Layered()
	switch {
	case e.Images.NeuronLayer != nil:
		return nil, usage.Errorf("{neuron-layer} is for pairs and neurons, not for heads")
	case e.MaskPath != "" || len(e.Texts) > 0:
		return nil, usage.Errorf("heads, and units that {remove-mask} or {remove-text} chooses: edit them one after the other")
	}
	c := &headChoice{layer: -1, factors: slices.Repeat([]float64{1}, heads)}
	all := unit.Layers{Heads: heads}
	set := func(option, name string, factor float64) error {
		head, count, err := all.FindHeads(name, layers*heads)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w, together with no other units", option, err)
		case math.IsNaN(factor) || math.IsInf(factor, 0):
			return usage.Errorf("{scale} %s=%g: want a finite factor", name, factor)
		case c.layer >= 0 && c.layer != head/heads:
			return hint.With(usage.Errorf("heads of layers %d and %d: their weights are edited one layer at a time", c.layer, head/heads),
				anotherLayer)
		}
		c.layer = head / heads
		for h := head; h < head+count; h++ {
			f := &c.factors[h%heads]
			if *f != 1 && *f != factor {
				return usage.Errorf("head %s has two factors: %g and %g", all.Head(h), *f, factor)
			}
			*f = factor
		}
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
	e.from.Edit = c.origin(all, e.By)
	return c, nil
}

// origin is what the manifest says of the choice.
func (c *headChoice) origin(all unit.Layers, by string) *origin.Edit {
	o := &origin.Edit{By: by}
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
