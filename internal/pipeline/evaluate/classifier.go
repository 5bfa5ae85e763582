package evaluate

import (
	"context"
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// classifier sends features to the class whose embedding has the largest
// cosine with them.
type classifier struct {
	path    string
	classes []float32 // [classes,O], unit vectors
	number  int
	names   []string // of the classes
	logits  []float32
}

func newClassifier(ctx context.Context, o evaluateOptions, src *source.Source, say ui.Reporter) (*classifier, error) {
	e, err := o.artefacts.UnitEmbeddings(o.classesPath, artefact.OfModel(src.Origin), src.OutDim)
	if err != nil {
		return nil, err
	}
	if err := source.CheckClasses(ctx, o.artefacts, e, o.data, say); err != nil {
		return nil, err
	}
	names, err := classNames(ctx, e, o.data)
	if err != nil {
		return nil, err
	}
	return &classifier{path: o.classesPath, classes: e.Rows, number: e.Texts, names: names}, nil
}

// count adds to e what comes of features [B,O].
func (c *classifier) count(e *VariantScore, features []float32, labels []int, team par.Team) error {
	n := len(labels)
	if len(c.logits) < n*c.number {
		c.logits = make([]float32, n*c.number)
	}
	c.products(c.logits, features, n, team)
	return c.judge(e, c.logits, labels)
}

// products writes those of n features and the classes to dst [n,classes].
func (c *classifier) products(dst, features []float32, n int, team par.Team) {
	outDim := len(c.classes) / c.number
	kernel.Sgemm(1, kernel.Dense(features, n, outDim), kernel.Dense(c.classes, c.number, outDim).T(),
		0, kernel.Dense(dst, n, c.number), team)
}

// judge adds to e what comes of products of features and classes, [B,classes].
func (c *classifier) judge(e *VariantScore, logits []float32, labels []int) error {
	for i, label := range labels {
		place, best, err := c.place(logits[i*c.number:(i+1)*c.number], label)
		if err != nil {
			return err
		}
		if place < 1 {
			e.Correct++
		}
		if place < 5 {
			e.CorrectTop5++
		}
		e.Predictions = append(e.Predictions, best)
	}
	return nil
}

// place is the label's among the classes of an image, by descending product, from 0, and
// best the class of the largest one. Of equal ones the first class comes first, as in argmax.
func (c *classifier) place(row []float32, label int) (place, best int, err error) {
	if label < 0 || label >= c.number {
		return 0, 0, fmt.Errorf("%s: %s, but the images have label %d", c.path, quantity.Of(c.number, "class"), label)
	}
	own, largest := row[label], row[0]
	for class, x := range row {
		if x >= own && (x > own || class < label) {
			place++
		}
		if x > largest {
			best, largest = class, x
		}
	}
	return place, best, nil
}
