package pipeline

import (
	"fmt"
	"image"
	"slices"

	"github.com/clipnh/clipnh/internal/canvas"
)

// Measures of sheets, in pixels.
const (
	thumbSide = 208 // of a picture on a sheet
	heatSide  = 136 // of one under a heat map, which is coarse
	cellGap   = 12
	margin    = 36
	headWidth = 300 // of what is said of a unit, on the left
)

// fonts are those of a sheet.
type fonts struct{ title, unit, text, small *canvas.Font }

func newFonts() fonts {
	return fonts{canvas.NewBold(32), canvas.NewBold(26), canvas.NewFont(20), canvas.NewFont(17)}
}

// A grid is a sheet's layout: a row of cells for every unit.
type grid struct {
	fonts
	*canvas.Canvas
	side, row, top int // of a cell's picture; of a row; where the first begins
	cells          int // in a row
}

// newGrid returns a sheet with its title, and lines that explain it below, to the
// right of which is room for a bar of colours.
func newGrid(title string, lines []string, units []RetrievedUnit, side, row int) *grid {
	g := &grid{fonts: newFonts(), side: side, row: row}
	for _, u := range units {
		g.cells = max(g.cells, len(u.Top))
	}
	g.cells = max(g.cells, 3) // so that there is room for the title
	g.top = margin + g.title.Height() + 10 + len(lines)*(g.text.Height()+4) + 20
	width := 2*margin + headWidth + g.cells*(side+cellGap)
	g.Canvas = canvas.New(width, g.top+len(units)*row+margin-cellGap, canvas.White)
	room := width - 2*margin
	g.Text(g.title, image.Pt(margin, margin), g.title.Cut(title, room), canvas.Ink)
	for i, line := range lines {
		y := margin + g.title.Height() + 10 + i*(g.text.Height()+4)
		g.Text(g.text, image.Pt(margin, y), g.text.Cut(line, room), canvas.Grey)
	}
	return g
}

// at is the upper left corner of a unit's row.
func (g *grid) at(unit int) image.Point { return image.Pt(margin, g.top+unit*g.row) }

// cell is where a picture lies.
func (g *grid) cell(unit, picture int) image.Rectangle {
	p := g.at(unit).Add(image.Pt(headWidth+picture*(g.side+cellGap), 0))
	return image.Rectangle{p, p.Add(image.Pt(g.side, g.side))}
}

// head says which unit a row is of, and the words of its direction in so many
// lines.
func (g *grid) head(unit int, u RetrievedUnit, lines int) {
	at, room := g.at(unit), headWidth-24
	if u.head == wholeNeuron {
		// The neuron stands apart from its pairs.
		ground := image.Rect(0, at.Y-cellGap, g.Bounds().Max.X, at.Y+g.row-cellGap)
		g.Fill(ground, canvas.Shaded)
	} else {
		g.Fill(image.Rect(margin, at.Y-cellGap, g.Bounds().Max.X-margin, at.Y-cellGap+1), canvas.Faint)
	}
	name, kind := u.Unit, "neuron, sum over heads"
	if u.head != wholeNeuron {
		kind = fmt.Sprintf("pair with head %d", u.head)
	}
	g.Text(g.unit, at, name, canvas.Ink)
	at.Y += g.unit.Height() + 2
	g.Text(g.text, at, kind, canvas.Grey)
	at.Y += g.text.Height() + 10
	for _, term := range u.Words[:min(lines, len(u.Words))] {
		weight := fmt.Sprintf("%+.2f", term.Coefficient)
		g.Text(g.text, image.Pt(at.X+room-g.text.Width(weight), at.Y), weight, canvas.Grey)
		g.Text(g.text, at, g.text.Cut(term.Word, room-g.text.Width(weight)-10), canvas.Ink)
		at.Y += g.text.Height() + 2
	}
}

// picture draws one, or that it could not be read.
func (g *grid) picture(box image.Rectangle, p canvas.Picture, err error) {
	if err != nil {
		g.Fill(box, canvas.Faint)
		line := box
		line.Min.Y += (box.Dy() - g.small.Height()) / 2
		g.TextCentred(g.small, line, "unreadable", canvas.Grey)
		return
	}
	g.Place(p, box)
}

// caption writes lines below a box.
func (g *grid) caption(box image.Rectangle, lines ...string) {
	box.Min.Y = box.Max.Y + 5
	for i, line := range lines {
		colour := canvas.Ink
		if i > 0 {
			colour = canvas.Grey
		}
		g.TextCentred(g.small, box, line, colour)
		box.Min.Y += g.small.Height() + 1
	}
}

func normCaption(t Retrieved) string { return fmt.Sprintf("norm %.4g", t.Norm) }

// contactSheet draws the strongest pictures of a neuron, and below them those of
// its strongest pairs.
func contactSheet(neuron string, units []RetrievedUnit, pictures map[int]*shown, of int) *canvas.Canvas {
	f := newFonts()
	row := thumbSide + 5 + 2*(f.small.Height()+1) + 2*cellGap
	g := newGrid(neuron+": what it is strongest on", []string{
		fmt.Sprintf("The pictures, of %d, to which each unit contributes most: largest norms of its contribution, bias share included.", of),
		"Words, where given, are those that the unit's direction is made of, with their coefficients.",
	}, units, thumbSide, row)
	lines := (row - cellGap - f.unit.Height() - f.text.Height() - 12) / (f.text.Height() + 2)
	for i, u := range units {
		g.head(i, u, lines)
		for j, t := range u.Top {
			box := g.cell(i, j)
			g.picture(box, pictures[t.Image].crop, pictures[t.Image].err)
			g.caption(box, g.small.CutMiddle(t.Name, thumbSide), normCaption(t))
		}
	}
	return g.Canvas
}

// heatLines are the maps of a heat sheet, in the order of shown.maps.
var heatLines = [3]string{"activation", "attention", "product"}

// heatSheet draws, below each picture of a contact sheet, where the unit's
// activation, attention and their product are.
func heatSheet(neuron string, units []RetrievedUnit, pictures map[int]*shown, locations int) *canvas.Canvas {
	f := newFonts()
	const lineGap = 6
	block := heatSide + 5 + f.small.Height() + 8 + len(heatLines)*(heatSide+lineGap) + 2*cellGap
	g := newGrid(neuron+": where it looks", []string{
		"Below each picture: the neuron's activation, the head's attention (in the neuron's own row the mean over heads), and their",
		"product, which summed up is the score but for the position embedding. Colours of a line: from 0 to its 99th percentile.",
	}, units, heatSide, block)
	for i, u := range units {
		g.head(i, u, 3)
		var maps [3][][]float32 // of each line, by picture
		var all [3][]float32
		for _, t := range u.Top {
			s := pictures[t.Image]
			var of [3][]float32
			if s.err == nil {
				of = s.maps(u.head)
			}
			for line, values := range of {
				maps[line], all[line] = append(maps[line], values), append(all[line], values...)
			}
		}
		for j, t := range u.Top {
			s, box := pictures[t.Image], g.cell(i, j)
			g.picture(box, s.crop, s.err)
			g.caption(box, g.small.CutMiddle(t.Name, heatSide))
			box = box.Add(image.Pt(0, heatSide+5+g.small.Height()+8))
			for line := range heatLines {
				if s.err == nil {
					heat := canvas.Heat{Values: maps[line][j], W: locations, H: locations, High: percentile99(all[line])}
					g.Place(heat.Over(s.crop), box)
				}
				box = box.Add(image.Pt(0, heatSide+lineGap))
			}
		}
		g.heatHeads(i, all, lineGap)
	}
	return g.Canvas
}

// heatHeads names the lines of heat maps, and what their colours stand for.
func (g *grid) heatHeads(unit int, all [3][]float32, lineGap int) {
	y := g.at(unit).Y + heatSide + 5 + g.small.Height() + 8
	for line, name := range heatLines {
		at := image.Pt(margin, y+(heatSide-g.text.Height()-8-canvas.BarHeight(g.small))/2)
		g.Text(g.text, at, name, canvas.Ink)
		g.Bar(g.small, at.Add(image.Pt(0, g.text.Height()+8)), headWidth-100, "0", fmt.Sprintf("%.3g", percentile99(all[line])))
		y += heatSide + lineGap
	}
}

// percentile99 is the value that one of a hundred exceeds: a location that draws
// attention whatever there is in it does not leave all others dark.
func percentile99(values []float32) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return float64(sorted[len(sorted)*99/100])
}
