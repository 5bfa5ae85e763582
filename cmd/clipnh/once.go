package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/quantity"
)

// This file is what becomes of a list that has something twice, the same in every command: where
// it was typed, that is an error, as one of the two is probably a slip; in a file it counts once,
// and a note says so. Texts are as in textList.readOnce.

// once returns an error if a list that was typed names something twice. what is the flag, or the
// word for an argument. Upper and lower case are the same, as in the names of units.
func once(what string, list []string) error {
	for i, item := range list {
		if slices.ContainsFunc(list[:i], func(earlier string) bool { return strings.EqualFold(earlier, item) }) {
			return fmt.Errorf("%s %s is given twice", what, item)
		}
	}
	return nil
}

// numbersOnce is once of numbers.
func numbersOnce[N int | float64](what string, list []N) error {
	texts := make([]string, len(list))
	for i, x := range list {
		texts[i] = strconv.FormatFloat(float64(x), 'g', -1, 64)
	}
	return once(what, texts)
}

// filesOnce is once of paths, in which case counts.
func filesOnce(what string, paths []string) error {
	for i, path := range paths {
		if slices.Contains(paths[:i], path) {
			return fmt.Errorf("%s %s is given twice", what, path)
		}
	}
	return nil
}

// withoutRepeats returns the lines of a file without those that repeat an earlier one, in any
// case, and what to say of these; empty if there are none.
func withoutRepeats(lines []string) (kept []string, note string) {
	seen := make(map[string]bool, len(lines))
	repeated := ""
	for _, line := range lines {
		if folded := strings.ToLower(line); !seen[folded] {
			seen[folded] = true
			kept = append(kept, line)
		} else if repeated == "" {
			repeated = line
		}
	}
	if n := len(lines) - len(kept); n > 0 {
		note = fmt.Sprintf("%s repeated, such as %s: each counts once", quantity.Of(n, "line"), repeated)
	}
	return kept, note
}
