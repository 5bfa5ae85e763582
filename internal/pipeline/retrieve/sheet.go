package retrieve

import (
	"fmt"
	"image"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/ui"
)

// newGrid returns a sheet with a row for each unit.
func newGrid(title, text string, units []Unit, height int) *figure.Grid {
	cells := 0
	for _, u := range units {
		cells = max(cells, len(u.Top))
	}
	return figure.NewGrid(title, text, len(units), cells, height)
}

// kindOf says what a unit is: a pair by its head, 12 of h12n624 and l10h3 of l10h3n624.
func kindOf(u Unit) string {
	if u.head == wholeNeuron {
		return "neuron, sum over heads"
	}
	return "pair with head " + strings.TrimPrefix(u.Unit[:strings.LastIndexByte(u.Unit, 'n')], "h")
}

// head says which unit a row is of, and the words of its direction in so many
// lines.
func head(g *figure.Grid, unit int, u Unit, lines int) {
	at, room := g.At(unit), figure.HeadWidth-24
	g.Text(g.Bold, at, u.Unit, canvas.Ink)
	at.Y += g.Bold.Height() + 2
	g.Text(g.Plain, at, kindOf(u), canvas.Grey)
	at.Y += g.Plain.Height() + 10
	for _, term := range u.Words[:min(lines, len(u.Words))] {
		weight := fmt.Sprintf("%+.2f", term.Coefficient)
		g.Text(g.Plain, image.Pt(at.X+room-g.Plain.Width(weight), at.Y), weight, canvas.Grey)
		g.Text(g.Plain, at, g.Plain.Cut(term.Word, room-g.Plain.Width(weight)-10), canvas.Ink)
		at.Y += g.Plain.Height() + 2
	}
}

func normCaption(t Hit) string { return fmt.Sprintf("norm %#.4g", t.Norm) }

// contactSheet draws the strongest images of a neuron, and below them those of
// its strongest pairs.
func contactSheet(neuron string, units []Unit, images map[int]*shown, of int) *canvas.Canvas {
	f := figure.NewFonts()
	row := f.RowHeight(3) // the folder, the file, the norm
	text := fmt.Sprintf("Of %s those that each unit contributes most to, by the norm of its contribution, bias share included. "+
		"Images are shown as the model sees them.", ui.Images.Count(int64(of)))
	if slices.ContainsFunc(units, func(u Unit) bool { return len(u.Words) > 0 }) {
		text += " Words are what a unit's direction is made of, with their coefficients."
	}
	g := newGrid(neuron+": strongest images", text, units, row)
	lines := (row - figure.CellGap - f.Bold.Height() - f.Plain.Height() - 12) / (f.Plain.Height() + 2)
	for i, u := range units {
		y := g.At(i).Y - figure.CellGap
		if u.head == wholeNeuron { // stands apart from its pairs
			g.Fill(image.Rect(0, y, g.Bounds().Max.X, y+row), canvas.Shaded)
		} else {
			g.Fill(image.Rect(figure.Margin, y, g.Bounds().Max.X-figure.Margin, y+1), canvas.Faint)
		}
		head(g, i, u, lines)
		for j, t := range u.Top {
			box := g.Cell(i, j)
			g.Thumb(box, images[t.Image].crop, images[t.Image].err)
			g.Caption(box, append(g.NameLines(t.Name), normCaption(t))...)
		}
	}
	return g.Canvas
}

// heatLines are the maps of a heat sheet, in the order of shown.maps.
var heatLines = [3]string{"activation", "attention", "product"}

// productText says what attention and the product are in a tower.
func productText(tower clip.PairTower) string {
	if tower.Position() == nil {
		return "the attention of the head, over what norms divide by, or for a neuron " +
			"the mean over the heads of later layers; and their product, which is what a location adds to the score. "
	}
	return "the attention of the head, or for a neuron " +
		"the mean over heads; and their product, which is what a location adds to the score, the position embedding aside. "
}

// heatSheet draws a unit's strongest images, and below each where on it, on locations of side
// squared, the activation, the attention and their product are.
func heatSheet(u Unit, images map[int]*shown, side int, product string) *canvas.Canvas {
	const lineGap = 8
	f := figure.NewFonts()
	below := 5 + 2*(f.Small.Height()+1) + 8 // an image: its caption
	row := figure.ThumbSide + below + len(heatLines)*(figure.ThumbSide+lineGap) + 2*figure.CellGap
	g := newGrid(u.Unit+": heat maps", "Below each image, over its locations: the neuron's activation; "+product+
		"The colours of a row reach from 0, which leaves the image as it is, to its 99th percentile.", []Unit{u}, row)
	head(g, 0, u, 5)
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
		s, box := images[t.Image], g.Cell(0, j)
		g.Thumb(box, s.crop, s.err)
		g.Caption(box, g.NameLines(t.Name)...)
	}
	for line, name := range heatLines {
		y := figure.ThumbSide + below + line*(figure.ThumbSide+lineGap)
		high := percentile99(slices.Concat(lines[line]...))
		for j, values := range lines[line] {
			if values == nil {
				continue
			}
			heat := canvas.Heat{Values: values, W: side, H: side, High: high}
			g.Place(heat.Over(images[u.Top[j].Image].crop), g.Cell(0, j).Add(image.Pt(0, y)))
		}
		at := g.At(0).Add(image.Pt(0, y+(figure.ThumbSide-g.Plain.Height()-8-canvas.BarHeight(g.Small))/2))
		g.Text(g.Plain, at, name, canvas.Ink)
		g.Bar(g.Small, at.Add(image.Pt(0, g.Plain.Height()+8)), figure.HeadWidth-80, "0", fmt.Sprintf("%.3g", high))
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
