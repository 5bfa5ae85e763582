package manual

import (
	"fmt"
	"regexp"
	"strings"
)

// markdownName is the file of a command's page: embed.md, and README.md for the
// program, because that is the file that a folder is shown with.
func markdownName(path string) string {
	if name := subcommand(path); name != "" {
		return name + ".md"
	}
	return "README.md"
}

// Markdown renders c as a page for the web.
func Markdown(c Command) File {
	var b strings.Builder
	b.WriteString("<!-- Made by \"make docs\" from the program; a change belongs there. -->\n\n")
	fmt.Fprintf(&b, "# %s\n\n%s.\n", c.Path, markdownProse(c.Short))
	fence := func(lines ...string) {
		fmt.Fprintf(&b, "\n```\n%s\n```\n", strings.Join(lines, "\n"))
	}
	fence(c.Usage...)
	for _, t := range blocks(c.Long) {
		if t.verbatim {
			fence(t.lines...)
		} else {
			fmt.Fprintf(&b, "\n%s\n", markdownProse(strings.Join(t.lines, "\n")))
		}
	}
	for _, g := range c.Groups {
		fmt.Fprintf(&b, "\n## %s\n\n", sentenceCase(g.Title))
		for _, e := range g.Commands {
			fmt.Fprintf(&b, "- [`%s`](%s): %s\n", e.Path, markdownName(e.Path), markdownProse(e.Short))
		}
	}
	if c.Example != "" {
		b.WriteString("\n## Example\n")
		fence(c.Example)
	}
	writeMarkdownFlags(&b, "Flags", c.Flags)
	writeMarkdownFlags(&b, "Global flags", c.Global)
	b.WriteString("\n## Exit status\n\n")
	for _, e := range c.Exits {
		fmt.Fprintf(&b, "- %d: %s\n", e.Status, e.Meaning)
	}
	if subcommand(c.Path) != "" {
		b.WriteString("\n[All commands](README.md)\n")
	}
	return File{markdownName(c.Path), b.String()}
}

func writeMarkdownFlags(b *strings.Builder, heading string, flags []Flag) {
	if len(flags) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n| flag | default | meaning |\n|---|---|---|\n", heading)
	for _, f := range flags {
		value := ""
		if f.Default != "" {
			value = "`" + f.Default + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", f.AsTyped(), value, strings.ReplaceAll(markdownProse(f.Usage), "|", `\|`))
	}
}

var markdownEscapes = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "<", `\<`)

// otherPage matches a page of the documentation that a text names. Pages of commands are in a
// folder beside it.
var otherPage = regexp.MustCompile(`\bdocs/([a-z-]+\.md)\b`)

// markdownProse writes running text, with literals as code and names of pages as links.
func markdownProse(text string) string {
	plain := func(s string) string {
		return otherPage.ReplaceAllString(markdownEscapes.Replace(s), "[docs/$1](../$1)")
	}
	return prose(text, plain, func(s string) string { return "`" + s + "`" })
}
