package plot

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Panels are small figures, one below the other, with a common horizontal axis. Each has
// one curve and a vertical axis of its own that begins at 0: quantities of different units
// never share a panel, where the choice of two scales would decide how well they agree.
type Panels struct {
	Title, X    string
	Caption     []string  // lines below the title
	At          []float64 // positions on the horizontal axis
	Names       []string  // labels of the positions, if At is 0, 1, ...; else nil
	Panels      []Panel
	NoteMeaning string // explains Panel.Notes
}

// A Panel is one of Panels, with a value for each of Panels.At. A NaN is a gap.
type Panel struct {
	Title  string
	Y      string // label of the vertical axis, with its unit
	Values []float64
	Style  int      // of the curve: the same for the same quantity
	Notes  []string // small texts at the bottom of each position; nil: none
}

const (
	panelHeight   = 1.75 * vg.Inch
	slantedHeight = 0.9 * vg.Inch // added if names are slanted
	headHeight    = 64            // points, of title and caption
	maxNameRunes  = 14
)

// WritePanels draws f to w. It returns an error if there is no panel, or a curve
// has no points or infinite values.
func WritePanels(w io.Writer, f Panels, format Format) error {
	if len(f.Panels) == 0 || len(f.At) == 0 {
		return fmt.Errorf("draw %s: nothing to draw", f.Title)
	}
	plots := make([][]*plot.Plot, len(f.Panels))
	for i, panel := range f.Panels {
		p, err := f.panel(panel)
		if err != nil {
			return fmt.Errorf("draw %s: %w", panel.Title, err)
		}
		if i == len(f.Panels)-1 {
			p.X.Label.Text = f.X
		}
		plots[i] = []*plot.Plot{p}
	}
	each := panelHeight
	if f.slanted() {
		each += slantedHeight
	}
	tall := vg.Points(headHeight) + vg.Length(len(f.Panels))*each
	return encodeDrawing(w, f.Title, width, tall, format, func(c draw.Canvas) {
		f.head(draw.Crop(c, 0, 0, tall-vg.Points(headHeight), 0))
		below := draw.Crop(c, 0, -vg.Points(12), 0, -vg.Points(headHeight))
		tiles := draw.Tiles{Rows: len(plots), Cols: 1, PadY: vg.Points(10), PadBottom: vg.Points(4), PadLeft: vg.Points(4)}
		for i, row := range plot.Align(plots, tiles, below) {
			plots[i][0].Draw(row[0])
		}
	})
}

// head draws the title and the legend.
func (f Panels) head(c draw.Canvas) {
	title := text.Style{Color: color.Black, Handler: plot.DefaultTextHandler, XAlign: draw.XCenter, YAlign: draw.YTop}
	title.Font = plot.DefaultFont
	setFont(&title, 13)
	c.FillText(title, vg.Point{X: c.Center().X, Y: c.Max.Y - vg.Points(8)}, f.Title)
	small := title
	small.Color = grey
	setFont(&small, 9)
	for i, line := range f.Caption {
		c.FillText(small, vg.Point{X: c.Center().X, Y: c.Max.Y - vg.Points(28+12*float64(i))}, line)
	}
	if slices.ContainsFunc(f.Panels, func(p Panel) bool { return slices.ContainsFunc(p.Notes, func(s string) bool { return s != "" }) }) {
		small.XAlign, small.YAlign = draw.XRight, draw.YBottom
		setFont(&small, 8)
		c.FillText(small, vg.Point{X: c.Max.X - vg.Points(8), Y: c.Min.Y + vg.Points(2)}, f.NoteMeaning)
	}
}

// panel lays out one panel.
func (f Panels) panel(panel Panel) (*plot.Plot, error) {
	p := frame(panel.Title, "", panel.Y)
	setFont(&p.Title.TextStyle, 11)
	p.Title.Padding = vg.Points(3)
	setFont(&p.Y.Label.TextStyle, 10)
	p.Y.Label.TextStyle.Color = styles[panel.Style%len(styles)].colour
	low, high, err := span(panel.Values)
	if err != nil {
		return nil, err
	}
	c := Curve{Name: panel.Title}
	for j, y := range panel.Values {
		if !math.IsNaN(y) {
			c.X, c.Y = append(c.X, f.At[j]), append(c.Y, y)
		}
	}
	line, points, err := newCurve(c, panel.Style)
	if err != nil {
		return nil, err
	}
	p.Add(line, points)
	p.Y.Min, p.Y.Max = low, high
	f.places(p)
	return p, f.notes(p, panel, low)
}

// span returns the range of an axis that holds 0 and values, with room above for markers
// and, if there are values below 0, below them. NaNs are skipped.
func span(values []float64) (low, high float64, err error) {
	points := 0
	for _, y := range values {
		if math.IsInf(y, 0) {
			return 0, 0, fmt.Errorf("value %g, want a finite number", y)
		}
		if !math.IsNaN(y) {
			low, high = min(low, y), max(high, y)
			points++
		}
	}
	if points == 0 {
		return 0, 0, errors.New("no points")
	}
	if low == high {
		high = 1e-3
	}
	room := 0.12 * (high - low)
	if low < 0 {
		low -= room
	}
	return low, high + room, nil
}

// places sets the horizontal axis, which all panels share.
func (f Panels) places(p *plot.Plot) {
	low, high := slices.Min(f.At), slices.Max(f.At)
	room := max((high-low)/40, 0.5)
	p.X.Min, p.X.Max = low-room, high+room
	if f.Names == nil {
		fraction := func(x float64) bool { return x != math.Trunc(x) }
		p.X.Tick.Marker = roundTicks{whole: !slices.ContainsFunc(f.At, fraction)}
		return
	}
	ticks := make(plot.ConstantTicks, len(f.Names))
	for i, name := range f.Names {
		ticks[i] = plot.Tick{Value: float64(i), Label: shorten(name)}
	}
	p.X.Tick.Marker = ticks
	if f.slanted() {
		label := &p.X.Tick.Label
		label.Rotation, label.XAlign, label.YAlign = math.Pi/4, draw.XRight-0.1, draw.YCenter
	}
}

// slanted reports whether names would overlap if they were horizontal.
func (f Panels) slanted() bool {
	letters := 0
	for _, name := range f.Names {
		letters += len([]rune(shorten(name))) + 2
	}
	return letters > 70
}

func shorten(name string) string {
	if runes := []rune(name); len(runes) > maxNameRunes {
		return string(runes[:maxNameRunes-1]) + "…"
	}
	return name
}

func (f Panels) notes(p *plot.Plot, panel Panel, low float64) error {
	var at plotter.XYLabels
	for i, note := range panel.Notes {
		if note != "" {
			at.XYs, at.Labels = append(at.XYs, plotter.XY{X: f.At[i], Y: low}), append(at.Labels, note)
		}
	}
	if len(at.XYs) == 0 {
		return nil
	}
	labels, err := plotter.NewLabels(at)
	if err != nil {
		return err
	}
	for i := range labels.TextStyle {
		s := &labels.TextStyle[i]
		setFont(s, 8)
		s.Color, s.XAlign, s.YAlign = grey, draw.XCenter, draw.YBottom
	}
	labels.Offset.Y = vg.Points(2)
	p.Add(labels)
	return nil
}
