package dataset

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/quantity"
)

const (
	maxTable   = 256 << 20 // bytes of a table; a row for each of five million images
	maxLine    = 4 << 20   // bytes of a line: the reader holds several copies of a row
	maxColumns = 1024
)

// beginTable reads the first line of a table, which names the columns. c reads the others.
func beginTable(r io.Reader) (c *csv.Reader, head []string, err error) {
	in := bufio.NewReader(&shortLines{r: r})
	start, err := in.Peek(in.Size())
	if err != nil && err != io.EOF {
		return nil, nil, err
	}
	if i := bytes.IndexByte(start, 0); i >= 0 && !bytes.HasPrefix(start, []byte("\xff\xfe")) && !bytes.HasPrefix(start, []byte("\xfe\xff")) {
		return nil, nil, fmt.Errorf("byte %d is zero, want a table of comma-separated values", i)
	}
	if mistake := foreign.Mistaken(start); mistake != nil {
		return nil, nil, fmt.Errorf("%w, want a table of comma-separated values", mistake)
	}
	switch {
	case bytes.HasPrefix(start, []byte("\xef\xbb\xbf")):
		in.Discard(3)
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		return nil, nil, errors.New("text is UTF-16, want UTF-8")
	}
	c = csv.NewReader(in)
	if bytes.IndexByte(start, '\r') >= 0 && bytes.IndexByte(start, '\n') < 0 {
		c = csv.NewReader(&macintosh{in})
	}
	c.ReuseRecord = true
	head, err = c.Read()
	if err == io.EOF {
		return nil, nil, errors.New("no lines, want the names of columns first")
	}
	if err != nil {
		return nil, nil, tableError(err, len(head), 0)
	}
	return c, head, nil
}

// readTable reads a table of comma-separated values whose first line names the
// columns, and hands over the wanted ones of every row in order, with the number of
// its line. A wanted column that is missing is an error, or, where it is
// optional, the empty text. Rows are valid until do returns.
//
// Texts are UTF-8, with or without a byte order mark; lines end in LF or CRLF, or
// all of them in CR; a field in double quotes may
// hold commas and line breaks, and every row has as many fields as the first. At
// most maxTable bytes are read, a row at a time, so that memory is what a row
// takes.
func readTable(r io.Reader, wanted []string, optional []bool, do func(line int, fields []string) error) error {
	counted := &io.LimitedReader{R: r, N: maxTable + 1}
	c, head, err := beginTable(counted)
	if err != nil {
		return err
	}
	at, err := findColumns(head, wanted, optional)
	if err != nil {
		return err
	}
	width := len(head)
	fields := make([]string, len(wanted))
	for {
		row, err := c.Read()
		if counted.N == 0 {
			return fmt.Errorf("more than %d MiB", maxTable>>20)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return tableError(err, len(row), width)
		}
		line, _ := c.FieldPos(0)
		for i, column := range at {
			if column < 0 {
				continue
			}
			if !utf8.ValidString(row[column]) || strings.IndexByte(row[column], 0) >= 0 {
				return fmt.Errorf("line %d: column %q is not UTF-8 text", line, wanted[i])
			}
			fields[i] = strings.TrimSpace(row[column])
		}
		if err := do(line, fields); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

// macintosh is a reader of text whose lines end in CR, which it makes LF.
type macintosh struct{ r io.Reader }

func (m *macintosh) Read(b []byte) (int, error) {
	n, err := m.r.Read(b)
	for i, c := range b[:n] {
		if c == '\r' {
			b[i] = '\n'
		}
	}
	return n, err
}

// shortLines is a reader of text that fails after maxLine bytes without a line's end.
type shortLines struct {
	r     io.Reader
	since int // bytes since a line ended
}

func (s *shortLines) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if end := bytes.LastIndexAny(b[:n], "\r\n"); end >= 0 {
		s.since = n - end - 1
	} else {
		s.since += n
	}
	if s.since > maxLine {
		return 0, fmt.Errorf("a line of more than %d MiB", maxLine>>20)
	}
	return n, err
}

// tableError says in our words what is wrong with a row.
func tableError(err error, got, want int) error {
	var parse *csv.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	switch {
	case errors.Is(err, csv.ErrFieldCount):
		return fmt.Errorf("line %d: %d fields, want %d as in the first line", parse.Line, got, want)
	case errors.Is(err, csv.ErrBareQuote):
		return fmt.Errorf("line %d: a double quote within a field, want the field in quotes and the quote doubled", parse.Line)
	case errors.Is(err, csv.ErrQuote):
		return fmt.Errorf("line %d: a field in double quotes does not end as it should", parse.StartLine)
	}
	return fmt.Errorf("line %d: %w", parse.Line, parse.Err)
}

// findColumns returns where the wanted columns are, -1 for those that are optional
// and missing.
func findColumns(head, wanted []string, optional []bool) ([]int, error) {
	if len(head) > maxColumns {
		return nil, fmt.Errorf("line 1: %s, want at most %d", quantity.Of(len(head), "column"), maxColumns)
	}
	names := make([]string, len(head))
	for i, name := range head {
		if names[i] = strings.TrimSpace(name); !utf8.ValidString(name) {
			return nil, fmt.Errorf("line 1: the name of column %d is not UTF-8 text", i+1)
		}
	}
	at := make([]int, len(wanted))
	for i, name := range wanted {
		at[i] = slices.Index(names, name)
		switch {
		case at[i] >= 0 && slices.Contains(names[at[i]+1:], name):
			return nil, fmt.Errorf("line 1: column %q is there twice", name)
		case at[i] < 0 && !optional[i]:
			err := fmt.Errorf("line 1: no column %q, there are %s", name, foreign.QuoteAll(names))
			if len(names) == 1 && strings.ContainsAny(names[0], ";\t") {
				return nil, hinted{err, "columns are separated by commas: write the file again with commas"}
			}
			return nil, err
		}
	}
	return at, nil
}
