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

// Panels are small figures, one below the other, with a common horizontal axis.
// Each has one or two curves with separate vertical axes, the first on the left, the
// second on the right. Each axis is scaled to its curve, so that one compares how
// the curves rise and fall, not their values.
type Panels struct {
	Title, X    string
	Left, Right string    // labels of the vertical axes, with units
	At          []float64 // positions on the horizontal axis
	Names       []string  // labels of the positions, if At is 0, 1, ...; else nil
	Panels      []Panel
	NoteMeaning string // explains Panel.Notes
}

// A Panel is one of Panels, with a value for each of Panels.At. A NaN is a gap.
type Panel struct {
	Title string
	Left  []float64
	Right []float64 // nil: no second curve
	Notes []string  // small texts at the bottom of each position; nil: none
}

const (
	panelHeight   = 2.3 * vg.Inch
	slantedHeight = 0.9 * vg.Inch // added if names are slanted
	headHeight    = 70            // points, of title and legend
	rightAxis     = 54            // points, for the second axis and its label
	maxNameRunes  = 14
)

// WritePanels draws f to w. It returns an error if there is no panel, or a curve
// has no points or infinite values.
func WritePanels(w io.Writer, f Panels, format Format) error {
	if len(f.Panels) == 0 || len(f.At) == 0 {
		return fmt.Errorf("draw %s: nothing to draw", f.Title)
	}
	plots := make([][]*plot.Plot, len(f.Panels))
	axes := make([]secondAxis, len(f.Panels))
	for i, panel := range f.Panels {
		p, axis, err := f.panel(panel)
		if err != nil {
			return fmt.Errorf("draw %s: %w", panel.Title, err)
		}
		if i == len(f.Panels)-1 {
			p.X.Label.Text = f.X
		}
		plots[i], axes[i] = []*plot.Plot{p}, axis
	}
	each := panelHeight
	if f.slanted() {
		each += slantedHeight
	}
	tall := vg.Points(headHeight) + vg.Length(len(f.Panels))*each
	return encodeDrawing(w, f.Title, width, tall, format, func(c draw.Canvas) {
		f.head(draw.Crop(c, 0, 0, tall-vg.Points(headHeight), 0))
		below := draw.Crop(c, 0, -vg.Points(rightAxis), 0, -vg.Points(headHeight))
		tiles := draw.Tiles{Rows: len(plots), Cols: 1, PadY: vg.Points(10), PadBottom: vg.Points(4), PadLeft: vg.Points(4)}
		for i, row := range plot.Align(plots, tiles, below) {
			plots[i][0].Draw(row[0])
			axes[i].draw(plots[i][0].DataCanvas(row[0]))
		}
	})
}

// head draws the title and the legend.
func (f Panels) head(c draw.Canvas) {
	title := text.Style{Color: color.Black, Handler: plot.DefaultTextHandler, XAlign: draw.XCenter, YAlign: draw.YTop}
	title.Font = plot.DefaultFont
	setFont(&title, 13)
	c.FillText(title, vg.Point{X: c.Center().X, Y: c.Max.Y - vg.Points(8)}, f.Title)
	legend := plot.NewLegend()
	setFont(&legend.TextStyle, 10)
	legend.ThumbnailWidth, legend.Padding = vg.Points(36), vg.Points(3)
	legend.Left, legend.XOffs, legend.YOffs = true, vg.Points(50), vg.Points(8)
	second, notes := false, false
	for _, p := range f.Panels {
		second = second || p.Right != nil
		notes = notes || slices.ContainsFunc(p.Notes, func(s string) bool { return s != "" })
	}
	legend.Add(f.Left, thumbnail(0)...)
	if second {
		legend.Add(f.Right, thumbnail(1)...)
	}
	legend.Draw(c)
	if notes {
		small := title
		small.Color, small.XAlign, small.YAlign = grey, draw.XRight, draw.YBottom
		setFont(&small, 8)
		c.FillText(small, vg.Point{X: c.Max.X - vg.Points(rightAxis), Y: c.Min.Y + vg.Points(11)}, f.NoteMeaning)
	}
}

// thumbnail is a curve's line and marker.
func thumbnail(i int) []plot.Thumbnailer {
	line, points, err := newCurve(Curve{X: []float64{0}, Y: []float64{0}}, i)
	if err != nil {
		panic("plot: a curve of one point cannot be drawn")
	}
	return []plot.Thumbnailer{line, points}
}

// panel lays out one panel.
func (f Panels) panel(panel Panel) (*plot.Plot, secondAxis, error) {
	p := frame(panel.Title, "", f.Left)
	setFont(&p.Title.TextStyle, 11)
	p.Title.Padding = vg.Points(3)
	setFont(&p.Y.Label.TextStyle, 10)
	axis := secondAxis{}
	low, high, err := span(panel.Left)
	if err != nil {
		return nil, axis, err
	}
	if panel.Right != nil {
		axis = secondAxis{label: f.Right, shown: true}
		p.Y.Label.TextStyle.Color = styles[0].colour
		if axis.low, axis.high, err = span(panel.Right); err != nil {
			return nil, axis, err
		}
	}
	// The second curve comes first, so that the first is drawn over it.
	for i := 1; i >= 0; i-- {
		values := [][]float64{panel.Left, panel.Right}[i]
		if values == nil {
			continue
		}
		c := Curve{Name: panel.Title}
		for j, y := range values {
			if math.IsNaN(y) {
				continue
			}
			if i == 1 {
				y = low + (y-axis.low)/(axis.high-axis.low)*(high-low)
			}
			c.X, c.Y = append(c.X, f.At[j]), append(c.Y, y)
		}
		line, points, err := newCurve(c, i)
		if err != nil {
			return nil, axis, err
		}
		p.Add(line, points)
	}
	p.Y.Min, p.Y.Max = low, high
	f.places(p)
	return p, axis, f.notes(p, panel, low)
}

// span returns the range of an axis that holds values, with room above for markers
// and below for notes. NaNs are skipped.
func span(values []float64) (low, high float64, err error) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, y := range values {
		if math.IsInf(y, 0) {
			return 0, 0, fmt.Errorf("value %g, want a finite number", y)
		}
		if !math.IsNaN(y) {
			low, high = min(low, y), max(high, y)
		}
	}
	if low > high {
		return 0, 0, errors.New("no points")
	}
	if low == high {
		room := max(math.Abs(low)/2, 1e-3)
		low, high = low-room, high+room
	}
	return low - 0.22*(high-low), high + 0.1*(high-low), nil
}

// places sets the horizontal axis, which all panels share.
func (f Panels) places(p *plot.Plot) {
	low, high := slices.Min(f.At), slices.Max(f.At)
	room := max((high-low)/40, 0.5)
	p.X.Min, p.X.Max = low-room, high+room
	if f.Names == nil {
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

// secondAxis is a vertical axis on the right.
type secondAxis struct {
	label     string
	low, high float64
	shown     bool
}

// draw draws the axis at the right edge of the data area.
func (a secondAxis) draw(data draw.Canvas) {
	if !a.shown {
		return
	}
	line := draw.LineStyle{Color: color.Black, Width: vg.Points(0.5)}
	style := text.Style{Color: color.Black, Handler: plot.DefaultTextHandler, XAlign: draw.XLeft, YAlign: draw.YCenter, Font: plot.DefaultFont}
	setFont(&style, 10)
	x := data.Max.X
	data.StrokeLine2(line, x, data.Min.Y, x, data.Max.Y)
	for _, tick := range (roundTicks{}).Ticks(a.low, a.high) {
		y := data.Y((tick.Value - a.low) / (a.high - a.low))
		data.StrokeLine2(line, x, y, x+vg.Points(6), y)
		data.FillText(style, vg.Point{X: x + vg.Points(8), Y: y}, tick.Label)
	}
	style.Color, style.Rotation, style.XAlign, style.YAlign = styles[1].colour, math.Pi/2, draw.XCenter, draw.YBottom
	data.FillText(style, vg.Point{X: x + vg.Points(rightAxis-4), Y: data.Center().Y}, a.label)
}
