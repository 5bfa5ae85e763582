package score

import (
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/rank"
)

// attributes are what is true of images.
type attributes struct{ all []dataset.Attribute }

// best is a unit's attribute of largest AUC.
type best struct {
	attribute int
	auc       float64
}

// leastImages is how many images must have an attribute, and how many must lack it,
// for its AUC to mean anything.
const leastImages = 5

// readAttributes reads what is true of the images of scores, nil if there is no file.
func (o Options) readAttributes(s *artefact.Scores) (*attributes, error) {
	if o.AttributesPath == "" {
		return nil, nil
	}
	images, err := s.Names()
	if err != nil {
		return nil, err
	}
	a := &attributes{}
	if a.all, err = dataset.ReadAttributes(o.AttributesPath, images); err != nil {
		return nil, err
	}
	a.all = dataset.MergeColumns(a.all)
	a.all = slices.DeleteFunc(a.all, func(x dataset.Attribute) bool {
		return len(x.Images) < leastImages || len(images)-len(x.Images) < leastImages
	})
	if len(a.all) == 0 {
		return nil, fmt.Errorf("%s: no attribute that %d images or more have, and as many lack", o.AttributesPath, leastImages)
	}
	return a, nil
}

// best returns the attribute whose images have the highest ranks; of equal ones, the
// one that occurs first.
func (a *attributes) best(ranks []float64) best {
	found := best{auc: -1}
	for i := range a.all {
		if auc := rank.AUC(ranks, a.all[i].Images); auc > found.auc {
			found = best{i, auc}
		}
	}
	return found
}

// isNamed reports whether the first of a unit's terms is one of an attribute's names, and
// whether one of these occurs in it as a word. A word of negative coefficient says what is
// not there, and names nothing.
func isNamed(a *dataset.Attribute, terms []artefact.Term) (names, contains bool) {
	if len(terms) == 0 || !(terms[0].Coefficient > 0) {
		return false, false
	}
	return a.IsNamed(terms[0].Word)
}
