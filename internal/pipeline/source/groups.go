package source

import (
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// GroupsOf returns the group of each image by a table, empty of one without a row, or without
// a group. Rows are found by the name of the image, as by dataset.Labels.Join. How many images
// have none is said; that none has one is an error.
func GroupsOf(o dataset.TableOptions, images []string, say ui.Reporter) ([]string, error) {
	table, err := dataset.ReadTable(o)
	if err != nil {
		return nil, err
	}
	rows, err := table.Join(images)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(rows, func(row int) bool { return row >= 0 }) {
		return nil, table.NoneOf(images)
	}
	groups := make([]string, len(images))
	for i, row := range rows {
		if row >= 0 {
			groups[i] = table.Known[row].Group
		}
	}
	if !slices.ContainsFunc(groups, func(group string) bool { return group != "" }) {
		return nil, fmt.Errorf("%s: no row has the name of one of %s and a %s, such as %s", o.Path, quantity.Of(len(images), "image"), o.Group, images[0])
	}
	NoteUngrouped(table, groups, say)
	NoteUnused(table, rows, say)
	return groups, nil
}

// NoteUnused says how many rows of a table are of none of the images, where joined is what
// Join returned: they may be of others, or misspelt.
func NoteUnused(table *dataset.Labels, joined []int, say ui.Reporter) {
	if n := table.Unused(joined); n > 0 {
		say.Note("%s: %d of %s without an image", table.Path, n, quantity.Of(len(table.Known), "row"))
	}
}

// NoteUngrouped says how many of images have no group by a table.
func NoteUngrouped(table *dataset.Labels, groups []string, say ui.Reporter) {
	without := 0
	for _, group := range groups {
		if group == "" {
			without++
		}
	}
	if without > 0 {
		say.Note("%s: no %s for %d of %s, which %s in no group", table.Path, foreign.Quote(table.Grouping), without, quantity.Of(len(groups), "image"), quantity.Is(without))
	}
}
