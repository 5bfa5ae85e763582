package manual

import (
	"fmt"
	"strings"
)

// roffTitle is the title of a command's man page: "clipnh-embed".
func roffTitle(path string) string { return strings.ReplaceAll(path, " ", "-") }

// Roff renders c as a man page of section 1, in the macros that every roff reads. The
// page has no date, so that the same program gives the same bytes.
func Roff(c Command) File {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	verbatim := func(lines ...string) {
		line(".PP\n.RS 2\n.nf")
		for _, l := range lines {
			line("%s", roffText(l))
		}
		line(".fi\n.RE")
	}
	line(`.\" Made by "make docs" from the program; a change belongs there.`)
	line(`.TH %s 1 "" clipnh "User commands"`, roffText(strings.ToUpper(roffTitle(c.Path))))
	line(".SH NAME\n%s \\- %s", roffText(roffTitle(c.Path)), roffProse(c.Short))
	line(".SH SYNOPSIS")
	verbatim(c.Usage...)
	line(".SH DESCRIPTION")
	for _, t := range blocks(c.Long) {
		if t.verbatim {
			verbatim(t.lines...)
		} else {
			line(".PP\n%s", roffProse(strings.Join(t.lines, "\n")))
		}
	}
	for _, g := range c.Groups {
		line(".SH %s", roffText(g.Title))
		for _, e := range g.Commands {
			line(".TP\n\\fB%s\\fR(1)\n%s", roffText(roffTitle(e.Path)), roffProse(e.Short))
		}
	}
	writeRoffFlags(&b, "OPTIONS", c.Flags)
	writeRoffFlags(&b, "GLOBAL OPTIONS", c.Global)
	if c.Example != "" {
		line(".SH EXAMPLE")
		verbatim(strings.Split(c.Example, "\n")...)
	}
	line(".SH EXIT STATUS")
	for _, e := range c.Exits {
		line(".TP\n\\fB%d\\fR\n%s", e.Status, roffText(e.Meaning))
	}
	if subcommand(c.Path) != "" {
		line(".SH SEE ALSO\n\\fBclipnh\\fR(1)")
	}
	return File{roffTitle(c.Path) + ".1", b.String()}
}

func writeRoffFlags(b *strings.Builder, heading string, flags []Flag) {
	if len(flags) > 0 {
		fmt.Fprintf(b, ".SH %s\n", heading)
	}
	for _, f := range flags {
		typed, placeholder := f.AsTyped(), ""
		if f.Placeholder != "" {
			typed = strings.TrimSuffix(typed, " "+f.Placeholder)
			placeholder = ` \fI` + roffText(f.Placeholder) + `\fR`
		}
		text := roffProse(f.Usage)
		if f.Default != "" {
			text += " (default " + roffText(f.Default) + ")"
		}
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR%s\n%s\n", roffText(typed), placeholder, text)
	}
}

var roffEscapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "^", `\(ha`, "~", `\(ti`, "`", `\(ga`)

// roffText escapes text so that roff prints it as it is; a line that begins with a dot
// would be a request.
func roffText(text string) string {
	lines := strings.Split(roffEscapes.Replace(text), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

// roffProse writes running text, with literals in bold.
func roffProse(text string) string {
	return prose(text, roffText, func(s string) string { return `\fB` + roffText(s) + `\fR` })
}
