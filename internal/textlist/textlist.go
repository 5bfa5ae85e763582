// Package textlist reads lists of texts kept one a line: class names, prompt
// templates, word lists, tables of two columns.
//
// A list is UTF-8, with or without a byte order mark; lines end in LF or CRLF, or
// all of them in CR. Blanks at the end of a line belong to no text, and blank
// lines at the end of the file to no list. A blank line anywhere else is an
// error, because the place of a text in its list is its index everywhere after.
//
// Read and ReadFile take lines as they are. ReadList takes lists that people
// keep in other forms too.
package textlist

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/clipnh/clipnh/internal/foreign"
)

const (
	maxFile = 256 << 20 // bytes of a list; the names of a million images take 60 MB
	maxLine = 64 << 10  // bytes of a line; texts are cut to some 77 tokens anyway
)

// Read returns the texts of a list, at least one.
//
// Memory stays below twelve times the list's size, which is itself bounded:
// the bytes as they are read into a growing buffer, and a string header per
// line, no line taking less than two bytes.
func Read(r io.Reader) ([]string, error) { return read(r, maxFile) }

func read(r io.Reader, most int64) ([]string, error) {
	text, err := readText(r, most)
	if err != nil {
		return nil, err
	}
	return split(text)
}

// readText returns what r has but marks at its beginning and blanks at its end,
// at least a character. Where all lines end in CR, as on an old Macintosh, they
// end in LF.
func readText(r io.Reader, most int64) (string, error) {
	data, err := foreign.Read(r, most)
	if err != nil {
		return "", err
	}
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return "", errors.New("text is UTF-16, want UTF-8")
	}
	if mistake := foreign.Mistaken(data); mistake != nil {
		return "", fmt.Errorf("%w, want a list of texts", mistake)
	}
	text := strings.TrimLeft(string(data), "\ufeff") // one mark, or those of lists put together
	text = strings.TrimRight(text, " \t\r\n")
	if text == "" {
		return "", errors.New("no lines, want at least one")
	}
	if strings.IndexByte(text, '\n') < 0 {
		text = strings.ReplaceAll(text, "\r", "\n")
	}
	return text, nil
}

// split returns the lines of a text, each of which is a text of its own.
func split(text string) ([]string, error) {
	// A list with more lines has a blank one, where the loop ends.
	lines := min(strings.Count(text, "\n"), len(text)/2) + 1
	texts := make([]string, 0, lines)
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimRight(line, " \t\r")
		if err := check(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(texts)+1, err)
		}
		texts = append(texts, line)
	}
	return texts, nil
}

func check(line string) error {
	switch {
	case line == "":
		return errors.New("blank, want a text on every line")
	case len(line) > maxLine:
		return fmt.Errorf("%d bytes, want at most %d", len(line), maxLine)
	case !utf8.ValidString(line):
		return errors.New("text is not UTF-8")
	case strings.IndexByte(line, 0) >= 0:
		return errors.New("zero byte, want text")
	case strings.IndexByte(line, '\r') >= 0:
		return errors.New("carriage return inside the line, want one kind of line ending")
	}
	return nil
}

// ReadFile returns the texts of the list at path, as Read does.
func ReadFile(path string) ([]string, error) {
	file, err := foreign.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	texts, err := Read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return texts, nil
}
