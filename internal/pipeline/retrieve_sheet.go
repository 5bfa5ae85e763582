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
	textWidth = 1300
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
}

// newGrid returns a sheet with its title and a text that explains it.
func newGrid(title, text string, units []RetrievedUnit, side, row int) *grid {
	g := &grid{fonts: newFonts(), side: side, row: row}
	cells := 3 // so that there is room for the text
	for _, u := range units {
		cells = max(cells, len(u.Top))
	}
	width := 2*margin + headWidth + cells*(side+cellGap) - cellGap
	lines := g.text.Wrap(text, min(width-2*margin, textWidth))
	y := margin + g.title.Height() + 10
	g.top = y + len(lines)*(g.text.Height()+4) + 20 + cellGap
	g.Canvas = canvas.New(width, g.top+len(units)*row+margin-2*cellGap, canvas.White)
	g.Text(g.title, image.Pt(margin, margin), title, canvas.Ink)
	for _, line := range lines {
		g.Text(g.text, image.Pt(margin, y), line, canvas.Grey)
		y += g.text.Height() + 4
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

func normCaption(t Retrieved) string { return fmt.Sprintf("norm %#.4g", t.Norm) }

// contactSheet draws the strongest pictures of a neuron, and below them those of
// its strongest pairs.
func contactSheet(neuron string, units []RetrievedUnit, pictures map[int]*shown, of int) *canvas.Canvas {
	f := newFonts()
	row := thumbSide + 5 + 2*(f.small.Height()+1) + 2*cellGap
	text := fmt.Sprintf("Of %d pictures those that each unit contributes most to, by the norm of its contribution, bias share included. "+
		"Pictures are shown as the model sees them.", of)
	if slices.ContainsFunc(units, func(u RetrievedUnit) bool { return len(u.Words) > 0 }) {
		text += " Words are what a unit's direction is made of, with their coefficients."
	}
	g := newGrid(neuron+": strongest pictures", text, units, thumbSide, row)
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
	g := newGrid(neuron+": heat maps", "Below each picture, over its locations: the neuron's activation; the attention of the head, or for the neuron "+
		"the mean over heads; and their product, which is what a location adds to the score, the position embedding aside. "+
		"The colours of a line reach from 0 to its 99th percentile.", units, heatSide, block)
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
		var high [3]float64
		for line, values := range all {
			high[line] = percentile99(values)
		}
		for j, t := range u.Top {
			s, box := pictures[t.Image], g.cell(i, j)
			g.picture(box, s.crop, s.err)
			g.caption(box, g.small.CutMiddle(t.Name, heatSide))
			box = box.Add(image.Pt(0, heatSide+5+g.small.Height()+8))
			for line := range heatLines {
				if s.err == nil {
					heat := canvas.Heat{Values: maps[line][j], W: locations, H: locations, High: high[line]}
					g.Place(heat.Over(s.crop), box)
				}
				box = box.Add(image.Pt(0, heatSide+lineGap))
			}
		}
		g.heatHeads(i, high, lineGap)
	}
	return g.Canvas
}

// heatHeads names the lines of heat maps, and what their colours stand for.
func (g *grid) heatHeads(unit int, high [3]float64, lineGap int) {
	y := g.at(unit).Y + heatSide + 5 + g.small.Height() + 8
	for line, name := range heatLines {
		at := image.Pt(margin, y+(heatSide-g.text.Height()-8-canvas.BarHeight(g.small))/2)
		g.Text(g.text, at, name, canvas.Ink)
		g.Bar(g.small, at.Add(image.Pt(0, g.text.Height()+8)), headWidth-100, "0", fmt.Sprintf("%.3g", high[line]))
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
