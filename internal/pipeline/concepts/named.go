package concepts

import (
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
)

// Column is how often the words of images name what is true of them, by a column of a table
// such as colour, and how often those of other images do.
type Column struct {
	Column string `json:"column"`
	Images int    `json:"images"` // of which the column says something
	Named  int    `json:"named"`  // of these, those of which a word names something that is true

	// Others is the share of these images of which the words of another one, drawn at random,
	// name something that is true: its mean over all draws, 0 to 1; null of a single image.
	Others *float64 `json:"others"`
}

// columns measures the words of images by what is true of them. A word names an attribute one
// of whose names occurs in it as a word.
func columns(attributes []dataset.Attribute, images []Image) []Column {
	var order []string
	of := map[string][]int{} // attributes by their columns
	for a, attribute := range attributes {
		if of[attribute.Column] == nil {
			order = append(order, attribute.Column)
		}
		of[attribute.Column] = append(of[attribute.Column], a)
	}
	var all []Column
	for _, name := range order {
		has := make([][]int, len(images))
		names := make([]map[int]bool, len(images))
		for i := range names {
			names[i] = map[int]bool{}
		}
		for _, a := range of[name] {
			for _, i := range attributes[a].Images {
				has[i] = append(has[i], a)
			}
			for i := range images {
				names[i][a] = slices.ContainsFunc(images[i].Words, func(w coding.Weighed) bool {
					_, contains := attributes[a].IsNamed(w.Word)
					return contains
				})
			}
		}
		all = append(all, column(name, has, names))
	}
	return all
}

// column is one column, of images that have attributes and whose words name some.
func column(name string, has [][]int, names []map[int]bool) Column {
	c := Column{Column: name}
	hits := func(i int, attributes []int) bool {
		return slices.ContainsFunc(attributes, func(a int) bool { return names[i][a] })
	}
	hitting := map[string]int{} // images whose words name one of some attributes
	others := 0
	for i, attributes := range has {
		if len(attributes) == 0 {
			continue
		}
		c.Images++
		key := fmt.Sprint(attributes)
		if _, known := hitting[key]; !known {
			for j := range names {
				if hits(j, attributes) {
					hitting[key]++
				}
			}
		}
		others += hitting[key]
		if hits(i, attributes) {
			c.Named++
			others--
		}
	}
	if more := len(has) - 1; more > 0 {
		share := float64(others) / float64(more*c.Images)
		c.Others = &share
	}
	return c
}
