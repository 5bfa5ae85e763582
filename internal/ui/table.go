package ui

import (
	"bytes"
	"strings"

	"github.com/rivo/uniseg"
)

// gap separates two columns.
const gap = "  "

// A Column is one column of a Table. Text is aligned left and figures right; the
// title contains the figures' unit.
type Column struct {
	title string
	right bool
}

// Left is a column of text.
func Left(title string) Column { return Column{title: title} }

// Right is a column of figures.
func Right(title string) Column { return Column{title: title, right: true} }

// A Table is rows of cells in aligned columns, without trailing spaces. If no
// column has a title, the header row is omitted.
type Table struct {
	columns []Column
	rows    [][]string
}

// NewTable returns a table without rows.
func NewTable(columns ...Column) *Table { return &Table{columns: columns} }

// Row adds a row. It panics unless there is one cell per column.
func (t *Table) Row(cells ...string) {
	if len(cells) != len(t.columns) {
		panic("ui: a row needs one cell per column")
	}
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = printable(c)
	}
	t.rows = append(t.rows, row)
}

// Shortened is text, as it is printed, cut to some columns, the last three of which then say so.
func Shortened(text string, columns int) string {
	text = printable(text)
	if uniseg.StringWidth(text) <= columns {
		return text
	}
	return strings.TrimRight(pieces(text, columns-3)[0], " ") + "..."
}

// narrowest is how narrow a column of text may become on a narrow terminal.
const narrowest = 12

// fit narrows the columns of text, the widest first, until a row has at most total columns
// or all are as narrow as they may be.
func (t *Table) fit(width []int, total int) {
	left := len(gap) * (len(width) - 1)
	for _, w := range width {
		left += w
	}
	for ; left > total; left-- {
		widest := -1
		for i, c := range t.columns {
			if !c.right && width[i] > narrowest && (widest < 0 || width[i] > width[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		width[widest]--
	}
}

// format renders the table. A column is as wide as its widest cell; on a terminal that is
// narrower than that, texts go on below, within their columns.
func (t *Table) format(on display) []byte {
	rows := t.rows
	head := make([]string, len(t.columns))
	for i, c := range t.columns {
		head[i] = c.title
	}
	titled := strings.Join(head, "") != ""
	if titled {
		rows = append([][]string{head}, rows...)
	}
	width := make([]int, len(t.columns))
	for _, row := range rows {
		for i, c := range row {
			width[i] = max(width[i], uniseg.StringWidth(c))
		}
	}
	if total := on.width(); total > 0 {
		t.fit(width, total)
	}
	var b bytes.Buffer
	for i, row := range rows {
		for _, line := range broken(row, width) {
			text := t.line(line, width)
			if i == 0 && titled {
				text = on.in(bold, text)
			}
			b.WriteString(text)
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// broken are the lines of a row whose cells are broken where they are wider than their
// columns.
func broken(row []string, width []int) [][]string {
	lines := [][]string{}
	for i, cell := range row {
		for j, piece := range pieces(cell, max(width[i], 1)) {
			if j == len(lines) {
				lines = append(lines, make([]string, len(row)))
			}
			lines[j][i] = piece
		}
	}
	return lines
}

// line aligns the cells of one line, without trailing spaces.
func (t *Table) line(row []string, width []int) string {
	var line strings.Builder
	for i, c := range row {
		pad := strings.Repeat(" ", max(width[i]-uniseg.StringWidth(c), 0))
		if i > 0 {
			line.WriteString(gap)
		}
		if t.columns[i].right {
			line.WriteString(pad + c)
		} else {
			line.WriteString(c + pad)
		}
	}
	return strings.TrimRight(line.String(), " ")
}
