package dataset

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/remote"
	"github.com/clipnh/clipnh/internal/usage"
)

const (
	mostExpanded = 1_000_000 // paths of one pattern
	mostBraces   = 8
)

// Expand returns paths with those in place of a pattern with braces that it stands for, as
// if a shell had expanded it: {000..012} and {a,b}. What is there by its own name is no pattern.
func Expand(paths []string) ([]string, error) {
	var all []string
	for _, path := range paths {
		if !strings.Contains(path, "{") {
			all = append(all, path)
			continue
		}
		var expanded []string
		var err error
		if remote.Named(path) {
			expanded, err = addresses(path)
		} else if _, there := os.Lstat(path); there == nil {
			expanded = []string{path}
		} else {
			expanded, err = expandBraces(path)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, expanded...)
	}
	return all, nil
}

// expandBraces returns the paths that a pattern with braces stands for, in its order, as a
// shell does: {000..012} for numbers, with as many digits as the bounds have, and {a,b}
// for texts. A pattern without braces stands for itself.
func expandBraces(pattern string) ([]string, error) {
	paths := []string{""}
	rest := pattern
	for n := 0; ; n++ {
		before, from, found := strings.Cut(rest, "{")
		inside, after, closed := strings.Cut(from, "}")
		switch {
		case !found:
			for i := range paths {
				paths[i] += rest
			}
			return paths, nil
		case !closed:
			return nil, usage.Errorf("%s: a brace that is not closed", pattern)
		case n == mostBraces:
			return nil, usage.Errorf("%s: more than %d pairs of braces", pattern, mostBraces)
		}
		parts, err := expand(inside)
		if err != nil {
			return nil, fmt.Errorf("%s: {%s}: %w", pattern, inside, err)
		}
		if len(parts) > mostExpanded/len(paths) {
			return nil, tooMany(pattern)
		}
		more := make([]string, 0, len(paths)*len(parts))
		for _, path := range paths {
			for _, part := range parts {
				more = append(more, path+before+part)
			}
		}
		paths, rest = more, after
	}
}

func tooMany(pattern string) error {
	return usage.Errorf("%s: more than %d paths", pattern, mostExpanded)
}

// expand returns what the text between two braces stands for.
func expand(inside string) ([]string, error) {
	first, last, numbers := strings.Cut(inside, "..")
	if !numbers {
		parts := strings.Split(inside, ",")
		if len(parts) < 2 {
			return nil, usage.Errorf("want two numbers as {000..012}, or texts as {a,b}")
		}
		return parts, nil
	}
	from, err := strconv.ParseUint(first, 10, 32)
	if err != nil {
		return nil, usage.Errorf("%q, want a number", first)
	}
	to, err := strconv.ParseUint(last, 10, 32)
	if err != nil {
		return nil, usage.Errorf("%q, want a number", last)
	}
	if to < from || to-from >= mostExpanded {
		return nil, usage.Errorf("from %d to %d, want at most %d numbers, the smallest first", from, to, mostExpanded)
	}
	digits := 0 // as in a shell, where a bound begins with a zero
	if len(first) > 1 && first[0] == '0' || len(last) > 1 && last[0] == '0' {
		digits = max(len(first), len(last))
	}
	parts := make([]string, 0, to-from+1)
	for n := from; n <= to; n++ {
		parts = append(parts, fmt.Sprintf("%0*d", digits, n))
	}
	return parts, nil
}
