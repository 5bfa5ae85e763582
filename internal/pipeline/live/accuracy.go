package live

import (
	"context"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
	"github.com/clipnh/clipnh/internal/pipeline/explain"
)

// withoutUnits measures accuracy with units taken out.
type withoutUnits func(ctx context.Context, off []int, zero bool) (*evaluate.Evaluation, error)

// accuracy is that with all units, and that with some off.
func (l *common) accuracy(ctx context.Context, off []int, zero bool, without withoutUnits) (before, after *Accuracy, err error) {
	leave, err := l.sums.enter(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer leave()
	e, err := without(ctx, off, zero)
	if err != nil {
		if ctx.Err() == nil {
			err = because(ErrInternal, err)
		}
		return nil, nil, err
	}
	names, _ := l.judged.Classes()
	groups, _ := l.judged.Groups()
	of := func(v evaluate.VariantScore, share func(evaluate.PartScore) float64) *Accuracy {
		a := &Accuracy{All: v.Top1, Top5: v.Top5, Correct: v.Correct, Images: e.Images}
		a.ByClass, a.Classes, a.WorstClass = byPart(names, e.Classes, share)
		a.ByGroup, a.Groups, a.WorstGroup = byPart(groups, e.Groups, share)
		return a
	}
	before = of(e.Baseline, func(p evaluate.PartScore) float64 { return p.Baseline })
	after = of(e.Variants[0], func(p evaluate.PartScore) float64 { return p.Variants[0] })
	return before, after, nil
}

// byPart puts accuracies on parts of the images in the order of all names, and finds the
// worst. Names may be there twice; parts are in their order.
func byPart(names []string, parts []evaluate.PartScore, share func(evaluate.PartScore) float64) (accuracy []float64, images []int, worst *Worst) {
	accuracy, images = make([]float64, len(names)), make([]int, len(names))
	next := 0
	for i, name := range names {
		if next == len(parts) || parts[next].Name != name {
			continue
		}
		accuracy[i], images[i] = share(parts[next]), parts[next].Images
		next++
		if worst == nil || accuracy[i] < worst.Accuracy {
			worst = &Worst{i, name, accuracy[i]}
		}
	}
	return accuracy, images, worst
}

// side is what an image's feature [O] says of classes; it names the class that is explained
// unless one is named.
func (t *ToggledImage) side(feature []float32, names []string, rows []float32) (Side, error) {
	factor, ok := attribution.Factor(feature)
	if !ok {
		return Side{}, fmt.Errorf("%s: the image's feature has no direction (zero or not finite)", t.Name)
	}
	logits := make([]float64, len(names))
	attribution.Logits(logits, feature, rows, factor)
	s := Side{Norm: attribution.Scale / factor, Classes: explain.Classes(names, logits)}
	if t.Class == "" {
		t.Class = s.Classes[0].Name
	}
	s.Logit = logits[slices.Index(names, t.Class)]
	return s, nil
}

// unjudged is why no accuracies can be told; nil where they can. The collection must have been
// read.
func (l *common) unjudged() error {
	err := l.judged.Unjudged()
	if err == nil {
		return nil
	}
	if why := l.reason(MLPs); why != "" {
		return fmt.Errorf("accuracy needs the MLPs, with which heads sum to the features: %s", why)
	}
	for _, of := range []Input{Classes, Images} {
		if why := l.reason(of); why != "" {
			return fmt.Errorf("accuracy needs labels and classes: %s", why)
		}
	}
	return err
}
