package plot

import (
	"fmt"
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Intervals is a figure of numbers with their intervals, a row for each, the first one at
// the top, and a line at zero.
type Intervals struct {
	Title, X string // of the figure and its axis, with the unit
	Rows     []Interval
}

// An Interval is a row of Intervals. Filled ones are drawn with a filled mark, others with a
// ring.
type Interval struct {
	Name   string
	At     float64
	Ends   *[2]float64 // nil: no interval
	Filled bool
}

// WriteIntervals draws f to w. It returns an error if there is no row, or a number is NaN or
// infinite.
func WriteIntervals(w io.Writer, f Intervals, format Format) error {
	if len(f.Rows) == 0 {
		return fmt.Errorf("draw %s: no rows", f.Title)
	}
	p := frame(f.Title, f.X, "")
	n := len(f.Rows)
	var ticks plot.ConstantTicks
	var marks [2]plotter.XYs // rings and filled marks
	var bars []*plotter.Line
	for i, row := range f.Rows {
		y := float64(n - 1 - i)
		ticks = append(ticks, plot.Tick{Value: y, Label: rowLabel(row.Name)})
		numbers := []float64{row.At}
		if row.Ends != nil {
			numbers = append(numbers, row.Ends[:]...)
		}
		for _, x := range numbers {
			if x-x != 0 {
				return fmt.Errorf("draw %s: %g, want a finite number", row.Name, x)
			}
		}
		kind := 0
		if row.Filled {
			kind = 1
		}
		marks[kind] = append(marks[kind], plotter.XY{X: row.At, Y: y})
		if row.Ends != nil {
			bar, err := plotter.NewLine(plotter.XYs{{X: row.Ends[0], Y: y}, {X: row.Ends[1], Y: y}})
			if err != nil {
				return fmt.Errorf("draw %s: %w", row.Name, err)
			}
			bar.Color, bar.Width = styles[0].colour, vg.Points(1.5)
			bars = append(bars, bar)
		}
	}
	zero, err := plotter.NewLine(plotter.XYs{{X: 0, Y: -0.5}, {X: 0, Y: float64(n) - 0.5}})
	if err != nil {
		return fmt.Errorf("draw %s: %w", f.Title, err)
	}
	zero.Color = grey
	p.Add(zero)
	for _, bar := range bars {
		p.Add(bar)
	}
	for kind, shape := range []draw.GlyphDrawer{draw.RingGlyph{}, draw.CircleGlyph{}} {
		if len(marks[kind]) == 0 {
			continue
		}
		points, err := plotter.NewScatter(marks[kind])
		if err != nil {
			return fmt.Errorf("draw %s: %w", f.Title, err)
		}
		points.Color, points.Shape, points.Radius = styles[0].colour, shape, vg.Points(3.5)
		p.Add(points)
	}
	p.Y.Tick.Marker, p.Y.Min, p.Y.Max = ticks, -0.5, float64(n)-0.5
	if p.X.Min == p.X.Max { // nothing but zeros
		p.X.Min, p.X.Max = -1, 1
	}
	room := (p.X.Max - p.X.Min) / 30 // so that the ends of the widest are seen
	p.X.Min, p.X.Max = p.X.Min-room, p.X.Max+room
	tall := vg.Points(headHeight) + vg.Length(n)*0.28*vg.Inch
	return encodeDrawing(w, f.Title, width, max(tall, 2*vg.Inch), format, inMargin(p))
}

// rowLabel is a name that leaves most of the figure to the rows.
func rowLabel(name string) string {
	const most = 28 // characters
	if runes := []rune(name); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return name
}
