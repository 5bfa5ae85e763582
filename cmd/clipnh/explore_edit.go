package main

import (
	"cmp"
	"strings"

	"github.com/clipnh/clipnh/internal/pipeline/live"
)

// editLine is the command line that makes a model without some pairs.
func editLine(e live.EditCommand) string {
	line := []string{"clipnh", "edit", "--model", cmp.Or(e.Model, "FILE"), "--remove", strings.Join(e.Units, ",")}
	if e.By == live.ByZero {
		line = append(line, "--by", e.By)
	} else {
		line = append(line, "--scores", e.Scores)
	}
	line = append(line, "--save-path", "edited.pt")
	for i, word := range line {
		line[i] = quoted(word)
	}
	return strings.Join(line, " ")
}

// quoted is a word as a shell takes it.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./,=:@%+", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
