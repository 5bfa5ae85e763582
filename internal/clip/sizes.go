package clip

import (
	"slices"
	"strings"
)

// elements is the number of elements of a tensor; 1 for a scalar.
func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// statistic reports whether a tensor is a running statistic, which torch does
// not count among the parameters.
func statistic(name string) bool {
	return strings.HasSuffix(name, ".running_mean") || strings.HasSuffix(name, ".running_var")
}

func sortBySize(names []string, sizes map[string]int) {
	slices.SortStableFunc(names, func(a, b string) int { return sizes[b] - sizes[a] })
}
