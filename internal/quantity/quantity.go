// Package quantity writes numbers of things with their nouns, for people: "1 image", "3 images".
// A message that has a number which may be one takes it from here; a test in internal/arch
// looks for those that do not.
package quantity

import (
	"fmt"
	"strings"
)

// Of is n things, of which one is called one: "1 class", "2 classes", "0 pairs of heads".
// What follows the noun begins with " of ".
func Of[N ~int | ~int32 | ~int64 | ~uint32 | ~uint64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	noun, rest, more := strings.Cut(one, " of ")
	if noun = plural(noun); more {
		noun += " of " + rest
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func plural(one string) string {
	switch {
	case strings.HasSuffix(one, "axis"):
		return strings.TrimSuffix(one, "is") + "es"
	case strings.HasSuffix(one, "s"), strings.HasSuffix(one, "x"), strings.HasSuffix(one, "ch"), strings.HasSuffix(one, "sh"):
		return one + "es"
	case strings.HasSuffix(one, "y") && !strings.ContainsAny(one[max(len(one)-2, 0):len(one)-1], "aeiou"):
		return strings.TrimSuffix(one, "y") + "ies"
	}
	return one + "s"
}

// Is is the verb of n things: "is", or "are" of several and of none.
func Is[N ~int | ~int64](n N) string { return verb(n, "is", "are") }

// Has is "has", or "have" of several and of none.
func Has[N ~int | ~int64](n N) string { return verb(n, "has", "have") }

func verb[N ~int | ~int64](n N, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
