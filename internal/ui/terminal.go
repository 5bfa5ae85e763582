package ui

import (
	"io"
	"os"
	"strings"

	"github.com/rivo/uniseg"
	"golang.org/x/term"
)

// A display is what a stream shows text on. That of a file or a pipe is zero: lines have any
// length there, and no colours.
type display struct {
	terminal bool
	coloured bool
	columns  func() int // now, as windows change; 0 if that is not known
}

// displayOf returns the display of a stream. NO_COLOR, if it is not empty, and TERM=dumb turn
// colours off (no-color.org).
func displayOf(w io.Writer, env func(string) string) display {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return display{}
	}
	return display{
		terminal: true, coloured: env("NO_COLOR") == "" && env("TERM") != "dumb",
		columns: func() int {
			columns, _, err := term.GetSize(int(f.Fd()))
			if err != nil {
				return 0
			}
			return columns
		},
	}
}

// width is how many columns a line may have, 0 for any number.
func (s display) width() int {
	if s.columns == nil {
		return 0
	}
	return s.columns()
}

// A style is what comes between ESC [ and m (ECMA-48, SGR).
type style string

const (
	bold   style = "1"
	faint  style = "2"
	red    style = "1;31"
	yellow style = "33"
	cyan   style = "36"
)

// styles are those of the labels of messages.
var styles = map[string]style{"error: ": red, "warning: ": yellow, "hint: ": cyan, "note: ": faint}

// in returns text in a style, where there are colours.
func (s display) in(style style, text string) string {
	if !s.coloured || style == "" || text == "" {
		return text
	}
	return "\x1b[" + string(style) + "m" + text + "\x1b[0m"
}

// wrap breaks text at blanks into lines of at most width columns; a longer word has a line
// of its own. With a width below 1 the text is one line.
func wrap(text string, width int) []string {
	if width < 1 || uniseg.StringWidth(text) <= width {
		return []string{text}
	}
	var lines []string
	line := ""
	for i, word := range strings.Split(text, " ") {
		switch {
		case i == 0:
			line = word
		case uniseg.StringWidth(line)+1+uniseg.StringWidth(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}

// pieces is wrap that also breaks words longer than width, between what is read as one
// character.
func pieces(text string, width int) []string {
	var all []string
	for _, line := range wrap(text, width) {
		for uniseg.StringWidth(line) > width {
			cut, columns := 0, 0
			g := uniseg.NewGraphemes(line)
			for g.Next() {
				if columns += g.Width(); columns > width && cut > 0 {
					break
				}
				_, cut = g.Positions()
			}
			all, line = append(all, line[:cut]), line[cut:]
		}
		all = append(all, line)
	}
	return all
}
