package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/live"
	"github.com/clipnh/clipnh/internal/remote"
)

// editLine is the command line that makes a model without some pairs. Of neurons by their
// means, another that collects these is before it.
func editLine(e live.EditCommand) string {
	if e.Heads != nil {
		return strings.Join(inSteps(e.Heads, cmp.Or(e.Model, "FILE"), "", func(model, heads, save, step string) []string {
			return headLines(e, model, heads, save, step)
		}), "\n")
	}
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

// headLines take heads of one layer out of a model. By their means, what collects these is before
// it.
func headLines(e live.EditCommand, model, heads, save, step string) []string {
	of := append([]string{"--model", model}, ranAs(e.Of)...)
	edit := append(append([]string{"clipnh", "edit"}, of...), "--remove", heads)
	if e.By == live.ByZero {
		return []string{shellLine(edit, "--by", e.By, "--save-path", save)}
	}
	collect, flag, means := append([]string{"clipnh", "collect", "--mean"}, of...), "--scores", "means"+step
	if e.Layered {
		collect, flag, means = append(collect, "--mode", "heads"), "--means-path", means+".npy"
	}
	return []string{
		shellLine(append(collect, collected(e)...), "--save-path", means),
		shellLine(edit, flag, means, "--save-path", save),
	}
}

// inSteps are command lines that change heads of one layer after the other: do gives those that
// make save of a model, with step at the end of the names of other files.
func inSteps(layers [][]string, model, dir string, do func(model, heads, save, step string) []string) (lines []string) {
	for i, heads := range layers {
		save, step := "edited", ""
		if left := len(layers) - 1 - i; left > 0 {
			save = fmt.Sprintf("edited-%d", i+1)
		}
		if len(layers) > 1 {
			step = fmt.Sprintf("-%d", i+1)
		}
		save = filepath.Join(dir, save+".pt")
		lines = append(lines, do(model, strings.Join(heads, ","), save, step)...)
		model = save
	}
	return lines
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
