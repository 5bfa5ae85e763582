package trend

import (
	"cmp"
	"slices"
	"strconv"
)

// A Group is images of the same kind, such as those of a year.
type Group struct {
	Name  string
	N     int     // images
	Mean  float64 // of their values
	Share float64 // of those with the label, 0 to 1
}

// ByGroup averages values, and labels, over the images of each group, in the
// order of SortGroups. Images of the empty group belong to none.
func ByGroup(groups []string, values []float64, labels []bool) []Group {
	if len(groups) != len(values) || len(groups) != len(labels) {
		panic("trend: groups, values and labels differ in number")
	}
	sums := map[string]*Group{}
	for i, name := range groups {
		if name == "" {
			continue
		}
		g := sums[name]
		if g == nil {
			g = &Group{Name: name}
			sums[name] = g
		}
		g.N++
		g.Mean += values[i]
		if labels[i] {
			g.Share++
		}
	}
	names := make([]string, 0, len(sums))
	for name := range sums {
		names = append(names, name)
	}
	names, _ = SortGroups(names)
	list := make([]Group, len(names))
	for i, name := range names {
		g := *sums[name]
		g.Mean, g.Share = g.Mean/float64(g.N), g.Share/float64(g.N)
		list[i] = g
	}
	return list
}

// SortGroups returns the distinct names: by number where all are numbers, which it
// returns too, or else by their bytes.
func SortGroups(names []string) (sorted []string, numbers []float64) {
	sorted = slices.Compact(slices.Sorted(slices.Values(names)))
	value := make(map[string]float64, len(sorted))
	for _, name := range sorted {
		x, err := strconv.ParseFloat(name, 64)
		if err != nil || x-x != 0 {
			return sorted, nil
		}
		value[name] = x
	}
	slices.SortStableFunc(sorted, func(a, b string) int { return cmp.Compare(value[a], value[b]) })
	for _, name := range sorted {
		numbers = append(numbers, value[name])
	}
	return sorted, numbers
}
