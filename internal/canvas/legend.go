package canvas

import (
	"image"
	"image/color"
)

// An Entry is a colour and its label.
type Entry struct {
	Colour color.NRGBA
	Text   string
}

// A Legend is a table of entries in as many columns as fit into its width, filled
// column by column. Texts wider than the legend are truncated.
type Legend struct {
	font          *Font
	entries       []Entry
	columns, rows int
	column        int // width of a column
}

const entryGap, columnGap = 8, 24

// NewLegend lays out entries in the given width.
func NewLegend(f *Font, entries []Entry, width int) *Legend {
	l := &Legend{font: f, entries: entries}
	swatch := l.swatch()
	for _, e := range entries {
		l.column = max(l.column, swatch+entryGap+f.Width(e.Text))
	}
	l.column = min(l.column, width)
	l.columns = max(1, (width+columnGap)/(l.column+columnGap))
	l.rows = (len(entries) + l.columns - 1) / l.columns
	return l
}

// swatch is the side length of a colour sample.
func (l *Legend) swatch() int { return l.font.Height() }

// line is the height of an entry and the gap to the next.
func (l *Legend) line() int { return l.font.Height() * 3 / 2 }

// Height returns the height of the whole legend.
func (l *Legend) Height() int {
	if l.rows == 0 {
		return 0
	}
	return (l.rows-1)*l.line() + l.swatch()
}

// Legend draws l with its upper left corner at a point.
func (c *Canvas) Legend(l *Legend, at image.Point) {
	swatch := l.swatch()
	for i, e := range l.entries {
		p := at.Add(image.Pt(i/l.rows*(l.column+columnGap), i%l.rows*l.line()))
		box := image.Rectangle{p, p.Add(image.Pt(swatch, swatch))}
		c.Fill(box, e.Colour)
		c.Outline(box, 1, Grey)
		text := l.font.Cut(e.Text, l.column-swatch-entryGap)
		c.Text(l.font, p.Add(image.Pt(swatch+entryGap, 0)), text, Ink)
	}
}
