package hint

import (
	"fmt"
	"strings"
)

// Of a mistyped name, so many others are suggested at most, and those that differ by more
// edits are not.
const (
	maxSuggested = 3
	maxEdits     = 2
)

// DidYouMean suggests, in a hint, the names that a mistyped one may have meant, upper and
// lower case being the same: those at the smallest edit distance, if that is small, or else
// those that hold the name as a whole. It is empty if there are none, or too many to say.
func DidYouMean(name string, among []string) string {
	typed := strings.ToLower(strings.TrimSpace(name))
	nearest := min(maxEdits, len(typed)/2)
	var near, holding []string
	for _, n := range among {
		lower := strings.ToLower(n)
		switch d := Distance(lower, typed); {
		case d < nearest:
			near, nearest = nil, d
			fallthrough
		case d == nearest:
			near = append(near, n)
		}
		if typed != "" && strings.Contains(lower, typed) {
			holding = append(holding, n)
		}
	}
	if len(near) == 0 {
		near = holding
	}
	if len(near) == 0 || len(near) > maxSuggested {
		return ""
	}
	quoted := make([]string, len(near))
	for i, n := range near {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	return "did you mean " + strings.Join(quoted, " or ") + "?"
}

// Distance is the restricted Damerau-Levenshtein distance of a and b in bytes: how many
// insertions, deletions, replacements and swaps of neighbours turn a into b, no part
// being edited twice.
func Distance(a, b string) int {
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
