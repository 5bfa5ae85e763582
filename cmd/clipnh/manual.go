package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A manual is what there is to say about a command, taken from the command itself, in
// parts that a page is made of. The help, a page for the web and a man page say the
// same.
type manual struct {
	path     string // as it is called: "clipnh data check"
	short    string
	text     []block
	usage    []string
	commands []commandBlock // of a command that has others
	example  string
	flags    []flagManual
	global   []flagManual
	exits    []exitMeaning
}

// A block is a paragraph of a command's long help, or lines of it that are indented, to
// be shown as they are.
type block struct {
	plain bool // lines as they are
	lines []string
}

// commandBlock is a heading and the commands below it.
type commandBlock struct {
	title    string
	commands []*cobra.Command
}

// flagManual is what there is to say about a flag.
type flagManual struct {
	name, short string // without dashes; short may be empty
	placeholder string // empty: a switch
	usage       string
	fallback    string // the default, empty if there is nothing to say
}

// newManual gathers what a command says of itself.
func newManual(cmd *cobra.Command) manual {
	m := manual{
		path: cmd.CommandPath(), short: cmd.Short, text: blocks(cmd.Long), example: strings.Trim(cmd.Example, "\n"),
		flags: flagManuals(ownFlags(cmd)), global: flagManuals(cmd.Root().PersistentFlags()),
	}
	if cmd.HasAvailableSubCommands() {
		_, below, _ := strings.Cut(cmd.CommandPath()+" ", " ") // "data ", nothing for the root
		m.usage = []string{cmd.CommandPath() + " COMMAND [flags]", cmd.Root().Name() + " help " + below + "COMMAND"}
		groups := cmd.Groups()
		if len(groups) == 0 {
			groups = []*cobra.Group{{Title: "COMMANDS"}}
		}
		for _, g := range groups {
			b := commandBlock{title: g.Title}
			for _, c := range cmd.Commands() {
				if c.GroupID == g.ID && c.IsAvailableCommand() {
					b.commands = append(b.commands, c)
				}
			}
			m.commands = append(m.commands, b)
		}
	} else {
		m.usage = []string{cmd.Parent().CommandPath() + " " + cmd.Use + " [flags]"}
	}
	codes := exitCodesOf(cmd)
	for _, e := range exitMeanings {
		if slices.Contains(codes, e.code) {
			m.exits = append(m.exits, e)
		}
	}
	return m
}

// blocks cuts a text into paragraphs and indented lines.
func blocks(text string) []block {
	var all []block
	open := false // the last block goes on
	for _, line := range strings.Split(strings.Trim(text, "\n"), "\n") {
		plain := strings.HasPrefix(line, "  ")
		switch {
		case line == "":
			open = false
			continue
		case !open || all[len(all)-1].plain != plain:
			all = append(all, block{plain: plain})
			open = true
		}
		last := &all[len(all)-1]
		last.lines = append(last.lines, strings.TrimPrefix(line, "  "))
	}
	return all
}

func flagManuals(fs *pflag.FlagSet) []flagManual {
	var all []flagManual
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		placeholder, usage := pflag.UnquoteUsage(f)
		m := flagManual{name: f.Name, short: f.Shorthand, placeholder: placeholder, usage: strings.Join(strings.Fields(usage), " ")}
		if !slices.Contains([]string{"", "0", "false", "[]"}, f.DefValue) {
			m.fallback = f.DefValue
		}
		all = append(all, m)
	})
	return all
}

// asTyped is the flag as it is typed: "-h, --help", "--model FILE".
func (f flagManual) asTyped() string {
	s := "--" + f.name
	if f.short != "" {
		s = "-" + f.short + ", " + s
	}
	if f.placeholder != "" {
		s += " " + f.placeholder
	}
	return s
}

// literal finds, in running text, flags, and commands in double quotes.
var literal = regexp.MustCompile(`"clipnh [^"\n]*"|--[a-z][a-z0-9-]*(?:=[A-Za-z0-9]+)?`)

// prose writes running text: literals and the text between them each in their own
// way.
func prose(text string, plain, verbatim func(string) string) string {
	var b strings.Builder
	at := 0
	for _, span := range literal.FindAllStringIndex(text, -1) {
		b.WriteString(plain(text[at:span[0]]))
		b.WriteString(verbatim(strings.Trim(text[span[0]:span[1]], `"`)))
		at = span[1]
	}
	b.WriteString(plain(text[at:]))
	return b.String()
}

// pageName is the name of a command's page, without an ending: "data-check", and
// nothing for the program itself.
func pageName(path string) string {
	_, name, _ := strings.Cut(path, " ")
	return strings.ReplaceAll(name, " ", "-")
}

// documented returns the commands that have a page: all that help lists, the
// program itself first.
func documented(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() || below.Name() == "help" {
			all = append(all, documented(below)...)
		}
	}
	return all
}

// A page is a file of the documentation.
type page struct {
	name string
	text string
}

// pages renders every command by one of markdown and roff.
func pages(root *cobra.Command, fileName func(path string) string, render func(manual) string) []page {
	root.InitDefaultHelpCmd()
	var all []page
	for _, cmd := range documented(root) {
		m := newManual(cmd)
		all = append(all, page{fileName(m.path), render(m)})
	}
	return all
}

// title is a heading in sentence case: "THE PIPELINE" is "The pipeline".
func title(heading string) string {
	if heading == "" {
		return ""
	}
	return heading[:1] + strings.ToLower(heading[1:])
}
