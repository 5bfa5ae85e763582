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

// Is is the verb of n things: "is", or "are" of several and of none. Where n are a part of all,
// as in "0 of 1 chunk is done", it is "is" of one in all too.
func Is[N ~int | ~int64](n N, all ...N) string { return verb(n, all, "is", "are") }

// Has is "has", or "have" of several and of none; see Is.
func Has[N ~int | ~int64](n N, all ...N) string { return verb(n, all, "has", "have") }

// Does is "does", or "do" of several and of none; see Is.
func Does[N ~int | ~int64](n N, all ...N) string { return verb(n, all, "does", "do") }

// Ending is the "s" of another verb: "1 name differs", "2 names differ"; see Is.
func Ending[N ~int | ~int64](n N, all ...N) string { return verb(n, all, "s", "") }

func verb[N ~int | ~int64](n N, all []N, one, many string) string {
	if n == 1 || len(all) > 0 && all[0] == 1 {
		return one
	}
	return many
}
