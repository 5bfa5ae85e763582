package classify

import (
	"context"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// Accuracy is how often the first label is the true one.
type Accuracy struct {
	Images  int             `json:"images"` // whose label is known
	Correct int             `json:"correct"`
	Share   float64         `json:"accuracy"` // 0 to 1
	Classes []ClassAccuracy `json:"classes"`  // those that have images or were predicted, in the order of the classes
}

// ClassAccuracy is the accuracy on the images of a class.
type ClassAccuracy struct {
	Class     string   `json:"class"`
	Images    int      `json:"images"` // whose label it is
	Correct   int      `json:"correct"`
	Share     *float64 `json:"accuracy"`  // 0 to 1; null of a class without images
	Predicted int      `json:"predicted"` // labelled images that were given it
}

// learnLabels finds out which labels images have, if it is known: those of a table, or those
// of the data set. Each must be among the classes.
func (c *classifier) learnLabels(ctx context.Context, say ui.Reporter) error {
	var err error
	switch {
	case c.o.TablePath != "":
		err = c.readTable(say)
	case c.src.Labelled:
		err = c.readClasses(ctx, say)
	default:
		return nil
	}
	c.counts = make([]ClassAccuracy, len(c.o.Classes))
	for i, name := range c.o.Classes {
		c.counts[i].Class = name
	}
	return err
}

// classes returns the indices of the classes by their plain names.
func (c *classifier) classes() (map[string]int, error) {
	byName := map[string]int{}
	for i, name := range c.o.Classes {
		if at, twice := byName[dataset.PlainName(name)]; twice {
			return nil, usage.Errorf("{classes}: %s and %s are the same name, want different ones", foreign.Quote(c.o.Classes[at]), foreign.Quote(name))
		}
		byName[dataset.PlainName(name)] = i
	}
	return byName, nil
}

func (c *classifier) readTable(say ui.Reporter) error {
	table, err := dataset.ReadTable(dataset.TableOptions{Path: c.o.TablePath, Image: "image", Label: "label"})
	if err != nil {
		return err
	}
	byName, err := c.classes()
	if err != nil {
		return err
	}
	joined, err := table.Join(c.src.Names)
	if err != nil {
		return err
	}
	c.truth = map[string]int{}
	for i, at := range joined {
		if at < 0 {
			continue
		}
		class, ok := byName[dataset.PlainName(table.Known[at].Label)]
		if !ok {
			return fmt.Errorf("%s: label %s of image %s is not among the %d {classes}: %s", c.o.TablePath, foreign.Quote(table.Known[at].Label),
				foreign.Name(table.Known[at].Image), len(c.o.Classes), foreign.QuoteAll(c.o.Classes))
		}
		c.truth[c.src.Names[i]] = class
	}
	if len(c.truth) == 0 {
		return table.NoneOf(c.src.Names)
	}
	if n := len(joined) - len(c.truth); n > 0 {
		say.Note("%s: %s without a row, which do not count for the accuracy", c.o.TablePath, ui.Images.Count(int64(n)))
	}
	source.NoteUnused(table, joined, say)
	return nil
}

// readClasses finds the classes of the data set among those that are given, by name; or, if
// there are as many and none has the name of one, as folders that are named by ids, in their
// order.
func (c *classifier) readClasses(ctx context.Context, say ui.Reporter) error {
	theirs, err := dataset.ClassesOf(ctx, c.o.Data)
	if err != nil {
		return err
	}
	byName, err := c.classes()
	if err != nil {
		return err
	}
	c.labels = make([]int, len(theirs.Names))
	missing := -1
	found := 0
	for i, name := range theirs.Names {
		if class, ok := byName[dataset.PlainName(name)]; ok {
			c.labels[i] = class
			found++
		} else if missing < 0 {
			missing = i
		}
	}
	if found == 0 && !theirs.Table && len(theirs.Names) == len(c.o.Classes) {
		for i := range c.labels {
			c.labels[i] = i
		}
		return source.ComparePlaces(theirs, c.o.Classes, say)
	}
	if missing >= 0 {
		err := fmt.Errorf("%s: class %s is not among the %d {classes}: %s", theirs.Path, foreign.Quote(theirs.Names[missing]), len(c.o.Classes), foreign.QuoteAll(c.o.Classes))
		return hint.With(err, "give the labels of images in {labels-csv}, or none with {dataset} images")
	}
	return nil
}

// classOf returns the class that is the label of an image, or dataset.Unlabelled.
func (c *classifier) classOf(b source.Batch, i int) int {
	if c.truth != nil {
		if class, ok := c.truth[b.Names[i]]; ok {
			return class
		}
		return dataset.Unlabelled
	}
	if c.labels == nil || b.Labels == nil || b.Labels[i] == dataset.Unlabelled {
		return dataset.Unlabelled
	}
	return c.labels[b.Labels[i]]
}

// count takes down what an image of a class was labelled.
func (c *classifier) count(class int, label string) {
	c.counts[class].Images++
	if c.o.Classes[class] == label {
		c.counts[class].Correct++
	}
	c.counts[slices.Index(c.o.Classes, label)].Predicted++
}

// accuracy sums up; nil where no label is known.
func (c *classifier) accuracy() *Accuracy {
	if c.counts == nil {
		return nil
	}
	a := &Accuracy{Classes: []ClassAccuracy{}}
	for _, n := range c.counts {
		a.Images += n.Images
		a.Correct += n.Correct
		if n.Images > 0 {
			share := float64(n.Correct) / float64(n.Images)
			n.Share = &share
		}
		if n.Images+n.Predicted > 0 {
			a.Classes = append(a.Classes, n)
		}
	}
	if a.Images == 0 {
		return nil
	}
	a.Share = float64(a.Correct) / float64(a.Images)
	return a
}
