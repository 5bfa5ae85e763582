// Package plot draws the program's figures, as PNG or SVG.
//
// Curves differ in colour, marker and dash, and are named in a legend. The colours
// are Okabe and Ito's, which people with any colour vision can tell apart. The same
// figure gives the same bytes.
package plot

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A Figure is a set of curves with common axes.
type Figure struct {
	Title, X, Y string // of the figure and its axes, with their units
	Curves      []Curve
	Level       Level      // a horizontal line; none if it has no name
	YRange      [2]float64 // minimum range of the vertical axis

	// Shares has the horizontal axis run from 100 % down, on a logarithmic scale; every x is
	// above 0.
	Shares bool

	// Counts has the horizontal axis run over counts from 0 on, on the scale of log(1+x),
	// with a tick at each x of the first curve.
	Counts bool

	Mark Mark // a vertical line; none if it has no name
}

// A Mark is an x that is pointed out.
type Mark struct {
	Name string
	X    float64
}

// A Curve is points joined by straight lines, in ascending order of x.
type Curve struct {
	Name string
	X, Y []float64
}

// A Level is a value that curves are compared with.
type Level struct {
	Name string
	Y    float64
}

// A Format is an image file format.
type Format string

// The formats.
const (
	PNG Format = "png"
	SVG Format = "svg"
)

// FormatOf returns the format named by a path's extension.
func FormatOf(path string) (Format, error) {
	switch f := Format(strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")); f {
	case PNG, SVG:
		return f, nil
	}
	return "", fmt.Errorf("%s: want a .png or .svg file", path)
}

// The size of figures on paper; the width is that of the text on an ordinary page.
const (
	width  = 6.5 * vg.Inch
	height = 4.2 * vg.Inch

	pixelsPerInch = 192 // of a PNG: sharp on a high-density screen and in print
)

// styles are the curves' styles in order; after the last they repeat.
var styles = []struct {
	colour color.NRGBA
	marker draw.GlyphDrawer
	dashes []vg.Length
}{
	{color.NRGBA{0x00, 0x72, 0xb2, 0xff}, draw.CircleGlyph{}, nil},                                       // blue
	{color.NRGBA{0xd5, 0x5e, 0x00, 0xff}, draw.BoxGlyph{}, []vg.Length{vg.Points(7), vg.Points(3)}},      // vermilion
	{color.NRGBA{0x00, 0x9e, 0x73, 0xff}, draw.TriangleGlyph{}, []vg.Length{vg.Points(2), vg.Points(3)}}, // bluish green
	{color.NRGBA{0xcc, 0x79, 0xa7, 0xff}, draw.PyramidGlyph{}, nil},                                      // reddish purple
}

var (
	grey      = color.NRGBA{0x59, 0x59, 0x59, 0xff}
	faintGrey = color.NRGBA{0xdd, 0xdd, 0xdd, 0xff}
)

// Write draws f to w. It returns an error if a curve has no points, or NaN or
// infinite ones.
func Write(w io.Writer, f Figure, format Format) error {
	p := frame(f.Title, f.X, f.Y)
	p.Legend.YOffs = vg.Points(6) // curves end with their lowest values, so the lower left is free
	low, high := math.Inf(1), math.Inf(-1)
	for i, c := range f.Curves {
		line, points, err := newCurve(c, i)
		if err != nil {
			return err
		}
		low, high = min(low, line.XYs[0].X), max(high, line.XYs[len(c.X)-1].X)
		p.Add(line, points)
		p.Legend.Add(c.Name, line, points)
	}
	if f.Level.Name != "" {
		level, err := newLevel(f.Level, low, high)
		if err != nil {
			return err
		}
		p.Add(level)
		p.Legend.Add(f.Level.Name, level)
	}
	if f.YRange != [2]float64{} {
		p.Y.Min, p.Y.Max = min(p.Y.Min, f.YRange[0]), max(p.Y.Max, f.YRange[1])
	}
	if f.Mark.Name != "" {
		mark, err := newDashed(f.Mark.Name, plotter.XY{X: f.Mark.X, Y: p.Y.Min}, plotter.XY{X: f.Mark.X, Y: p.Y.Max})
		if err != nil {
			return err
		}
		p.Add(mark)
		p.Legend.Add(f.Mark.Name, mark)
	}
	if f.Counts {
		if !(low >= 0) {
			return fmt.Errorf("draw %s: a count of %g, want 0 or more", f.Title, low)
		}
		countAxis(p, f.Curves[0].X)
	}
	if f.Shares {
		if !(low > 0) {
			return fmt.Errorf("draw %s: a share of %g, want more than 0", f.Title, low)
		}
		shareAxis(p, low, high)
	}
	return encode(w, p, format)
}

// shareAxis lays the horizontal axis out for shares from high down to low, with room beside
// them, so that neither points nor labels touch its ends.
func shareAxis(p *plot.Plot, low, high float64) {
	const room = 1.12
	p.X.Scale = plot.InvertedScale{Normalizer: plot.LogScale{}}
	p.X.Min, p.X.Max = low/room, high*room
	var ticks plot.ConstantTicks
	for power := math.Pow(10, math.Floor(math.Log10(p.X.Min))); power <= p.X.Max; power *= 10 {
		for _, times := range []float64{1, 2, 5} {
			if at := power * times; at >= p.X.Min && at <= p.X.Max {
				ticks = append(ticks, plot.Tick{Value: at, Label: strconv.FormatFloat(at, 'g', 3, 64)})
			}
		}
	}
	p.X.Tick.Marker = ticks
}

// countAxis lays the horizontal axis out for counts from 0 on, with room beside them.
func countAxis(p *plot.Plot, counts []float64) {
	const room = 1.12
	high := counts[len(counts)-1]
	p.X.Scale = log1pScale{}
	p.X.Min, p.X.Max = 1/room-1, max(high, 1)*room
	var ticks plot.ConstantTicks
	for _, at := range counts {
		ticks = append(ticks, plot.Tick{Value: at, Label: strconv.FormatFloat(at, 'g', -1, 64)})
	}
	p.X.Tick.Marker = ticks
}

// log1pScale places x by log(1+x).
type log1pScale struct{}

func (log1pScale) Normalize(low, high, x float64) float64 {
	return (math.Log1p(x) - math.Log1p(low)) / (math.Log1p(high) - math.Log1p(low))
}

// frame returns a plot without data in the style that all figures share: title,
// axes, grid, and a legend on the left.
func frame(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding = vg.Points(8)
	setFont(&p.Title.TextStyle, 13)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		setFont(&axis.Label.TextStyle, 11)
		setFont(&axis.Tick.Label, 10)
		axis.Label.Padding = vg.Points(4)
		axis.Tick.Marker = roundTicks{}
	}
	setFont(&p.Legend.TextStyle, 10)
	p.Legend.ThumbnailWidth = vg.Points(36)
	p.Legend.Padding = vg.Points(3)
	p.Legend.Left, p.Legend.XOffs = true, vg.Points(8)
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = faintGrey, faintGrey
	p.Add(grid)
	return p
}

// encode writes p as an image file.
func encode(w io.Writer, p *plot.Plot, format Format) error {
	return encodeDrawing(w, p.Title.Text, width, height, format, inMargin(p))
}

// inMargin draws p within a margin: titles and names would touch the edge.
func inMargin(p *plot.Plot) func(draw.Canvas) {
	const margin = 8 // points
	return func(c draw.Canvas) { p.Draw(draw.Crop(c, margin, -margin, margin, -margin)) }
}

// encodeDrawing writes what paint draws as an image file.
func encodeDrawing(w io.Writer, title string, wide, tall vg.Length, format Format, paint func(draw.Canvas)) error {
	if format == SVG {
		canvas := vgsvg.New(wide, tall)
		paint(draw.New(canvas))
		if _, err := canvas.WriteTo(w); err != nil {
			return fmt.Errorf("draw %s: %w", title, err)
		}
		return nil
	}
	canvas := vgimg.NewWith(vgimg.UseWH(wide, tall), vgimg.UseDPI(pixelsPerInch))
	paint(draw.New(canvas))
	_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(w)
	return err
}

func setFont(s *text.Style, points float64) {
	s.Font.Variant, s.Font.Size = "Sans", vg.Points(points)
}

// roundTicks labels an axis at about five multiples of 1, 2 or 5 times a power of
// ten: of one or more where only whole numbers have a meaning, as years.
type roundTicks struct{ whole bool }

func (r roundTicks) Ticks(low, high float64) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10((high-low)/2)))
	for _, times := range []float64{0.5, 1, 2, 5} {
		if wider := times * step; (high-low)/wider <= 6 {
			step = wider
			break
		}
	}
	if r.whole {
		step = max(step, 1)
	}
	var ticks []plot.Tick
	for i := math.Ceil(low / step); i*step <= high; i++ {
		at := i*step + 0 // not minus zero
		ticks = append(ticks, plot.Tick{Value: at, Label: strconv.FormatFloat(at, 'g', 6, 64)})
	}
	return ticks
}

func newCurve(c Curve, i int) (*plotter.Line, *plotter.Scatter, error) {
	if len(c.X) != len(c.Y) {
		panic("plot: a curve's points lack a coordinate")
	}
	if len(c.X) == 0 {
		return nil, nil, fmt.Errorf("draw %s: no points", c.Name)
	}
	xys := make(plotter.XYs, len(c.X))
	for j := range xys {
		xys[j].X, xys[j].Y = c.X[j], c.Y[j]
	}
	line, points, err := plotter.NewLinePoints(xys)
	if err != nil {
		return nil, nil, fmt.Errorf("draw %s: %w", c.Name, err)
	}
	s := styles[i%len(styles)]
	line.Color, line.Width, line.Dashes = s.colour, vg.Points(1.8), s.dashes
	points.Color, points.Shape, points.Radius = s.colour, s.marker, vg.Points(3.5)
	return line, points, nil
}

// newLevel returns a line over the curves' width, or a short one if they are a
// single point.
func newLevel(l Level, low, high float64) (*plotter.Line, error) {
	if !(low < high) {
		low, high = low-1, high+1
	}
	return newDashed(l.Name, plotter.XY{X: low, Y: l.Y}, plotter.XY{X: high, Y: l.Y})
}

// newDashed is a line that is no curve.
func newDashed(name string, from, to plotter.XY) (*plotter.Line, error) {
	line, err := plotter.NewLine(plotter.XYs{from, to})
	if err != nil {
		return nil, fmt.Errorf("draw %s: %w", name, err)
	}
	line.Color, line.Width, line.Dashes = grey, vg.Points(1.2), []vg.Length{vg.Points(4), vg.Points(4)}
	return line, nil
}
