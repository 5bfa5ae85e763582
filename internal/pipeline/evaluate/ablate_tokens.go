package evaluate

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/usage"
)

// The ablations of tokens and attention, which only a model has. Tokens are
// [T,C], the class token first: it is a token like the others here, and the mean
// of the image's activations before anything is replaced.

// zeroSink are the features with the class token's attention to the last token
// set to zero after the softmax.
func zeroSink(s *source.Source, tower *clip.ResNetTower) func(dst []float32, b source.Batch, w *workspace) error {
	return func(dst []float32, b source.Batch, w *workspace) error {
		c := tower.Config()
		H, C, T := c.Heads(), c.Neurons(), c.Tokens()
		for i := range b.Names {
			s.OV.ScoresWithoutSink(w.scores[i*H*C:(i+1)*H*C], w.mass[i*H:(i+1)*H],
				b.Attention[i*H*T:(i+1)*H*T], b.Tokens[i*T*C:(i+1)*T*C], w.team)
		}
		s.OV.FeaturesWithAttentionSum(dst, w.values, w.scores, w.mass, len(b.Names), w.team)
		return nil
	}
}

// replaced returns the features with the activations of some neurons replaced by
// values [T,C], which the attention sees too. Activations are tokens before
// the position embedding.
func replaced(tower *clip.ResNetTower, gone []bool, values []float32) func(dst []float32, b source.Batch, w *workspace) error {
	position := tower.Position()
	return func(dst []float32, b source.Batch, w *workspace) error {
		tokens := w.tokens[:len(b.Tokens)]
		for i, x := range b.Tokens {
			if at := i % len(position); gone[at%len(gone)] {
				x = values[at] + position[at]
			}
			tokens[i] = x
		}
		return tower.Attend(tokens, clip.Output{Features: dst})
	}
}

// meanActivations are variants that replace activations by their means [C,T]: where that is
// an edit of the weights, which is the same at every token, by means over tokens.
func meanActivations(src *source.Source, chosen []chosenUnits, means *artefact.Tensor) ([]variant, error) {
	C, T := src.Neurons, src.Tower.Config().Tokens()
	m := make([]float32, C*T)
	if err := means.Read(m, 0); err != nil {
		return nil, err
	}
	if variants, ok, err := editedActivations(src, chosen, m); ok || err != nil {
		return variants, err
	}
	tower, err := src.ResNetTower()
	if err != nil {
		return nil, usage.Errorf("{mode} %s: %w", AblateActivations, err)
	}
	values := make([]float32, T*C)
	for n := range C {
		for t := range T {
			values[t*C+n] = m[n*T+t]
		}
	}
	var variants []variant
	for _, c := range chosen {
		gone := make([]bool, C)
		for n, keep := range c.keep {
			gone[n] = !keep
		}
		variants = append(variants, variant{c.VariantScore, replaced(tower, gone, values)})
	}
	return variants, nil
}

// editedActivations are variants by edited weights, each of which has a tower of its own; ok
// is false where the model's weights do not have the neurons.
func editedActivations(src *source.Source, chosen []chosenUnits, means []float32) (variants []variant, ok bool, err error) {
	C, T := src.Neurons, src.Tower.Config().Tokens()
	average := make([]float64, C)
	for i, x := range means {
		average[i/T] += float64(x) / float64(T)
	}
	for _, c := range chosen {
		gone := make([]bool, C)
		for n, keep := range c.keep {
			gone[n] = !keep
		}
		features, ok, err := src.EditedNeurons(gone, average)
		if !ok || err != nil {
			return nil, ok, err
		}
		variants = append(variants, variant{c.VariantScore, func(dst []float32, b source.Batch, w *workspace) error {
			return features(dst, b, w.team)
		}})
	}
	return variants, true, nil
}

// zeroRegisters is the variant that zeroes the activations of the neurons
// without which attention to the sink drops most, on average over [B,C].
func (a *ablater) zeroRegisters(tower *clip.ResNetTower) ([]variant, error) {
	src, o := a.src, a.AblateOptions
	if o.SinkDiffs == "" {
		return nil, usage.Errorf("{mode} " + AblateSinkRegisters + " needs {neurons-sink-diffs-path}")
	}
	t, err := o.Artefacts.Tensor(o.SinkDiffs, artefact.Of(src.Origin), artefact.KindSinkDrops)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	C := src.Neurons
	if len(t.Shape) != 2 || t.Shape[0] < 1 || t.Shape[1] != C {
		return nil, t.WrongShape(fmt.Sprintf("[B,%d]", C))
	}
	if o.TopSink > C {
		return nil, usage.Errorf("{top-k-sink-neurons} %d: the model has %s", o.TopSink, quantity.Of(C, "neuron"))
	}
	sum := make([]float64, C)
	err = t.ReadRows(func(_ int, rows []float32) error {
		for i, x := range rows {
			sum[i%C] += float64(x)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	order := make([]int, C)
	for n := range order {
		order[n] = n
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(sum[b], sum[a]) })
	gone := make([]bool, C)
	for _, n := range order[:o.TopSink] {
		gone[n] = true
	}
	if err := a.read("sink drops", o.SinkDiffs, t.Artefact); err != nil {
		return nil, err
	}
	a.keeps(AblateSinkRegisters, gone)
	kept := C - o.TopSink
	e := VariantScore{Variant: AblateSinkRegisters, Kept: kept, Units: C, KeptShare: float64(kept) / float64(C)}
	return []variant{{e, replaced(tower, gone, make([]float32, len(tower.Position())))}}, nil
}
