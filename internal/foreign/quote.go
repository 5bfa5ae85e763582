package foreign

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// quoted is the most bytes of a text that a message repeats.
const quoted = 60

// Quote writes a text of a file's for a message: in double quotes, what is not
// printable escaped, and cut after 60 bytes, where the number of those that were
// left out follows:
//
//	"n01440764"
//	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"... (999940 more bytes)
func Quote(text string) string {
	if len(text) <= quoted {
		return fmt.Sprintf("%q", text)
	}
	end := quoted
	for back := range utf8.UTFMax { // not within a character
		if utf8.RuneStart(text[quoted-back]) {
			end = quoted - back
			break
		}
	}
	return fmt.Sprintf("%q... (%d more bytes)", text[:end], len(text)-end)
}

// QuoteAll writes the first few of several texts, each as Quote does.
func QuoteAll(texts []string) string {
	const shown = 8
	var b strings.Builder
	for i, text := range texts[:min(len(texts), shown)] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(Quote(text))
	}
	if more := len(texts) - shown; more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}

// Name writes a name that a file gives for the head of a message: as it is when
// it is short and printable, or else as Quote does.
func Name(name string) string {
	const most = 255 // bytes, as file systems have it
	if name == "" || len(name) > most || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return Quote(name)
	}
	return name
}
