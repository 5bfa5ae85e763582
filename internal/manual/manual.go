// Package manual renders the manual of a command line program as pages: Markdown for
// the web, and man pages.
//
// A Command is plain data: the caller fills it from whatever defines its commands. The
// same data gives the same bytes; pages carry no date.
package manual

import (
	"regexp"
	"strings"
)

// Command is what the manual says about one command.
type Command struct {
	Path    string   // as it is typed: "clipnh data check"
	Short   string   // one phrase, without full stop
	Long    string   // paragraphs; lines indented by two blanks are shown as they are
	Usage   []string // synopsis, one line each
	Groups  []Group  // the commands below it, none for most
	Example string
	Flags   []Flag
	Global  []Flag // flags that all commands share
	Exits   []Exit // in the order in which they are listed
}

// Group is a heading and the commands below it.
type Group struct {
	Title    string // in capitals: "START HERE"
	Commands []Entry
}

// Entry names a command in the list of another.
type Entry struct{ Path, Short string }

// Flag is one flag of a command.
type Flag struct {
	Name, Shorthand string // without dashes; Shorthand may be empty
	Placeholder     string // of the value; empty for a switch
	Usage           string // on one line
	Default         string // empty if the flag has none worth showing
}

// Exit is an exit status and its meaning.
type Exit struct {
	Status  int
	Meaning string
}

// File is a page: a file name without folder, and the text.
type File struct{ Name, Text string }

// AsTyped returns the flag as it is typed: "-h, --help", "--model FILE".
func (f Flag) AsTyped() string {
	s := "--" + f.Name
	if f.Shorthand != "" {
		s = "-" + f.Shorthand + ", " + s
	}
	if f.Placeholder != "" {
		s += " " + f.Placeholder
	}
	return s
}

// block is a paragraph, or a run of indented lines that are shown as they are.
type block struct {
	verbatim bool
	lines    []string
}

// blocks splits a text into paragraphs and runs of indented lines.
func blocks(text string) []block {
	var all []block
	open := false // the last block can take another line
	for _, line := range strings.Split(strings.Trim(text, "\n"), "\n") {
		verbatim := strings.HasPrefix(line, "  ")
		switch {
		case line == "":
			open = false
			continue
		case !open || all[len(all)-1].verbatim != verbatim:
			all = append(all, block{verbatim: verbatim})
			open = true
		}
		last := &all[len(all)-1]
		last.lines = append(last.lines, strings.TrimPrefix(line, "  "))
	}
	return all
}

// literal matches, in running text, flags, and commands in double quotes.
var literal = regexp.MustCompile(`"clipnh [^"\n]*"|--[a-z][a-z0-9-]*(?:=[A-Za-z0-9]+)?`)

// prose renders running text: code is applied to literals, plain to the text between
// them.
func prose(text string, plain, code func(string) string) string {
	var b strings.Builder
	end := 0 // of the last literal
	for _, span := range literal.FindAllStringIndex(text, -1) {
		b.WriteString(plain(text[end:span[0]]))
		b.WriteString(code(strings.Trim(text[span[0]:span[1]], `"`)))
		end = span[1]
	}
	b.WriteString(plain(text[end:]))
	return b.String()
}

// subcommand is the path without the program's name, joined by dashes: "data-check".
// It is empty for the program itself.
func subcommand(path string) string {
	_, name, _ := strings.Cut(path, " ")
	return strings.ReplaceAll(name, " ", "-")
}

// sentenceCase turns a heading in capitals into one that begins with a capital:
// "START HERE" is "Start here".
func sentenceCase(heading string) string {
	if heading == "" {
		return ""
	}
	return heading[:1] + strings.ToLower(heading[1:])
}
