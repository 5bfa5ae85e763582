package main

import (
	"slices"
	"strconv"
	"strings"
)

// spacedFlags are flags whose values argparse takes as several words, --neur_idxs 3 5.
var spacedFlags = []string{"neur-idxs", "percentile", "shape"}

// joined returns args with the numbers after one of spacedFlags as one word, with commas
// between them, as the flag takes them.
func joined(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		out = append(out, args[i])
		if args[i] == "--" {
			return append(out, args[i+1:]...)
		}
		name, _, valued := strings.Cut(strings.TrimPrefix(args[i], "--"), "=")
		if !strings.HasPrefix(args[i], "--") || valued || !slices.Contains(spacedFlags, string(dashes(nil, name))) || i+1 == len(args) {
			continue
		}
		i++
		value := args[i]
		for many := isNumber(value); many && i+1 < len(args) && isNumber(args[i+1]); i++ {
			value += "," + args[i+1]
		}
		out = append(out, value)
	}
	return out
}

func isNumber(word string) bool {
	_, err := strconv.ParseFloat(word, 64)
	return err == nil
}
