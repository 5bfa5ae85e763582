package main

import (
	"fmt"
	"strings"
)

// roffName is the file of a command's man page: clipnh-embed.1.
func roffName(path string) string { return roffTitle(path) + ".1" }

func roffTitle(path string) string { return strings.ReplaceAll(path, " ", "-") }

// roff renders a manual as a man page, in the man macros that every roff reads.
// It has no date: the same program gives the same bytes.
func roff(m manual) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	plain := func(lines ...string) {
		line(".PP\n.RS 2\n.nf")
		for _, l := range lines {
			line("%s", roffText(l))
		}
		line(".fi\n.RE")
	}
	line(`.\" Made by "make docs" from the program; a change belongs there.`)
	line(`.TH %s 1 "" clipnh "User commands"`, roffText(strings.ToUpper(roffTitle(m.path))))
	line(".SH NAME\n%s \\- %s", roffText(roffTitle(m.path)), roffProse(m.short))
	line(".SH SYNOPSIS")
	plain(m.usage...)
	line(".SH DESCRIPTION")
	for _, t := range m.text {
		if t.plain {
			plain(t.lines...)
		} else {
			line(".PP\n%s", roffProse(strings.Join(t.lines, "\n")))
		}
	}
	for _, g := range m.commands {
		line(".SH %s", roffText(g.title))
		for _, c := range g.commands {
			line(".TP\n\\fB%s\\fR(1)\n%s", roffText(roffTitle(c.CommandPath())), roffProse(c.Short))
		}
	}
	flags := func(heading string, all []flagManual) {
		if len(all) > 0 {
			line(".SH %s", heading)
		}
		for _, f := range all {
			typed, placeholder := f.asTyped(), ""
			if f.placeholder != "" {
				typed = strings.TrimSuffix(typed, " "+f.placeholder)
				placeholder = ` \fI` + roffText(f.placeholder) + `\fR`
			}
			text := roffProse(f.usage)
			if f.fallback != "" {
				text += " (default " + roffText(f.fallback) + ")"
			}
			line(".TP\n\\fB%s\\fR%s\n%s", roffText(typed), placeholder, text)
		}
	}
	flags("OPTIONS", m.flags)
	flags("GLOBAL OPTIONS", m.global)
	if m.example != "" {
		line(".SH EXAMPLE")
		plain(strings.Split(m.example, "\n")...)
	}
	line(".SH EXIT STATUS")
	for _, e := range m.exits {
		line(".TP\n\\fB%d\\fR\n%s", e.code, roffText(e.meaning))
	}
	if pageName(m.path) != "" {
		line(".SH SEE ALSO\n\\fBclipnh\\fR(1)")
	}
	return b.String()
}

var roffEscapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "^", `\(ha`, "~", `\(ti`, "`", `\(ga`)

// roffText writes text so that roff prints it as it is; a line that begins with a
// dot would be a request.
func roffText(text string) string {
	lines := strings.Split(roffEscapes.Replace(text), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

// roffProse writes running text with literals in bold.
func roffProse(text string) string {
	return prose(text, roffText, func(s string) string { return `\fB` + roffText(s) + `\fR` })
}
