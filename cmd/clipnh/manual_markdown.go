package main

import (
	"fmt"
	"strings"
)

// markdownName is the file of a command's page: embed.md, and README.md for the
// program, which a folder is shown by.
func markdownName(path string) string {
	if name := pageName(path); name != "" {
		return name + ".md"
	}
	return "README.md"
}

// markdown renders a manual as a page for the web.
func markdown(m manual) string {
	var b strings.Builder
	b.WriteString("<!-- Made by \"make docs\" from the program; a change belongs there. -->\n\n")
	fmt.Fprintf(&b, "# %s\n\n%s.\n", m.path, markdownProse(m.short))
	fence := func(lines ...string) {
		fmt.Fprintf(&b, "\n```\n%s\n```\n", strings.Join(lines, "\n"))
	}
	fence(m.usage...)
	for _, t := range m.text {
		if t.plain {
			fence(t.lines...)
		} else {
			fmt.Fprintf(&b, "\n%s\n", markdownProse(strings.Join(t.lines, "\n")))
		}
	}
	for _, g := range m.commands {
		fmt.Fprintf(&b, "\n## %s\n\n", title(g.title))
		for _, c := range g.commands {
			fmt.Fprintf(&b, "- [`%s`](%s): %s\n", c.CommandPath(), markdownName(c.CommandPath()), markdownProse(c.Short))
		}
	}
	if m.example != "" {
		b.WriteString("\n## Example\n")
		fence(m.example)
	}
	flags := func(title string, all []flagManual) {
		if len(all) == 0 {
			return
		}
		fmt.Fprintf(&b, "\n## %s\n\n| flag | default | meaning |\n|---|---|---|\n", title)
		for _, f := range all {
			fallback := ""
			if f.fallback != "" {
				fallback = "`" + f.fallback + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.asTyped(), fallback, strings.ReplaceAll(markdownProse(f.usage), "|", `\|`))
		}
	}
	flags("Flags", m.flags)
	flags("Global flags", m.global)
	b.WriteString("\n## Exit status\n\n")
	for _, e := range m.exits {
		fmt.Fprintf(&b, "- %d: %s\n", e.code, e.meaning)
	}
	if pageName(m.path) != "" {
		b.WriteString("\n[All commands](README.md)\n")
	}
	return b.String()
}

// markdownProse writes running text with literals as code.
func markdownProse(text string) string {
	escape := strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "<", `\<`)
	return prose(text, escape.Replace, func(s string) string { return "`" + s + "`" })
}
