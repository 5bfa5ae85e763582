package ptfile

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// hinted is an error with a hint.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }
func (h hinted) Hint() string  { return h.hint }

// brief shortens an error to one line of at most 200 bytes: those of the unpickler may
// print whole values.
func brief(err error) string {
	const most = 200
	s := strings.ToValidUTF8(err.Error(), "?")
	s, _, _ = strings.Cut(s, "\n")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// printable reports whether s is valid UTF-8 of printable characters, so that it fits
// in a message of one line.
func printable(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return utf8.ValidString(s)
}
