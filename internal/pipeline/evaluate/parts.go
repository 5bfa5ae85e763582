package evaluate

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

// PartScore is how good the untouched model and each variant are at a part of the images.
type PartScore struct {
	Name     string    `json:"name"`
	Images   int       `json:"images"`
	Baseline float64   `json:"baseline_top1"` // share of these images, 0 to 1
	Variants []float64 `json:"variants_top1"` // in the order of the variants
}

// classNames are the names of the classes that embeddings are of: the texts that were
// embedded, else the data set's, else numbers.
func classNames(ctx context.Context, e *artefact.Embeddings, data dataset.Options) ([]string, error) {
	if list := artefact.OriginOf(e.Artefact).TextList; len(list) == e.Texts {
		return list, nil
	}
	classes, err := dataset.ClassesOf(ctx, data)
	if err != nil {
		return nil, err
	}
	if classes != nil && len(classes.Names) == e.Texts {
		return classes.Names, nil
	}
	names := make([]string, e.Texts)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	return names, nil
}

// classScores are the accuracies on the images of each class that has some.
func (e *Evaluation) classScores() []PartScore {
	return e.parts(e.ClassNames, func(i int) int { return e.Labels[i] })
}

// groups are those of images.
type groups struct {
	names []string // in their order
	of    []int    // of each image; -1: none
}

// groupsOf reads the groups of images from a table, in the order of their names; numbers
// count as such. Without a table there are no groups.
func groupsOf(o dataset.TableOptions, images []string, say ui.Reporter) (*groups, error) {
	if o.Path == "" {
		return nil, nil
	}
	named, err := source.GroupsOf(o, images, say)
	if err != nil {
		return nil, err
	}
	g := &groups{of: make([]int, len(images)), names: slices.DeleteFunc(slices.Clone(named), func(name string) bool { return name == "" })}
	slices.SortFunc(g.names, func(a, b string) int {
		x, errX := strconv.ParseFloat(a, 64)
		y, errY := strconv.ParseFloat(b, 64)
		if errX == nil && errY == nil && x != y {
			return cmp.Compare(x, y)
		}
		return cmp.Compare(a, b)
	})
	g.names = slices.Compact(g.names)
	number := make(map[string]int, len(g.names))
	for i, name := range g.names {
		number[name] = i
	}
	for i, name := range named {
		g.of[i] = -1
		if name != "" {
			g.of[i] = number[name]
		}
	}
	return g, nil
}

// groupScores are the accuracies on groups of images.
func (e *Evaluation) groupScores(g *groups) []PartScore {
	if g == nil {
		return nil
	}
	return e.parts(g.names, func(i int) int { return g.of[i] })
}

// parts are the accuracies on parts of the images; of says to which an image belongs, -1 to
// none. Parts without images are left out.
func (e *Evaluation) parts(names []string, of func(image int) int) []PartScore {
	all := make([]PartScore, len(names))
	for p := range all {
		all[p] = PartScore{Name: names[p], Variants: make([]float64, len(e.Variants))}
	}
	for i, label := range e.Labels {
		p := of(i)
		if p < 0 {
			continue
		}
		all[p].Images++
		if e.Baseline.Predictions[i] == label {
			all[p].Baseline++
		}
		for v := range e.Variants {
			if e.Variants[v].Predictions[i] == label {
				all[p].Variants[v]++
			}
		}
	}
	all = slices.DeleteFunc(all, func(p PartScore) bool { return p.Images == 0 })
	for p := range all {
		all[p].Baseline /= float64(all[p].Images)
		for v := range all[p].Variants {
			all[p].Variants[v] /= float64(all[p].Images)
		}
	}
	return all
}
