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

// format renders the table. A column is as wide as its widest cell on a terminal.
func (t *Table) format() []byte {
	rows := t.rows
	head := make([]string, len(t.columns))
	for i, c := range t.columns {
		head[i] = c.title
	}
	if strings.Join(head, "") != "" {
		rows = append([][]string{head}, rows...)
	}
	width := make([]int, len(t.columns))
	for _, row := range rows {
		for i, c := range row {
			width[i] = max(width[i], uniseg.StringWidth(c))
		}
	}
	var b bytes.Buffer
	for _, row := range rows {
		var line strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", width[i]-uniseg.StringWidth(c))
			if i > 0 {
				line.WriteString(gap)
			}
			if t.columns[i].right {
				line.WriteString(pad + c)
			} else {
				line.WriteString(c + pad)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
	return b.Bytes()
}
