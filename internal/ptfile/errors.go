package ptfile

import (
	"fmt"
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

// incomplete is the error of a file that ends too early, as one does whose download broke
// off.
func incomplete(format string, args ...any) error {
	return hinted{
		fmt.Errorf(format, args...),
		`the file is incomplete: download it again, or resume with "curl -C - -o FILE URL"; "clipnh fetch NAME" resumes published models`,
	}
}

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
