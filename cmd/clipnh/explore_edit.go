package main

import (
	"cmp"
	"strings"

	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/live"
	"github.com/clipnh/clipnh/internal/remote"
)

// editLine is the command line that makes a model without some pairs. Of neurons by their
// means, another that collects these is before it.
func editLine(e live.EditCommand) string {
	model := append([]string{"--model", cmp.Or(e.Model, "FILE")}, ranAs(e.Of)...)
	line := append(append([]string{"clipnh", "edit"}, model...), "--remove", strings.Join(e.Units, ","))
	before := ""
	switch {
	case e.By == live.ByZero:
		line = append(line, "--by", e.By)
	case e.Neurons:
		const means = "activations.npy"
		before = shellLine(append(append([]string{"clipnh", "collect", "--mean", "--mode", "neuron_acts"}, model...), collected(e)...), "--save-path", means) + "\n"
		line = append(line, "--means-path", means)
	default:
		line = append(line, "--scores", e.Scores)
	}
	return before + shellLine(line, "--save-path", "edited.pt")
}

// collected are flags that say which images scores are of, and how they were read.
func collected(e live.EditCommand) []string {
	o := cmp.Or(e.Of.Images, &origin.Images{})
	data := e.Data
	data.Kind = cmp.Or(data.Kind, o.Dataset)
	data = data.WithKeyOf(o.Dataset, o.LabelKey)
	flags := []string{"--dataset", data.Kind, "--data-path", cmp.Or(remote.Shown(data.Path), "PATH")}
	if data.LabelKey != "" {
		flags = append(flags, "--label-key", data.LabelKey)
	}
	return append(flags, readAs(o)...)
}

// shellLine is words as a shell takes them.
func shellLine(words []string, more ...string) string {
	var quotedWords []string
	for _, word := range append(words, more...) {
		quotedWords = append(quotedWords, quoted(word))
	}
	return strings.Join(quotedWords, " ")
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
