package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/ui"
)

// This file is how flags take texts, the same in every command: a text, several with
// commas between or with the flag repeated, or @FILE, which has one a line; @- and - are
// standard input. A text with a comma is in double quotes, as in CSV, or in a file.

// textsHelp ends the usage of every flag that takes texts.
const textsHelp = ": `TEXTS` separated by commas, or @FILE with one per line, @- for standard input"

// textList is the value of a flag that takes texts.
type textList struct {
	flag   string
	items  []textsItem
	isPath func(value string) bool // values that older command lines had for files; may be nil
}

// A textsItem is what one use of the flag gave it.
type textsItem struct {
	value string
	whole bool // one text, not to be split
}

// textsFlag adds a flag that takes texts. what says of what, such as "classes".
func textsFlag(fs *pflag.FlagSet, t *textList, flag, short, what string, isPath func(string) bool) {
	t.flag, t.isPath = flag, isPath
	fs.VarP(t, flag, short, what)
}

// templatesFlag adds --templates; text is what {} stands for.
func templatesFlag(fs *pflag.FlagSet, t *textList, text string) {
	textsFlag(fs, t, "templates", "", "put texts into templates with {} for the "+text+" (default CLIP's 80)"+textsHelp,
		func(value string) bool { return !strings.Contains(value, "{}") })
}

// isList reports whether a value is the path of a list.
func isList(value string) bool {
	_, err := os.Stat(value)
	return err == nil || filepath.Ext(value) == ".txt"
}

func (t *textList) Set(value string) error {
	t.items = append(t.items, textsItem{value: value})
	return nil
}

func (t *textList) Type() string { return textsType }

func (t *textList) String() string { return strings.Join(t.GetSlice(), ",") }

func (t *textList) Append(value string) error { return t.Set(value) }

// Replace makes each value a text of its own, or a file.
func (t *textList) Replace(values []string) error {
	t.items = nil
	for _, value := range values {
		t.items = append(t.items, textsItem{value, true})
	}
	return nil
}

func (t *textList) GetSlice() []string {
	values := make([]string, len(t.items))
	for i, item := range t.items {
		values[i] = item.value
	}
	return values
}

// given reports whether there are texts.
func (t *textList) given() bool { return len(t.items) > 0 }

// path returns the file that the item names, - for standard input, empty if it is not one.
func (t *textList) path(item textsItem) string {
	path, file := strings.CutPrefix(item.value, "@")
	switch {
	case file:
		return path
	case item.whole:
		return ""
	case item.value == "-" || item.value != "" && t.isPath != nil && t.isPath(item.value):
		return item.value
	}
	return ""
}

// check returns an error about how the texts are written; files are not read.
func (t *textList) check() error {
	if t.given() && t.String() == "" {
		return fmt.Errorf("--%s is empty: want a text", t.flag)
	}
	for _, item := range t.items {
		if item.value == "@" {
			return fmt.Errorf("--%s @: no file, want @FILE", t.flag)
		}
		if t.path(item) != "" || item.whole {
			continue
		}
		if _, err := splitTexts(item.value); err != nil {
			return fmt.Errorf("--%s %s: %w", t.flag, foreign.Quote(item.value), err)
		}
	}
	return nil
}

// splitTexts returns the texts between commas. Blanks around them do not count. A text in
// double quotes may have commas, and a doubled quote for a quote.
func splitTexts(list string) ([]string, error) {
	var all []string
	for rest, more := list, true; more; {
		rest = strings.TrimLeft(rest, " \t")
		var text string
		if quoted, ok := strings.CutPrefix(rest, `"`); ok {
			end := closingQuote(quoted)
			if end < 0 {
				return nil, errors.New("a quote is not closed")
			}
			text = strings.ReplaceAll(quoted[:end], `""`, `"`)
			rest = strings.TrimLeft(quoted[end+1:], " \t")
			if rest, more = strings.CutPrefix(rest, ","); !more && rest != "" {
				return nil, fmt.Errorf("%s after a closing quote, want a comma", foreign.Quote(rest))
			}
		} else {
			text, rest, more = strings.Cut(rest, ",")
			if strings.HasPrefix(text, "@") {
				return nil, fmt.Errorf("%s among other texts: give @FILE to the flag a second time, or put a text that begins so in double quotes", foreign.Quote(text))
			}
		}
		if text = strings.TrimSpace(text); text == "" {
			return nil, errors.New("an empty text, want one between commas")
		}
		all = append(all, text)
	}
	return all, nil
}

// closingQuote returns where a quoted text ends, -1 if it does not.
func closingQuote(text string) int {
	for i := 0; i < len(text); i++ {
		if text[i] != '"' {
			continue
		}
		if i+1 == len(text) || text[i+1] != '"' {
			return i
		}
		i++
	}
	return -1
}

// A textReader is where texts are read that are not on the command line.
type textReader struct {
	say      *ui.Printer
	stdin    io.Reader // nil where there is none
	stdinFor string    // the flag that read it, which can be done once
}

// A textSource is texts with the file that they are from, empty for the command line.
type textSource struct {
	path  string
	texts []string
}

// sources returns the texts by where they are from, files read.
func (t *textList) sources(r *textReader) ([]textSource, error) {
	if err := t.check(); err != nil {
		return nil, usageError{err}
	}
	var all []textSource
	for _, item := range t.items {
		if path := t.path(item); path != "" {
			texts, err := r.lines(t.flag, path)
			if err != nil {
				return nil, err
			}
			all = append(all, textSource{path, texts})
			continue
		}
		if info, err := os.Stat(item.value); err == nil && info.Mode().IsRegular() && !item.whole {
			r.say.Note("--%s %s is taken as a text; there is a file of this name, which @%s reads", t.flag, item.value, item.value)
		}
		texts := []string{item.value}
		if !item.whole {
			texts, _ = splitTexts(item.value) // checked
		}
		all = append(all, textSource{"", texts})
	}
	return all, nil
}

// lines returns the texts in the file that a flag names, or of standard input, which can be
// read once.
func (r *textReader) lines(flag, path string) ([]string, error) {
	if !isStdin(path) {
		return readTexts(path, r.say)
	}
	if r.stdinFor != "" {
		return nil, usageError{fmt.Errorf("--%s and --%s both read standard input: want one of them", r.stdinFor, flag)}
	}
	if r.stdin == nil {
		return nil, usageError{fmt.Errorf("--%s: no standard input here, want a file", flag)}
	}
	r.stdinFor = flag
	list, err := textlist.ParseList(r.stdin)
	if err != nil {
		return nil, fmt.Errorf("--%s: standard input: %w", flag, err)
	}
	warnOf("standard input", list.Warnings, r.say)
	return namesOf(list.Texts), nil
}

// read returns the texts in their order.
func (t *textList) read(r *textReader) ([]string, error) {
	sources, err := t.sources(r)
	var all []string
	for _, s := range sources {
		all = append(all, s.texts...)
	}
	return all, err
}

// readOnce is read of texts of which none may be there twice.
func (t *textList) readOnce(r *textReader) ([]string, error) {
	sources, err := t.sources(r)
	var all []string
	for _, s := range sources {
		for _, text := range s.texts {
			if s.path == "" && slices.Contains(all, text) {
				return nil, usageError{fmt.Errorf("--%s has %s twice", t.flag, foreign.Quote(text))}
			}
			all = append(all, text)
		}
	}
	return all, err
}

// readTexts reads a list of texts. If every line is FOLDER<TAB>NAME, as in the
// classes.txt of a data set, the names are the texts. How a list was read that is
// not plain is said.
func readTexts(path string, say *ui.Printer) ([]string, error) {
	list, err := textlist.ReadList(path)
	if err != nil {
		return nil, err
	}
	warnOf(path, list.Warnings, say)
	return namesOf(list.Texts), nil
}

// namesOf returns the names of FOLDER<TAB>NAME, if every line is of this form, or else the
// lines.
func namesOf(lines []string) []string {
	names := make([]string, len(lines))
	for i, line := range lines {
		_, name, table := strings.Cut(line, "\t")
		if !table {
			return lines
		}
		names[i] = name
	}
	return names
}

// warnOf prints the warnings about a file.
func warnOf(path string, warnings []string, say *ui.Printer) {
	for _, warning := range warnings {
		say.Warn("%s: %s", path, warning)
	}
}
