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
	end := before(text, quoted)
	return fmt.Sprintf("%q... (%d more bytes)", text[:end], len(text)-end)
}

// before is the last place up to at that is not within a character.
func before(text string, at int) int {
	for back := range utf8.UTFMax {
		if utf8.RuneStart(text[at-back]) {
			return at - back
		}
	}
	return at
}

// Short returns err with its text cut where a library repeats in it what a file has, as
// encoding/json does with names of fields and with numbers.
func Short(err error) error {
	const most = 300
	text := err.Error()
	if len(text) <= most {
		return err
	}
	end := before(text, most)
	return short{err, fmt.Sprintf("%s... (%d more bytes)", text[:end], len(text)-end)}
}

type short struct {
	error
	text string
}

func (s short) Error() string { return s.text }
func (s short) Unwrap() error { return s.error }

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
