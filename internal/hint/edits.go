package hint

import "strings"

// Edits is the restricted Damerau-Levenshtein distance of a and b in bytes: how many
// insertions, deletions, replacements and swaps of neighbours turn a into b, no part
// being edited twice.
func Edits(a, b string) int {
	// Rows of the table whose entry i, j is the distance from a[:i] to b[:j].
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, above, row = above, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := above[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, above[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}

// Meant returns the names that differ from name by the fewest slips of the keyboard, whatever
// their case: what someone who typed name may have meant. There are at most two slips, and
// one in two letters.
func Meant(name string, names []string) []string {
	nearest := min(2, len(name)/2)
	var meant []string
	for _, n := range names {
		if d := len(n) - len(name); d > nearest || -d > nearest {
			continue
		}
		switch d := Edits(strings.ToLower(n), strings.ToLower(name)); {
		case d < nearest:
			meant, nearest = nil, d
			fallthrough
		case d == nearest:
			meant = append(meant, n)
		}
	}
	return meant
}
