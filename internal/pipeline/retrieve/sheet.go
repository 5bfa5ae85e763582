package retrieve

import (
	"fmt"
	"image"
	"path"
	"slices"

	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/ui"
)

// Measures of sheets, in pixels.
const (
	thumbSide = 208 // of an image on a sheet
	cellGap   = 12
	margin    = 36
	headWidth = 300 // of what is said of a unit, on the left
	textWidth = 1600
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
	row, top int // height of a row; where the first begins
}

// newGrid returns a sheet with its title and a text that explains it.
func newGrid(title, text string, units []Unit, row int) *grid {
	g := &grid{fonts: newFonts(), row: row}
	cells := 3 // so that there is room for the text
	for _, u := range units {
		cells = max(cells, len(u.Top))
	}
	width := 2*margin + headWidth + cells*(thumbSide+cellGap) - cellGap
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

// cell is where an image lies.
func (g *grid) cell(unit, column int) image.Rectangle {
	p := g.at(unit).Add(image.Pt(headWidth+column*(thumbSide+cellGap), 0))
	return image.Rectangle{p, p.Add(image.Pt(thumbSide, thumbSide))}
}

// head says which unit a row is of, and the words of its direction in so many
// lines.
func (g *grid) head(unit int, u Unit, lines int) {
	at, room := g.at(unit), headWidth-24
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

// place draws one, or that it could not be read.
func (g *grid) place(box image.Rectangle, p canvas.Image, err error) {
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

// nameLines are the name of an image: its folder, which is often its class, and its file.
func (g *grid) nameLines(name string) []string {
	folder, file := path.Split(name)
	if folder == "" {
		return []string{g.small.CutMiddle(file, thumbSide)}
	}
	return []string{g.small.CutMiddle(folder, thumbSide), g.small.CutMiddle(file, thumbSide)}
}

func normCaption(t Hit) string { return fmt.Sprintf("norm %#.4g", t.Norm) }

// contactSheet draws the strongest images of a neuron, and below them those of
// its strongest pairs.
func contactSheet(neuron string, units []Unit, images map[int]*shown, of int) *canvas.Canvas {
	f := newFonts()
	row := thumbSide + 5 + 3*(f.small.Height()+1) + 2*cellGap // the folder, the file, the norm
	text := fmt.Sprintf("Of %s those that each unit contributes most to, by the norm of its contribution, bias share included. "+
		"Images are shown as the model sees them.", ui.Images.Count(int64(of)))
	if slices.ContainsFunc(units, func(u Unit) bool { return len(u.Words) > 0 }) {
		text += " Words are what a unit's direction is made of, with their coefficients."
	}
	g := newGrid(neuron+": strongest images", text, units, row)
	lines := (row - cellGap - f.unit.Height() - f.text.Height() - 12) / (f.text.Height() + 2)
	for i, u := range units {
		y := g.at(i).Y - cellGap
		if u.head == wholeNeuron { // stands apart from its pairs
			g.Fill(image.Rect(0, y, g.Bounds().Max.X, y+row), canvas.Shaded)
		} else {
			g.Fill(image.Rect(margin, y, g.Bounds().Max.X-margin, y+1), canvas.Faint)
		}
		g.head(i, u, lines)
		for j, t := range u.Top {
			box := g.cell(i, j)
			g.place(box, images[t.Image].crop, images[t.Image].err)
			g.caption(box, append(g.nameLines(t.Name), normCaption(t))...)
		}
	}
	return g.Canvas
}

// heatLines are the maps of a heat sheet, in the order of shown.maps.
var heatLines = [3]string{"activation", "attention", "product"}

// heatSheet draws a unit's strongest images, and below each where on it the
// activation, the attention and their product are.
func heatSheet(u Unit, images map[int]*shown, locations int) *canvas.Canvas {
	const lineGap = 8
	f := newFonts()
	below := 5 + 2*(f.small.Height()+1) + 8 // an image: its caption
	row := thumbSide + below + len(heatLines)*(thumbSide+lineGap) + 2*cellGap
	g := newGrid(u.Unit+": heat maps", "Below each image, over its locations: the neuron's activation; the attention of the head, or for a neuron "+
		"the mean over heads; and their product, which is what a location adds to the score, the position embedding aside. "+
		"The colours of a row reach from 0, which leaves the image as it is, to its 99th percentile.", []Unit{u}, row)
	g.head(0, u, 5)
	var lines [3][][]float32 // by image; empty where it could not be read
	for _, t := range u.Top {
		var maps [3][]float32
		if s := images[t.Image]; s.err == nil {
			maps = s.maps(u.head)
		}
		for line, values := range maps {
			lines[line] = append(lines[line], values)
		}
	}
	for j, t := range u.Top {
		s, box := images[t.Image], g.cell(0, j)
		g.place(box, s.crop, s.err)
		g.caption(box, g.nameLines(t.Name)...)
	}
	for line, name := range heatLines {
		y := thumbSide + below + line*(thumbSide+lineGap)
		high := percentile99(slices.Concat(lines[line]...))
		for j, values := range lines[line] {
			if values == nil {
				continue
			}
			heat := canvas.Heat{Values: values, W: locations, H: locations, High: high}
			g.Place(heat.Over(images[u.Top[j].Image].crop), g.cell(0, j).Add(image.Pt(0, y)))
		}
		at := g.at(0).Add(image.Pt(0, y+(thumbSide-g.text.Height()-8-canvas.BarHeight(g.small))/2))
		g.Text(g.text, at, name, canvas.Ink)
		g.Bar(g.small, at.Add(image.Pt(0, g.text.Height()+8)), headWidth-80, "0", fmt.Sprintf("%.3g", high))
	}
	return g.Canvas
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
