package figure

import (
	"image"
	"path"

	"github.com/clipnh/clipnh/internal/canvas"
)

// Measures of sheets, in pixels.
const (
	ThumbSide = 208 // of an image on a sheet
	CellGap   = 12
	Margin    = 36
	HeadWidth = 300 // of what is said of a row, on the left
	textWidth = 1600
)

// Fonts are those of a sheet.
type Fonts struct{ Title, Bold, Plain, Small *canvas.Font }

// NewFonts returns the fonts of a sheet.
func NewFonts() Fonts {
	return Fonts{canvas.NewBold(32), canvas.NewBold(26), canvas.NewFont(20), canvas.NewFont(17)}
}

// A Grid is a sheet of images: rows of cells, each row with room on its left to say what it
// is of.
type Grid struct {
	Fonts
	*canvas.Canvas
	row, top int // height of a row; where the first begins
}

// NewGrid returns a sheet with its title and a text that explains it, for a number of rows
// of a number of cells, each row height pixels high.
func NewGrid(title, text string, rows, cells, height int) *Grid {
	g := &Grid{Fonts: NewFonts(), row: height}
	cells = max(cells, 3) // so that there is room for the text
	width := 2*Margin + HeadWidth + cells*(ThumbSide+CellGap) - CellGap
	lines := g.Plain.Wrap(text, min(width-2*Margin, textWidth))
	y := Margin + g.Title.Height() + 10
	g.top = y + len(lines)*(g.Plain.Height()+4) + 20 + CellGap
	g.Canvas = canvas.New(width, g.top+rows*height+Margin-2*CellGap, canvas.White)
	g.Text(g.Title, image.Pt(Margin, Margin), title, canvas.Ink)
	for _, line := range lines {
		g.Text(g.Plain, image.Pt(Margin, y), line, canvas.Grey)
		y += g.Plain.Height() + 4
	}
	return g
}

// At is the upper left corner of a row.
func (g *Grid) At(row int) image.Point { return image.Pt(Margin, g.top+row*g.row) }

// Cell is where an image lies.
func (g *Grid) Cell(row, column int) image.Rectangle {
	p := g.At(row).Add(image.Pt(HeadWidth+column*(ThumbSide+CellGap), 0))
	return image.Rectangle{p, p.Add(image.Pt(ThumbSide, ThumbSide))}
}

// Thumb draws an image, or that it could not be read.
func (g *Grid) Thumb(box image.Rectangle, p canvas.Image, err error) {
	if err != nil {
		g.Fill(box, canvas.Faint)
		line := box
		line.Min.Y += (box.Dy() - g.Small.Height()) / 2
		g.TextCentred(g.Small, line, "unreadable", canvas.Grey)
		return
	}
	g.Place(p, box)
}

// Caption writes lines below a box.
func (g *Grid) Caption(box image.Rectangle, lines ...string) {
	box.Min.Y = box.Max.Y + 5
	for i, line := range lines {
		colour := canvas.Ink
		if i > 0 {
			colour = canvas.Grey
		}
		g.TextCentred(g.Small, box, line, colour)
		box.Min.Y += g.Small.Height() + 1
	}
}

// NameLines are the name of an image: its folder, which is often its class, and its file.
func (g *Grid) NameLines(name string) []string {
	folder, file := path.Split(name)
	if folder == "" {
		return []string{g.Small.CutMiddle(file, ThumbSide)}
	}
	return []string{g.Small.CutMiddle(folder, ThumbSide), g.Small.CutMiddle(file, ThumbSide)}
}

// RowHeight is that of a row of images with some lines below each, in pixels.
func (f Fonts) RowHeight(lines int) int {
	return ThumbSide + 5 + lines*(f.Small.Height()+1) + 2*CellGap
}
